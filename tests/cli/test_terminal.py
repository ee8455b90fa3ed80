"""Terminals and pipes that close, and signals that are ignored on purpose."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_signals import TIMEOUT, slow
from tests.cli.trainings import FIT, ROLLOUT, SERIAL
from tests.commands import LAUNCH, RUN, environment, launch, living, read, rows, started, wait_for

LEAD = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
"""Makes stdin the terminal of the session, and becomes the command in the arguments."""
ENDLESS = ["--data.total_steps", "10_000_000", "--trainer.limit_val_batches", "0"]


def trains(run: Path) -> bool:
    return (run / "metrics.csv").exists() and len(rows(run)) > 1


def test_a_closed_terminal_saves(tmp_path: Path) -> None:
    """The kernel sends SIGHUP to all processes. Every later write to the terminal fails, the progress bar's too."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", LEAD, *LAUNCH, *FIT, *ENDLESS, "--trainer.enable_progress_bar", "true"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    try:
        os.close(theirs)
        os.set_blocking(ours, False)

        def trains_while_read() -> bool:
            with contextlib.suppress(BlockingIOError):
                os.read(ours, 65_536)
            return trains(tmp_path / RUN)

        wait_for(trains_while_read, TIMEOUT)
        os.close(ours)
        assert process.wait(TIMEOUT) == 128 + signal.SIGHUP
        wait_for(lambda: not living(process.pid), TIMEOUT)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] >= 10 * ROLLOUT


@pytest.mark.campaign
def test_nohup_goes_on_without_its_terminal_and_its_reader(tmp_path: Path) -> None:
    """SIGHUP stays ignored where it was ignored at the start, and output that nobody can read is dropped."""
    reader, writer = os.pipe()
    command = ["nohup", *LAUNCH, *SERIAL, *ENDLESS, "--trainer.enable_progress_bar", "true"]
    options = {"stdin": subprocess.DEVNULL, "stdout": writer, "stderr": writer, "start_new_session": True}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), **options)  # type: ignore[call-overload]
    os.close(writer)
    os.close(reader)
    try:
        wait_for(lambda: trains(tmp_path / RUN), TIMEOUT)
        os.killpg(process.pid, signal.SIGHUP)
        seen = len(rows(tmp_path / RUN))
        wait_for(lambda: len(rows(tmp_path / RUN)) > seen + 2, TIMEOUT)
        assert process.poll() is None
        process.terminate()
        assert process.wait(TIMEOUT) == 143
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.exhaustive
def test_a_signal_in_the_last_video_costs_the_video_only(tmp_path: Path) -> None:
    """Its episode has no end, here. ``last.ckpt`` has been written before it."""
    run = tmp_path / RUN
    length = ["--video.every_n_steps", "0", "--data.total_steps", "40", "--trainer.limit_val_batches", "0"]
    with started(tmp_path, *slow(tmp_path / "steps", fast=10_000), *length) as process:
        wait_for(lambda: bool(list(run.glob("videos/*.partial.mp4"))), TIMEOUT)
        process.terminate()
        assert process.wait(TIMEOUT) == 143
        wait_for(lambda: not living(process.pid), TIMEOUT)
    errors = (tmp_path / "stderr").read_text().strip()
    assert errors == "lit-a3c: SIGTERM: saving and stopping; once more ends at once."
    assert read(run / "checkpoints/last.ckpt")["steps"] == 40
    assert not list((run / "videos").iterdir())


@pytest.mark.parametrize("closed", ["| true", ">&-", "2>&-", "<&- >&- 2>&-", "> /dev/full"])
def test_output_that_cannot_be_written_is_no_error(closed: str, tmp_path: Path) -> None:
    """A pipe without reader, a descriptor that is closed, a full disk."""
    script = f'set -o pipefail; "$@" {closed}'
    done = launch(*LAUNCH, "--help", cwd=tmp_path, command=["bash", "-c", script, "bash"])
    assert done.returncode == 0
    assert not done.stderr
