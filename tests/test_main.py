from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

import lit_a3c
from lit_a3c.main import COMMANDS, main
from tests.commands import environment

HEAVY = ("torch", "lightning", "torchrl", "tensordict", "gymnasium", "numpy", "jsonargparse")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--version"], lit_a3c.__version__),
        (["-V"], lit_a3c.__version__),
        (["--help"], "usage: lit-a3c"),
        (["-h"], "--config atari.yaml"),
        ([], "usage: lit-a3c"),
    ],
)
def test_what_needs_no_torch_is_answered_at_once(args: list[str], says: str, tmp_path: Path) -> None:
    """Exit code 0 in under two seconds, and no heavy module is imported on the way."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "lit_a3c", *args],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    took = time.monotonic() - began
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert says in done.stdout
    assert "lit_a3c" in imported
    assert not imported & set(HEAVY)
    assert took < 2


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for command, what in COMMANDS.items():
        assert command in out
        assert what in out


def test_an_unknown_command_is_refused_with_the_nearest(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "lit_a3c", "tset"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "lit-a3c: 'tset' is not a command (fit, validate, test, predict). Did you mean 'test'?"
    ]
    assert not done.stdout
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_lists_its_options(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint or recipe is not asked of someone who asks for help."""
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    for option in ("--data.env_id", "--data.total_steps", "--model.entropy_coef", "--trainer.gradient_clip_val"):
        assert option in out
