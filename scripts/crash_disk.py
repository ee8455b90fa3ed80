"""The campaigns ``disk`` and ``race`` of ``crash.py``: disks without room, and trainings that want one directory."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crash_trainings import LAST, OPTIONS, changed, fit, import_from, running, size, wait_for

from lit_a3c.checkpoint.io import load_verified

RUNS = LAST.parents[3]
COUNT = Path("count")
SIZE = "256m"
"""Of the file system that is filled up. It is in memory."""
AT_ONCE = 4
"""Trainings that are started at the same moment."""
BUDGET = 1600
"""Steps of each of them."""


def disk(arguments: Any, options: list[str]) -> Iterator[str]:
    """The disk becomes full or read-only, in turns, and has room again. The training goes on, and so does the run.

    It needs the right to mount file systems, which root has.
    """
    import_from(Path(__file__).parent.absolute() / "crash_count")
    os.environ["CRASH_COUNT"] = str(COUNT.absolute())
    options = ["--trainer.log_every_n_steps=1", *options]
    with _mounted("-t", "tmpfs", "-o", f"size={SIZE}", "lit-a3c", RUNS):
        rows, stops = 0, set[int]()
        for i in range(arguments.times):
            kind, outage = (("full", _full), ("read-only", _read_only))[i % 2]
            start = size(Path("log"))
            with running(fit(arguments, options, resume=i > 0)) as process:
                wait_for(changed(LAST), process)
                with outage():
                    for what in (r"version_0' cannot be written", r"last.ckpt cannot be written"):
                        wait_for(lambda what=what, start=start: re.search(what, _log(start)), process)
                    taken = size(COUNT)
                    wait_for(lambda taken=taken: size(COUNT) > taken + 2000, process)
                wait_for(lambda start=start: "No row is lost" in _log(start), process)
                wait_for(changed(LAST), process)
                process.terminate()
                if (code := process.wait(30)) != 143:
                    yield f"{kind} disk {i}: exit code {code} after SIGTERM"
            if len(said := re.findall("^lit-a3c: .*written.*", _log(start), re.MULTILINE)) != 4:
                yield f"{kind} disk {i}: {len(said)} messages: {said}"
            steps = _steps(LAST.parents[1])
            if steps != sorted(steps):
                yield f"{kind} disk {i}: the steps do not increase"
            if arguments.engine != "hogwild" and (missing := _missing(steps) - stops):
                yield f"{kind} disk {i}: rows are missing: {sorted(missing)[:5]}"
            rows = len(steps)
            stops.add(load_verified(LAST)["steps"])  # a signal may stop an update before its row
    print(
        f"{arguments.engine}: {arguments.times} times full or read-only in {max(stops):,} steps; "
        f"{rows:,} rows, none lost"
    )


def race(arguments: Any, options: list[str]) -> Iterator[str]:
    """Trainings are started four at a time: each has a directory of its own. Of two resumptions one is refused."""
    options = [option for option in OPTIONS if "version" not in option] + options
    command = [sys.executable, "-m", "lit_a3c", "fit", *options]
    new = [*command, "--config=cartpole.yaml", f"--data.total_steps={BUDGET}", "--engine=serial"]
    new += ["--trainer.log_every_n_steps=1", "--data.eval_episodes=1"]
    codes = []
    for first in range(0, arguments.times, AT_ONCE):
        with contextlib.ExitStack() as stack:
            group = [stack.enter_context(running(new)) for _ in range(min(AT_ONCE, arguments.times - first))]
            codes += [process.wait(300) for process in group]
    if any(codes):
        yield f"exit codes {codes}: {_log(0)[-1000:]}"
    told = re.findall(r"files in (\S+)", _log(0))
    if len(set(told)) != arguments.times:
        yield f"{len(set(told))} directories were given to {arguments.times} trainings"
    expected = list(range(80, BUDGET + 1, 80))
    for run in map(Path, sorted(set(told))):
        if _steps(run) != expected or load_verified(run / "checkpoints/last.ckpt")["steps"] != BUDGET:
            yield f"{run} holds no whole training: {_steps(run)}"
    refused = 0
    for run in map(Path, told[:: 5 * AT_ONCE]):
        resume = [*command, f"--ckpt_path={run}", "--data.total_steps=100000000"]
        with running(resume) as one, running(resume) as other:
            loser, winner = _first_to_end(one, other)
            if loser.returncode != 2 or f"process {winner.pid} on" not in _log(0):
                yield f"two resumptions of {run}: exit code {loser.returncode}: {_log(0)[-1000:]}"
            wait_for(changed(run / "checkpoints/last.ckpt"), winner)
            winner.send_signal(signal.SIGTERM)
            if winner.wait(30) != 143:
                yield f"two resumptions of {run}: the other one ended with {winner.wait()}"
            refused += 1
        if (steps := _steps(run)) != sorted(steps):
            yield f"two resumptions of {run}: both have written"
    print(f"{arguments.times} starts, {AT_ONCE} at a time: {len(set(told))} directories; {refused} resumptions refused")


def _first_to_end(one: Any, other: Any, seconds: float = 120) -> tuple[Any, Any]:
    """The one of two processes that ends first, and the other one."""
    deadline = time.monotonic() + seconds
    while one.poll() is None and other.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return (other, one) if one.poll() is None else (one, other)


# Disks


@contextlib.contextmanager
def _mounted(*mount: Any) -> Iterator[None]:
    target = Path(mount[-1])
    target.mkdir(exist_ok=True)
    if subprocess.run(["mount", *mount]).returncode:
        raise SystemExit("disk: this needs the right to mount file systems (root).")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", target], check=True)


@contextlib.contextmanager
def _full() -> Iterator[None]:
    filler = RUNS / "filler"
    with contextlib.suppress(OSError), Path("/dev/zero").open("rb") as zeros, filler.open("wb", buffering=0) as file:
        shutil.copyfileobj(zeros, file)
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def _read_only() -> Iterator[None]:
    """For everything that is opened from now on. The directory is covered by itself."""
    with _mounted("--bind", RUNS, RUNS):
        subprocess.run(["mount", "-o", "remount,bind,ro", RUNS], check=True)
        yield


# What is left


def _missing(steps: list[int]) -> set[int]:
    """The steps of the updates that have no row."""
    return set(range(steps[0], steps[-1] + 1, steps[0])) - set(steps)


def _steps(run: Path) -> list[int]:
    """The steps of all rows of a training.

    Raises:
        ValueError: A row cannot be read.
    """
    with (run / "metrics.csv").open(newline="") as lines:
        header, *rows = csv.reader(lines)
    for row in rows:
        [float(cell) for cell in row if cell]
    named = [dict(zip(header, row, strict=True)) for row in rows]
    return [int(row["step"]) for row in named if row["train/policy_loss"]]


def _log(start: int) -> str:
    return Path("log").read_bytes()[start:].decode()
