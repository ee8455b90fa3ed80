"""The bar fits a terminal of 80 columns; a file gets lines."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from lit_a3c import A3C, RolloutDataModule
from lit_a3c.callbacks import progress
from lit_a3c.callbacks.progress import StepProgressBar
from tests.cli.trainings import SERIAL
from tests.commands import LAUNCH, environment
from tests.dummy_envs import dummy
from tests.trainers import quiet


def on_terminal(directory: Path, *args: str, columns: int = 80) -> str:
    """What a command writes to a terminal of so many columns."""
    fcntl, termios, pty = (pytest.importorskip(name) for name in ("fcntl", "termios", "pty"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, columns.to_bytes(2, "little").join([b"\x28\0", b"\0\0\0\0"]))
    process = subprocess.Popen(
        [*LAUNCH, *args], cwd=directory, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    try:
        while data := os.read(ours, 65_536):
            written += data
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0, written.decode()
    return written.decode()


def test_the_bar_shows_return_and_last_validation_on_80_columns(tmp_path: Path) -> None:
    """Also where the last rollout goes beyond the budget."""
    options = ["--trainer.enable_progress_bar", "true", "--progress.refresh_rate", "10", "--data.total_steps", "4001"]
    shown = re.split(r"[\r\n]+", on_terminal(tmp_path, *SERIAL, *options))
    bars = [line for line in shown if line.startswith("steps ")]
    assert max(map(len, bars)) <= 80
    assert re.search(r"\| 4.08k/4.08k \[00:\d\d<00:00, .*/s, return=\d+\.\d, val=\d+\.\d\]$", bars[-1]), bars[-1]
    assert not [line for line in shown if line.startswith("Training")]
    assert shown[-2].startswith("  next "), "the summary comes last"


def test_a_file_gets_no_bars(tmp_path: Path) -> None:
    """And no line within the first minute."""
    done = subprocess.run(
        [*LAUNCH, *SERIAL, "--trainer.enable_progress_bar", "true"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "%" not in done.stdout
    assert "\r" not in done.stdout


def test_a_file_gets_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With steps, share, speed, time left, return and the last validation, and no more than one each interval."""
    clock = iter(range(0, 10_000, 20))  # each look at it is 20 seconds later
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    data = RolloutDataModule(dummy("TimeLimit"), 400, "serial", envs_per_worker=4, rollout_length=5, eval_episodes=1)
    options = {"check_val_every_n_epoch": None, "val_check_interval": 5, "num_sanity_val_steps": 0}
    trainer = quiet(callbacks=[StepProgressBar()], enable_progress_bar=True, log_every_n_steps=0, **options)
    trainer.fit(A3C(data.spaces), datamodule=data)
    lines = capsys.readouterr().err.splitlines()
    assert lines
    pattern = r"lit-a3c: \d+ steps \(\d+%\), \d+/s, \d\d:\d\d left(, return \d+\.\d)?(, val \d+\.\d)?"
    assert all(re.fullmatch(pattern, line) for line in lines), lines
    assert lines[-1].split("val ")[1] == f"{float(trainer.callback_metrics['val/return_mean']):.1f}"
    assert len(lines) < 20
