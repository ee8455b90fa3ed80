"""One window of a system's steps per second, each in a fresh process: what ``benchmark.py`` asks for in turns."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reproduce import ROOT, without_films

NEVER = 10**9
EXTRAS = {"bf16": {"trainer.precision": "bf16-mixed"}, "gpu": {"trainer.accelerator": "gpu"}}
START_UP = 180.0
"""Seconds after which a system that has not begun to train is given up."""


@dataclass(frozen=True)
class Task:
    """What is trained, and how many times SB3's speed each mode should reach.

    Attributes:
        env_id: The environment.
        recipe: A shipped recipe.
        targets: By mode.
        data: Options in place of the recipe's own: the fast setting, as SB3's best counts too.
    """

    env_id: str
    recipe: str
    targets: dict[str, float]
    data: dict[str, int] = field(default_factory=dict)


def ours(task: Task, system: str, warm_up: float, seconds: float) -> float:
    """Steps per second of ``lit-a3c fit`` over one window, as its own ``metrics.csv`` tells.

    Args:
        task: What is trained.
        system: A mode, or ``MODE:WORKERS``; else the mode's own default, and of hogwild one worker per core. Either may
            be followed by ``+bf16``, mixed precision, ``+gpu``, which learns where there is one, and by ``+LSTM`` or
            ``+GRU``, a memory of 256 units.
        warm_up: Seconds of training before the window.
        seconds: Length of the window.
    """
    system, *extras = system.split("+")
    mode, _, workers = system.partition(":")
    command = [sys.executable, "-m", "lit_a3c", "fit", "--config", str(ROOT / "configs" / task.recipe)]
    options: dict[str, Any] = {
        "data.env_id": task.env_id,
        "data.total_steps": NEVER,
        "trainer.logger.save_dir": "runs",
        "trainer.val_check_interval": NEVER,
    }
    if mode == "hogwild":
        options |= {"trainer.strategy": mode, "trainer.devices": workers or len(os.sched_getaffinity(0))}
    else:
        options |= {"trainer.strategy": "auto", "data.mode": mode, "data.num_workers": workers or "null"}
    options |= {f"data.{name}": value for name, value in task.data.items()}
    for extra in extras:
        options |= EXTRAS.get(extra, {"model.memory": f"lit_a3c.{extra}"})
    command += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command.append(without_films(task.recipe))

    with running(command) as (process, directory):
        deadline = time.monotonic() + START_UP + 3 * (warm_up + seconds)
        while (rate := window(rows(directory), warm_up, seconds)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)}\nmade no window:\n{log(directory)}")
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)  # as Ctrl-C; Lightning saves a checkpoint and ends the workers
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
    return rate


def rows(directory: Path) -> list[tuple[float, float]]:
    """Steps and seconds since the row before, for each row of the run's ``metrics.csv``; no second is left out."""
    found: list[tuple[float, float]] = []
    before = 0.0
    for file in directory.glob("runs/**/metrics.csv"):
        whole_lines = file.read_text().rpartition("\n")[0].splitlines()
        for row in csv.DictReader(whole_lines):
            if rate := row.get("train/steps_per_second"):
                steps, before = float(row["step"]) - before, float(row["step"])
                found.append((steps, steps / float(rate)))
    return found


def window(rows: list[tuple[float, float]], warm_up: float, seconds: float) -> float | None:
    """Steps per second over the first rows after the warm-up that fill the window; None while they do not."""
    begin, steps, elapsed = 0.0, 0.0, 0.0
    for row_steps, row_elapsed in rows:
        if begin >= warm_up:
            steps, elapsed = steps + row_steps, elapsed + row_elapsed
            if elapsed >= seconds:
                return steps / elapsed
        begin += row_elapsed
    return None


def rival(what: str, task: Task, **options: Any) -> Any:
    """The answer of ``rivals.py``."""
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value)) if word]
    command = [sys.executable, str(Path(__file__).with_name("rivals.py")), what, task.env_id, *words]
    with running(command, stdout=subprocess.PIPE) as (process, directory):
        try:
            out, _ = process.communicate(timeout=START_UP + 3 * (options["seconds"] + options.get("warm_up", 0)))
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{' '.join(command)}\ndid not end:\n{log(directory)}") from None
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\nfailed:\n{log(directory)}")
    return json.loads(out.splitlines()[-1])


@contextlib.contextmanager
def running(command: list[str], **streams: Any) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process of this checkout, whatever is installed, in a directory that is removed with it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryDirectory(prefix="lit-a3c-benchmark-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        with (directory / "log.txt").open("w") as file:
            streams = {"stdout": file, "stderr": file} | streams
            with subprocess.Popen(command, cwd=directory, env=environment, text=True, **streams) as process:
                try:
                    yield process, directory
                finally:
                    process.kill()  # nothing where it has ended


def log(directory: Path) -> str:
    """The end of what a process wrote."""
    return (directory / "log.txt").read_text(errors="replace")[-3000:]
