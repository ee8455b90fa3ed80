"""Misspelt options that are refused before torch is imported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lit_a3c.cli.commands import COMMANDS
from lit_a3c.cli.spelling import SECTIONS, check_spelling, is_question, nearest, parameters
from lit_a3c.envs import AtariOptions
from lit_a3c.utils import compat_parser
from lit_a3c.utils.errors import ConfigError
from tests.cli.parsers import options_of, parser_of


@pytest.mark.parametrize("command", COMMANDS)
def test_the_names_are_those_that_the_parser_knows(command: str) -> None:
    """Those of links are parameters, too; the parser says that they follow from another option."""
    parser = parser_of(command)
    known = {option.removeprefix("--") for option in options_of(parser) if "." in option}
    links = {
        action.dest
        for action in compat_parser.actions_of(parser)
        if action.dest and " --> " in str(action.option_strings)
    }
    found = {f"{section}.{name}" for section, path in SECTIONS.items() for name in parameters(path) or ()}
    nested = {f"data.atari.{name}" for name in AtariOptions.__dataclass_fields__}
    assert found == known | links | nested
    for option in known:
        check_spelling([f"--{option}", "1", f"--{option}=1", f"--{option}+=1", f"--{option}.help"])


RIGHT = {
    "of a class": ["--model.optimizer.lrr", "1"],
    "of a section that only the parser knows": ["--recorder.path", "x"],
    "without a section": ["--engin", "serial"],
    "form of a class": ["--data.atari.init_args.stiky=1", "--model.head.class_path=X"],
    "value": ["--data.env_kwargs", "--data.wrong x"],
    "after the options": ["--", "--data.wrong"],
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_only_the_parser_can_judge_is_left_to_it(name: str) -> None:
    check_spelling(RIGHT[name])


REFUSED = {
    "--data.total_step": "Did you mean '--data.total_steps'?",
    "--data.total_step=5": "Did you mean '--data.total_steps'?",
    "--trainer.callback+=Timer": "Did you mean '--trainer.callbacks'?",
    "--modle.body.hidden": "Did you mean '--model.body.hidden'?",
    "--model.total_steps": "Did you mean '--data.total_steps'?",
    "--data.atari.stiky": "of AtariOptions. Did you mean '--data.atari.sticky'?",
    "--model.learning_rate": "there is no option '--model.learning_rate'.",
}


@pytest.mark.parametrize("option", REFUSED)
def test_the_nearest_name(option: str) -> None:
    with pytest.raises(ConfigError, match=f"{re.escape(REFUSED[option])}$"):
        check_spelling(["--config", "atari.yaml", option, "1"])


def test_a_source_that_does_not_tell_all_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused on its account."""
    package = tmp_path / "spelt"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "some.py").write_text(
        "class Open:\n    def __init__(self, a, *, b=1, **kwargs): ...\n"
        "class Closed:\n    def __init__(self, a, *, b=1): ...\n"
        "class Inherits(Closed): ...\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert parameters("spelt.some.Closed") == ("a", "b")
    for path in ("spelt.some.Open", "spelt.some.Inherits", "spelt.some.No", "spelt.other.X", "nosuchpackage.X"):
        assert parameters(path) is None


@pytest.mark.parametrize(
    ("options", "asks"),
    [
        (["--help"], True),
        (["--config", "x", "-h"], True),
        (["--help-all"], True),
        (["--model.body.help=MLPBody"], True),
        (["--model.body.help", "MLPBody"], True),
        (["--model.help_me", "1"], False),
        (["--data.env_id", "help"], False),
    ],
)
def test_a_question(options: list[str], asks: bool) -> None:
    assert is_question(options) == asks


def test_one_name_is_corrected_at_a_time() -> None:
    options = {"data.env_id", "model.gamma"}
    assert nearest("modle.gamma", options) == "model.gamma"
    assert nearest("data.gamma", options) == "model.gamma"
    assert nearest("data.nothing", options) is None
