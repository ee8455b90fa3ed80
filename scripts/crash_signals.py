"""The campaign ``signals`` of ``crash.py``: signals at random moments, from a training's first seconds to its end."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from crash_trainings import LAST, descendants, fit, running, status, wait_for

from lit_a3c.checkpoint.io import CorruptCheckpointError, load_verified

RUN = LAST.parents[1]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
ENGINES = ("async", "hogwild", "serial")
LONG = ["--trainer.log_every_n_steps=1", "--trainer.limit_val_batches=0"]
SHORT = ["--data.total_steps=1600", *LONG]
END_SECONDS, ORPHAN_SECONDS = 60, 20
"""How long the training may take to end, and its other processes after it, on a machine that is busy with more."""
OURS = (
    r"lit-a3c: (CartPole-v1, |SIG[A-Z0-9]+: saving and stopping|[\d,]+ steps of CartPole-v1 in )"
    r"|  (best validation|last validation|files|next|continue with|    )"
)
"""What a training prints: how it begins, what the signal does, and the summary."""


class Phase(NamedTuple):
    """A part of a training.

    Attributes:
        options: Of a training in which this part is long or frequent.
        started: Whether it has come, given the process.
        seconds: The signal comes at a random moment of so many seconds after that.
    """

    options: list[str]
    started: Callable[[subprocess.Popen[str]], Any]
    seconds: float


PHASES = {
    "imports": Phase(LONG, lambda process: True, 3),
    "first environment": Phase(LONG, lambda process: RUN.exists() or Path("runs").exists(), 0.5),
    "start of workers": Phase(LONG, lambda process: "files in" in Path("log").read_text(), 2),
    "first rollout": Phase(LONG, lambda process: (RUN / "config.yaml").exists(), 2),
    "update": Phase(LONG, lambda process: _rows(), 1),
    "validation": Phase(
        ["--trainer.log_every_n_steps=1", "--trainer.val_check_interval=4", "--data.eval_episodes=200"],
        lambda process: _rows() > 3,
        2,
    ),
    "video": Phase([*LONG, "--video.every_n_steps=800"], lambda process: _partial(), 0.5),
    "checkpoint": Phase([*LONG, "--last_checkpoint.every_n_updates=1"], lambda process: _writing(), 0.02),
    "last checkpoint": Phase(SHORT, lambda process: LAST.exists(), 0.5),
    "last video": Phase([*SHORT, "--video.every_n_steps=0"], lambda process: _partial(), 0.5),
    "end": Phase(SHORT, lambda process: LAST.exists() and not descendants(process.pid), 0.5),
}


def signals(arguments: Any, options: list[str]) -> Iterator[str]:
    """Signals in every phase, to one process or to all, one or two of them, under three engines."""
    seen: Counter[str] = Counter()
    os.environ.setdefault("XDG_RUNTIME_DIR", str(Path.cwd()))  # without one, the library that draws prints a line
    if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # under nohup: a training would ignore it, too
        signal.signal(signal.SIGHUP, lambda *_: None)
    for i in range(arguments.times):
        directory = Path(f"run-{i}")
        directory.mkdir()
        arguments.engine, (name, phase) = ENGINES[i % 3], list(PHASES.items())[i % len(PHASES)]
        with contextlib.chdir(directory):
            for problem in _one(arguments, [*phase.options, *options], phase, seen, resume=i % 4 == 0):
                log = Path("log").read_text()[-1500:]
                yield f"run {i}, {arguments.engine}, {name}: {problem}; its output: {log}"
    counts = ", ".join(f"{what} {count}" for what, count in sorted(seen.items()))
    print(f"{arguments.times} signals over {len(PHASES)} phases: {counts}")


def _one(arguments: Any, options: list[str], phase: Phase, seen: Counter[str], *, resume: bool) -> Iterator[str]:
    """One training and one or two signals. Yields what is wrong after them."""
    signum, whole_group, twice = random.choice(SIGNALS), random.random() < 0.5, random.random() < 0.2
    os.environ["CRASH_RUN"] = marker = uuid.uuid4().hex
    memory = _shared_memory()
    with running(fit(arguments, options)) as process:
        wait_for(lambda: handled(process.pid), process)
        with contextlib.suppress(RuntimeError):  # the training may be over before the phase is seen
            wait_for(lambda: phase.started(process), process)
            time.sleep(random.uniform(0, phase.seconds))
        learned = _rows()
        for _ in range(1 + twice):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signum) if whole_group else process.send_signal(signum)
            time.sleep(random.uniform(0, 0.5) if twice else 0)
        try:
            code = process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            yield f"it goes on after {signum.name}"
            return
        seen[f"{signum.name}" if code else "ended before"] += 1
        yield from _exit_problems(code, signum, twice=twice)
        yield from _checkpoint_problems(learned, saved=not twice)
        if not _soon(lambda: not _marked(marker)):
            yield f"processes are left: {_marked(marker)}"
        if not _soon(lambda: not _shared_memory() - memory):
            yield f"shared memory is left: {_shared_memory() - memory}"
    if resume and LAST.exists():
        seen["resumed"] += 1
        steps = load_verified(LAST)["steps"] + 400
        more = [f"--data.total_steps={steps}", "--trainer.limit_val_batches=0"]
        with running(fit(arguments, more, resume=True)) as process:
            code = process.wait(4 * END_SECONDS)
        if code or load_verified(LAST)["steps"] < steps:
            yield f"it cannot be resumed: exit code {code}"


def _exit_problems(code: int, signum: signal.Signals, *, twice: bool) -> Iterator[str]:
    """The exit code is that of the signal, or 0 where the training was over; nothing but our lines is printed."""
    lines = Path("log").read_text().splitlines()
    saved = any("saving and stopping" in line for line in lines)
    allowed = {128 + signum} if saved else {128 + signum, -signum, 0}  # the latter two where the training is over
    if code not in (allowed | {-signum} if twice else allowed):
        yield f"exit code {code} after {signum.name}"
    for line in lines:
        if line and not re.match(OURS, line):
            yield f"it printed {line!r}"
            return


def _checkpoint_problems(learned: int, *, saved: bool) -> Iterator[str]:
    """What had been learned when the signal came is in ``last.ckpt``. After two signals an older one may be there."""
    if not LAST.exists():
        if learned and saved:
            yield f"no last.ckpt after {learned} steps"
        return
    try:
        steps = load_verified(LAST)["steps"]
    except CorruptCheckpointError as error:
        yield f"last.ckpt is unreadable: {error}"
        return
    if saved and steps < learned:
        yield f"last.ckpt holds {steps} steps of {learned}"


def handled(pid: int) -> bool:
    """Whether the process handles SIGTERM: before, the interpreter itself starts."""
    with contextlib.suppress(OSError):
        caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
        return bool(caught and int(caught[1], 16) & 1 << signal.SIGTERM - 1)
    return False


def _rows() -> int:
    """Steps in the last whole row of the log; 0 before the first."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        header, *rows = (RUN / "metrics.csv").read_text().splitlines()[:-1]
        return max(int(row.split(",")[header.split(",").index("step")]) for row in rows)
    return 0


def _partial() -> list[Path]:
    return list(RUN.glob("videos/*.partial.mp4"))


def _writing() -> bool:
    return LAST.with_name(f".{LAST.name}.part").exists()


def _shared_memory() -> set[str]:
    return {file.name for file in Path("/dev/shm").glob("torch_*")}


def _marked(marker: str) -> list[int]:
    """The living processes that have inherited the marker, whatever their group."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            pid = int(file.parent.name)
            if marker.encode() in file.read_bytes() and pid != os.getpid() and status(pid, "VmSize") > 0:
                found.append(pid)
    return found


def _soon(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds within some seconds."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
