"""A run whose newest checkpoint is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_a3c.cli.main import main
from tests.cli.trainings import ROLLOUT, SERIAL
from tests.commands import RUN, Lightning, read


@pytest.fixture
def damaged(cli: Lightning, tmp_path: Path) -> Path:
    """A run whose ``last.ckpt`` is cut short."""
    cli(*SERIAL, "--trainer.max_steps", "12")
    cli(*SERIAL, "--trainer.max_steps", "25", "--ckpt_path", "last")
    last = tmp_path / RUN / "checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    return last


def test_a_damaged_checkpoint_is_passed_over(damaged: Path, capfd: pytest.CaptureFixture[str]) -> None:
    previous = read(damaged.with_name("previous.ckpt"))
    assert 0 < previous["steps"] <= 25 * ROLLOUT
    assert main(["fit", "--ckpt_path", "last", "--trainer.max_steps", "30"]) == 0
    assert f"{damaged.name} is damaged; going on with" in capfd.readouterr().err
    assert read(damaged)["global_step"] == 30


def test_a_damaged_file_that_was_named_is_refused(damaged: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With its newest neighbour, and without a new run."""
    assert main(["fit", "--ckpt_path", str(damaged)]) == 2
    assert "best.ckpt' is whole" in capfd.readouterr().err
    assert len(list(Path("runs/CartPole-v1").iterdir())) == 1
