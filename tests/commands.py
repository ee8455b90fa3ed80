"""The command line, as tests call it: in a process of its own, or in this one."""

from __future__ import annotations

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import torch

ROOT = Path(__file__).parents[1]
LAUNCH = [sys.executable, "-m", "lit_a3c"]
RUN = Path("runs/CartPole-v1/version_0")
"""Where the first run of ``cartpole.yaml`` leaves its files."""

Lightning = Callable[..., str]
"""The fixture ``cli``: ``lit-a3c ARGS`` in this process, its stdout."""


def environment() -> dict[str, str]:
    """Variables with which ``lit_a3c`` and ``tests`` are importable from any directory."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def launch(
    *args: str, cwd: Path, timeout: float = 60, command: Sequence[str] = LAUNCH, **kwargs: Any
) -> subprocess.CompletedProcess[str]:
    """``lit-a3c ARGS``, or another command, in a process of its own."""
    return subprocess.run(
        [*command, *args], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=timeout, **kwargs
    )


def script(name: str) -> list[str]:
    """The command of a script of the project."""
    return [sys.executable, str(ROOT / "scripts" / name)]


def shared_memory() -> set[Path]:
    return set(Path("/dev/shm").iterdir()) if Path("/dev/shm").is_dir() else set()


@contextlib.contextmanager
def started(
    directory: Path, *args: str, stdout: int | IO[str] = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """``lit-a3c ARGS`` as the leader of a process group, its errors in the file ``stderr``."""
    with (directory / "stderr").open("w") as stderr:
        process = subprocess.Popen(
            [*LAUNCH, *args],
            cwd=directory,
            env=environment(),
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def living(group: int) -> list[str]:
    """The processes of a group. An orphan that has ended stays a zombie until the container's init looks at it."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = file.read_text().rpartition(")")
            state, _, its_group = rest.split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(name)
    return found


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


# What a run leaves


def read(file: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return checkpoint


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def column(run: Path, name: str) -> list[float]:
    return [float(row[name]) for row in rows(run) if row.get(name)]
