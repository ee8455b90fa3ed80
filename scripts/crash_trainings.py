"""Trainings as ``crash.py`` sees them, from outside: their start, what they leave, and their workers."""

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
QUIET = ("--trainer.enable_progress_bar=false", "--trainer.logger.name=run", "--trainer.logger.version=0")
RECIPES = {
    "cartpole": ("--data.total_steps=100000000", "--trainer.val_check_interval=400", "--data.eval_episodes=2"),
    "mujoco": ("--data.total_steps=100000000", "--trainer.val_check_interval=400", "--data.eval_episodes=1"),
    "atari": ("--data.total_steps=100000000", "--trainer.val_check_interval=1000000", "--data.atari.sticky=0.25"),
}
SAVE_OFTEN = (
    "--trainer.callbacks=[{class_path: lit_a3c.callbacks.checkpoint.LastCheckpoint, init_args: {every_n_updates: 5}}]"
)


def fit(arguments: Any, options: list[str], *, resume: bool = False) -> list[str]:
    """The command of a training, new or resumed."""
    hogwild = ("--trainer.strategy=hogwild", "--trainer.devices=2")
    learner = ("--trainer.strategy=auto", "--trainer.devices=1", f"--data.mode={arguments.mode}")
    source = f"--ckpt_path={LAST}" if resume else f"--config={arguments.recipe}.yaml"
    command = [sys.executable, "-m", "lit_a3c", "fit", source, *RECIPES[arguments.recipe], *QUIET, SAVE_OFTEN]
    return [*command, *(hogwild if arguments.mode == "hogwild" else learner), *options]


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A command with a process group of its own, of which nothing is left afterwards."""
    with Path("log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, text=True, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str], seconds: float = 120) -> Any:
    """The first true value.

    Raises:
        RuntimeError: The process ended, or the time did.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain; exit code {process.poll()}:\n{Path('log').read_text()[-2000:]}")
        time.sleep(0.01)
    return value


def changed(file: Path) -> Callable[[], bool]:
    """Whether a file is another than now."""

    def stamp() -> Any:
        return file.stat().st_mtime_ns if file.exists() else None

    before = stamp()
    return lambda: stamp() != before


def descendants(pid: int) -> set[int]:
    """Processes of the group of this one."""
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
    """Processes of the group that run a worker; the fork server and the resource tracker do not."""
    found = set()
    for pid in descendants(group):
        with contextlib.suppress(OSError):
            parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            if parent != group:  # workers are children of the fork server
                found.add(pid)
    return found


def replaced(group: int, before: set[int]) -> bool:
    """Whether there are as many workers as before, but not the same."""
    now = workers_of(group)
    return len(now) == len(before) and now != before


def status(pid: int, name: str) -> float:
    """A number of ``/proc/PID/status``; NaN of a process that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return float(line.split()[1])
    return math.nan
