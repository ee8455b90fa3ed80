"""``--help`` and ``--help-all``."""

from __future__ import annotations

import re

import pytest

from lit_a3c.cli import help_texts
from lit_a3c.cli.commands import COMMANDS
from lit_a3c.cli.main import main
from tests.cli.parsers import options_of, parser_of


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> object:
    """``lit-a3c ARGS`` in a terminal of 80 columns: what it prints. Each line has to fit."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*args: str) -> str:
        assert main(list(args)) == 0
        text = capfd.readouterr().out
        assert max(map(len, text.splitlines())) <= 80
        assert text.endswith("\n")
        assert not re.search(r"``|:\w+:`|\.\. \w+::|Union|typing", text)
        return text

    return call


def named(text: str) -> list[str]:
    return re.findall(r"^  (?:-\w.*, )?(--[\w.-]+)", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_all_options(command: str, shown) -> None:  # type: ignore[no-untyped-def]
    """Everything that the parser knows."""
    assert sorted(named(shown(command, "--help-all"))) == sorted(options_of(parser_of(command)))


def test_first_what_is_needed_first(shown) -> None:  # type: ignore[no-untyped-def]
    text = shown("fit", "--help")
    sections = re.findall(r"^(\w+):$", text, re.MULTILINE)
    assert sections == [
        *("options", "data", "model", "ray", "best_checkpoint", "last_checkpoint", "video", "progress", "trainer"),
    ]
    options = named(text)
    assert options[:4] == ["--ckpt_path", "--config", "--engine", "--num_workers"]
    hidden = set(options_of(parser_of("fit"))) - set(options)
    assert len(hidden) > 30
    assert {option.partition(".")[0] for option in hidden} == {"--trainer", "--best_checkpoint", "--weights_only"}
    assert text.splitlines()[-1] == "`lit-a3c fit --help-all` lists every option, also the rest of Lightning's."


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_a_command_that_does_not_train_shows_no_option_of_training(command: str, shown) -> None:  # type: ignore[no-untyped-def]
    options = named(shown(command, "--help"))
    assert not {option.removeprefix("--") for option in options} & set(help_texts.TRAINING_ONLY)
    episodes = [option for option in options if option.endswith("_episodes")]
    assert episodes == [f"--data.{'eval' if command == 'validate' else command}_episodes"]
    assert {"--ckpt_path", "--model.deterministic_eval", "--data.max_eval_steps"} <= set(options)
    assert ("--video.max_frames" in options) == (command == "predict")


def test_the_tables_name_options_that_there_are() -> None:
    known = {option.removeprefix("--") for command in COMMANDS for option in options_of(parser_of(command))}
    known |= {option.partition(".")[0] for option in known} | {"help_all"}
    tables = (help_texts.WORDS, help_texts.BORROWED, help_texts.TITLES, help_texts.TRAINING_ONLY)
    assert {name for table in (*tables, help_texts.ALWAYS, help_texts.SOME_COMMANDS) for name in table} <= known


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--model.body.help", "MLPBody"), "  --model.body.hidden LIST\n"),
        (("--data.atari.help",), "  --data.atari.sticky NUMBER\n"),
        (("--trainer.logger.help=RunLogger",), "  --trainer.logger.version VERSION\n"),
        (("--trainer.callbacks.help", "EarlyStopping"), "  --trainer.callbacks.patience INT\n"),
        (("--trainer.callbacks.help", "Timer"), "  --trainer.callbacks.interval INTERVAL\n"),
    ],
)
def test_the_options_of_a_class(option: tuple[str, ...], says: str, shown) -> None:  # type: ignore[no-untyped-def]
    """Someone who asks needs no config."""
    assert says in shown("fit", *option)


def test_values_and_defaults_are_as_the_command_line_takes_them(shown) -> None:  # type: ignore[no-untyped-def]
    text = " ".join(shown("fit", "--help").split())
    for part in (
        "--num_workers INT|auto Worker processes.",
        "--model.vtrace BOOL",
        "--data.env_id ENV_ID",
        "(default: false)",
        "(default: lit_a3c.RMSprop)",
        "Classes: A3CBody, NatureBody,",
        "Its options: --data.atari.help.",
    ):
        assert part in text
