"""One measurement of a system's steps per second, in a fresh process. ``benchmark.py`` takes them in turns."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from reproduce import ROOT

from lit_a3c.experiments.run import NO_VIDEO
from lit_a3c.metrics.rows import ReadableRows

NEVER = 10**9
EXTRAS = {
    "bf16": {"trainer.precision": "bf16-mixed"},
    "gpu": {"trainer.accelerator": "gpu"},
}
START_UP = 180.0
"""Seconds within which a system must have started to train."""


@dataclass(frozen=True)
class Task:
    """What is trained, and how many times the speed of Stable-Baselines3 each engine should reach.

    Attributes:
        env_id: The environment.
        config: A shipped config.
        targets: By engine.
        data: Options that replace those of the config. They are the fast setting, because the best setting of
            Stable-Baselines3 counts, too.
    """

    env_id: str
    config: str
    targets: dict[str, float]
    data: dict[str, int] = field(default_factory=dict)

    def options(self, checkout: Path) -> list[str]:
        """The config and its environment, as options of the command line."""
        options = [f"--config={checkout / 'configs' / self.config}", f"--data.env_id={self.env_id}"]
        return [*options, *(f"--data.{name}={value}" for name, value in self.data.items())]


def full_config(task: Task) -> dict[str, Any]:
    """Every option of a task with its value, also those that its config leaves at their defaults."""
    with running([*fit_command(task, ROOT), "--print_config"], stdout=subprocess.PIPE) as (process, directory):
        out, _ = process.communicate()
        if process.returncode:
            raise SystemExit(log(directory))
    config: dict[str, Any] = yaml.safe_load(out)
    return config


def fit_command(task: Task, checkout: Path) -> list[str]:
    """``lit-a3c fit`` with a task's options."""
    return [sys.executable, "-m", "lit_a3c", "fit", *task.options(checkout)]


def training_speed(task: Task, system: str, warm_up: float, seconds: float, checkout: Path = ROOT) -> float:
    """Steps per second of ``lit-a3c fit`` over one window of time, from its own ``metrics.csv``.

    Args:
        task: What is trained.
        system: An engine, or ``ENGINE:WORKERS``; without a number the engine's own default. Either may be followed by
            ``+bf16`` (mixed precision), ``+gpu`` (the learner uses a GPU), ``+K8`` (eight rollouts an update, or any
            other number), ``+16x10`` (rollouts of so many environments and steps, each learned from in one update), and
            ``+LSTM`` or ``+GRU`` (a recurrent core of 256 units).
        warm_up: Seconds of training before the window.
        seconds: Length of the window.
        checkout: The working tree whose code is measured.
    """
    system, *extras = system.split("+")
    engine, _, workers = system.partition(":")
    options: dict[str, Any] = {
        "engine": engine,
        "num_workers": workers or "auto",
        "data.total_steps": NEVER,
        "trainer.logger.save_dir": "runs",
        "trainer.val_check_interval": NEVER,
    }
    if engine == "ray":
        options["ray.address"] = "local"
    for extra in extras:
        options |= options_of(extra)
    command = [*fit_command(task, checkout), *(f"--{name}={value}" for name, value in options.items()), NO_VIDEO]
    with running(command, checkout) as (process, directory):
        deadline = time.monotonic() + START_UP + 3 * (warm_up + seconds)
        while (rate := window(rows(directory), warm_up, seconds)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)}\nended or took too long:\n{log(directory)}")
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)  # as Ctrl-C; Lightning saves a checkpoint and ends the workers
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
    return rate


def options_of(extra: str) -> dict[str, Any]:
    """The options behind a ``+`` in the name of a system, see :func:`training_speed`."""
    if size := re.fullmatch(r"(\d+)x(\d+)", extra):
        names = ("data.envs_per_worker", "data.rollout_length")
        return dict(zip(names, size.groups(), strict=True)) | {"data.num_minibatches": 1}
    if rollouts := re.fullmatch(r"K(\d+)", extra):
        return {"data.rollouts_per_update": int(rollouts[1])}
    return EXTRAS.get(extra, {"model.recurrent": f"lit_a3c.{extra}"})


def rows(directory: Path) -> list[tuple[float, float]]:
    """Steps and seconds of each row of the run's ``metrics.csv``, counted from the row before it."""
    found: list[tuple[float, float]] = []
    before = 0.0
    for file in directory.glob("runs/**/metrics.csv"):
        for row in ReadableRows(file):
            if rate := row.get("train/steps_per_second"):
                steps, before = float(row["step"]) - before, float(row["step"])
                found.append((steps, steps / float(rate)))
    return found


def window(rows: list[tuple[float, float]], warm_up: float, seconds: float) -> float | None:
    """Steps per second over the first rows after the warm-up that fill the window; None while there are too few."""
    begin, steps, elapsed = 0.0, 0.0, 0.0
    for row_steps, row_elapsed in rows:
        if begin >= warm_up:
            steps, elapsed = steps + row_steps, elapsed + row_elapsed
            if elapsed >= seconds:
                return steps / elapsed
        begin += row_elapsed
    return None


def baseline(what: str, task: Task, **options: Any) -> Any:
    """The answer of ``baselines.py``.

    Args:
        what: ``sb3`` or ``bare``.
        task: Whose environment is measured.
        options: Its options. True is a flag.
    """
    words = [
        f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')}={value}"
        for name, value in options.items()
    ]
    command = [sys.executable, str(Path(__file__).with_name("baselines.py")), what, task.env_id, *words]
    with running(command, stdout=subprocess.PIPE) as (process, directory):
        try:
            out, _ = process.communicate(timeout=START_UP + 3 * (options["seconds"] + options.get("warm_up", 0)))
        except subprocess.TimeoutExpired:
            raise SystemExit(f"{' '.join(command)}\ntook too long:\n{log(directory)}") from None
        if process.returncode:
            raise SystemExit(f"{' '.join(command)}\nfailed:\n{log(directory)}")
    return json.loads(out.splitlines()[-1])


@contextlib.contextmanager
def running(command: list[str], checkout: Path = ROOT, **streams: Any) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process in a directory of its own, which is removed with it.

    Args:
        command: The command.
        checkout: The working tree whose code the process imports, whatever is installed.
        streams: Standard streams that do not go into the log.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(checkout), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryDirectory(prefix="lit-a3c-benchmark-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        with (directory / "log.txt").open("w") as file:
            streams = {"stdout": file, "stderr": file} | streams
            with subprocess.Popen(command, cwd=directory, env=environment, text=True, **streams) as process:
                try:
                    yield process, directory
                finally:
                    process.kill()  # does nothing if it has ended


def log(directory: Path) -> str:
    """The end of what a process wrote."""
    return (directory / "log.txt").read_text(errors="replace")[-3000:]
