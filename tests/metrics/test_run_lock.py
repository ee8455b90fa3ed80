"""Directories that are taken by several processes at once, and locks that end with their process."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lit_a3c.metrics import run_lock
from lit_a3c.metrics.run_lock import RunLock, holds_run, take_version
from lit_a3c.utils.errors import ConfigError
from tests.commands import environment, wait_for

HOLD = """
import os, sys
from pathlib import Path
from lit_a3c.metrics.run_lock import RunLock
lock = RunLock(Path("run"))
if os.fork() == 0:
    os.execvp("sleep", ["sleep", "300"])
if (child := os.fork()) == 0:
    sys.stdin.read()
    os._exit(0)
print(child, flush=True)
sys.stdin.read()
"""
"""A process that holds a lock, and has children by every way of starting some."""


TAKE = """
import sys
from pathlib import Path
from lit_a3c.metrics.run_lock import take_version
print("ready", flush=True)
sys.stdin.readline()
print(*[take_version(Path("new/runs")) for _ in range(20)])
"""
"""A process that takes twenty directories when it is told to."""


def test_numbers_are_given_once(tmp_path: Path) -> None:
    """Also to processes that ask at the same moment."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes: list[Any] = [
        subprocess.Popen([sys.executable, "-c", TAKE], cwd=tmp_path, env=environment(), **pipes) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    taken = [int(number) for process in processes for number in process.communicate()[0].split()]
    assert sorted(taken) == list(range(80))
    assert len(list((tmp_path / "new" / "runs").iterdir())) == 80


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="no directory for the run can be made in"):
        take_version(tmp_path / "file" / "runs")


def can_be_locked(directory: Path) -> bool:
    """Whether a lock can be taken; it is released again."""
    try:
        RunLock(directory).release()
    except ConfigError:
        return False
    return True


def test_a_locked_directory_is_refused_until_its_process_is_killed(tmp_path: Path) -> None:
    """The message names the process. Its children, which live on, do not hold the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        with pytest.raises(ConfigError, match=f"process {process.pid} on {socket.gethostname()}. Wait until it has"):
            RunLock(tmp_path / "run")
        process.kill()
        process.wait()
        os.kill(child, 0)
        wait_for(functools.partial(can_be_locked, tmp_path / "run"), 20)  # the child closes it when it first runs
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_lock_can_be_taken_again(tmp_path: Path) -> None:
    """After a release, and after its owner was forgotten."""
    lock = RunLock(tmp_path / "run")
    with pytest.raises(ConfigError, match=f"process {os.getpid()} on "):
        RunLock(tmp_path / "run")
    lock.release()
    lock = RunLock(tmp_path / "run")
    del lock
    RunLock(tmp_path / "run").release()


def test_a_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Windows. The training is not refused."""
    monkeypatch.setattr(run_lock, "fcntl", None)
    RunLock(tmp_path).release()
    assert capsys.readouterr().err.endswith(
        "is not locked, so start no second training there: this system has no flock().\n"
    )


def test_a_file_system_without_locks_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lock cannot be opened at all. The training is not refused."""
    (tmp_path / run_lock.LOCK).mkdir()
    RunLock(tmp_path).release()
    assert "is not locked, so start no second training there: Is a directory.\n" in capsys.readouterr().err


def test_what_holds_a_run(tmp_path: Path) -> None:
    assert not holds_run(tmp_path / "missing")
    RunLock(tmp_path / "a").release()
    (tmp_path / "a/config.yaml").touch()
    assert not holds_run(tmp_path / "a")
    (tmp_path / "a/metrics.csv").touch()
    assert holds_run(tmp_path / "a")
    (tmp_path / "b/checkpoints").mkdir(parents=True)
    assert not holds_run(tmp_path / "b")
    (tmp_path / "b/checkpoints/last.ckpt").touch()
    assert holds_run(tmp_path / "b")
