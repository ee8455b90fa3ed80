"""Trainings as ``crash.py`` sees them from outside: their command, their files and their processes."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LAST = Path("runs/run/version_0/checkpoints/last.ckpt")
OPTIONS = (
    *("--trainer.enable_progress_bar=false", "--trainer.logger.name=run", "--trainer.logger.version=0"),
    *("--video.every_n_steps=-1", "--last_checkpoint.every_n_updates=5"),
)
CONFIGS = {
    "cartpole": ("--data.total_steps=100000000", "--trainer.val_check_interval=400", "--data.eval_episodes=2"),
    "mujoco_beta": ("--data.total_steps=100000000", "--trainer.val_check_interval=400", "--data.eval_episodes=1"),
    "atari": ("--data.total_steps=100000000", "--trainer.val_check_interval=1000000", "--data.atari.sticky=0.25"),
}


def fit(arguments: Any, options: list[str], *, resume: bool = False) -> list[str]:
    """The command of a training with two workers, new or resumed."""
    workers = 1 if arguments.engine == "serial" else 2
    source = f"--ckpt_path={LAST}" if resume else f"--config={arguments.config}.yaml"
    engine = (f"--engine={arguments.engine}", f"--num_workers={workers}")
    return [
        *(sys.executable, "-m", "lit_a3c", "fit", source),
        *(*CONFIGS[arguments.config], *OPTIONS, *engine, *options),
    ]


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A command in a process group of its own. All processes of the group are killed at the end."""
    with Path("log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 120) -> Any:
    """Wait until a condition holds, and return its value.

    Raises:
        RuntimeError: The process ended, or the time is over.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain; exit code {process.poll()}:\n{Path('log').read_text()[-2000:]}")
        time.sleep(0.01)
    return value


def changed(file: Path) -> Callable[[], bool]:
    """A function that tells whether a file has changed since now."""

    def stamp() -> Any:
        return file.stat().st_mtime_ns if file.exists() else None

    before = stamp()
    return lambda: stamp() != before


def descendants(pid: int) -> set[int]:
    """The other processes in the group of this process."""
    group = set()
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            rest = file.read_text().rpartition(")")[2].split()
            if int(rest[2]) == pid and rest[0] != "Z":
                group.add(int(file.parent.name))
    return group - {pid}


def import_from(directory: Path) -> None:
    """Let processes started from now on import modules of a directory."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))


def workers_of(group: int) -> set[int]:
    """The worker processes of a group, without the fork server and the resource tracker."""
    found = set()
    for pid in descendants(group):
        with contextlib.suppress(OSError):
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if parent != group:  # workers are children of the fork server
                found.add(pid)
    return found


def replaced(group: int, before: set[int]) -> bool:
    """Whether there are as many workers as before, and not all the same."""
    now = workers_of(group)
    return len(now) == len(before) and now != before


def status(pid: int, name: str) -> float:
    """A number of ``/proc/PID/status``; NaN for a process that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1])
    return math.nan


def size(file: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return file.stat().st_size if file.exists() else 0
