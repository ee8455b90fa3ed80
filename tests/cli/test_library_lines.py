"""What Lightning says on the command line: what was asked for, and why a training ended. Nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.trainings import SERIAL
from tests.commands import launch

SHORT = [*SERIAL, "--data.total_steps", "800"]
STOP = "{class_path: EarlyStopping, init_args: {monitor: val/return_mean, stopping_threshold: 1, mode: max}}"
LINES: dict[str, tuple[list[str], str, list[str]]] = {
    # name: (options, where it stands, what it says)
    "asked for": (
        [
            *("--trainer.profiler", "simple", "--trainer.enable_model_summary", "true"),
            *("--trainer.max_steps", "3"),
        ],
        "stderr",
        ["Profiler Report", "Trainable params", "`Trainer.fit` stopped: `max_steps=3` reached."],
    ),
    "time": (
        ["--data.total_steps", "10_000_000", "--trainer.max_time", "00:00:00:01"],
        "stderr",
        ["Time limit reached"],
    ),
    "early stopping": (["--trainer.callbacks+", STOP], "stdout", ["lit-a3c: Stopping threshold reached"]),
    "more of it": (
        ["--trainer.callbacks+", STOP.replace("mode", "verbose: true, mode")],
        "stderr",
        ["Stopping threshold reached"],
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.exhaustive] * (name != "asked for")) for name in LINES]
)
def test_what_was_asked_for_is_shown(name: str, tmp_path: Path) -> None:
    """Once, and the checkpoint is written as at any end."""
    options, stream, lines = LINES[name]
    result = launch(*SHORT, *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    for line in lines:
        assert (result.stdout + result.stderr).count(line) == getattr(result, stream).count(line) == 1, line
    assert "GPU available" not in result.stderr
    assert "Tip" not in result.stderr
    assert list(tmp_path.glob("runs/*/version_0/checkpoints/last.ckpt"))


def test_otherwise_nothing_is_shown(tmp_path: Path) -> None:
    result = launch(*SHORT, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    first, title, *lines = result.stdout.splitlines()
    assert first.startswith("lit-a3c: CartPole-v1, 800 steps")
    assert title.startswith("lit-a3c: 800 steps of CartPole-v1 in ")
    assert all(line.startswith("  ") for line in lines)
