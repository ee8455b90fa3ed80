"""What one update of the engine ``async`` costs the learner, part by part, with rollouts that are there at once.

    python scripts/learner_profile.py [--tasks cartpole halfcheetah pong] [--rollouts 1 8] [--updates 300] [--rounds 3]
        [OPTIONS OF lit-a3c fit ...]

Each training is the command line's own, with its callbacks and loggers. Only the workers are missing: the loader gets
the same few rollouts again and again. Prints a Markdown table of microseconds per update, the median of the rounds,
and how the cost grows with the steps of an update: ``a + b * steps``, which ``cluster_simulation.py`` takes. Without
``--synchronize`` the waiting for a GPU stands where the learner first needs a result, at the finiteness checks.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import inspect
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from lightning.pytorch.loops.optimization.automatic import Closure

from lit_a3c import A3C, ActorCritic, RMSprop, module
from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.callbacks.progress import StepProgressBar
from lit_a3c.callbacks.stop_on_signal import StopOnSignal
from lit_a3c.cli.main import main as lit
from lit_a3c.engines.base import RolloutConfig, RolloutSource, tensors_of
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.registry import SOURCES
from lit_a3c.engines.serial import SerialSource
from lit_a3c.engines.staging import RolloutStaging
from lit_a3c.engines.weights import SharedWeights
from lit_a3c.experiments.run import NO_VIDEO
from lit_a3c.metrics.train_metrics import TrainMetrics
from lit_a3c.optim import LinearSchedule
from lit_a3c.rollout import Rollout

TASKS = {"cartpole": "cartpole.yaml", "halfcheetah": "mujoco_beta.yaml", "pong": "atari.yaml"}
"""Each with its config."""
DISTINCT = 8
"""Rollouts that are learned from in turns."""
WARM_UP = 20
"""Publications of weights before the first that is measured."""
REST = "Lightning's loop and hooks"
PARTS: list[tuple[str, Any, str]] = [
    ("weights to the workers", SharedWeights, "publish"),
    ("rollouts side by side", RolloutStaging, "add"),
    ("rollouts side by side", Rollout, "cat"),
    ("copy to the device", RolloutStaging, "take"),
    ("copy to the device", Rollout, "to"),
    ("running statistics", ActorCritic, "observe"),
    ("forward", ActorCritic, "forward"),
    ("returns", A3C, "_targets"),
    ("losses", A3C, "training_step"),
    *(("finiteness checks", module, name) for name in ("check_loss", "check_gradients")),
    *(("sums of the metrics", TrainMetrics, name) for name in ("add", "count")),
    ("backward", torch.Tensor, "backward"),
    ("norm and clipping", A3C, "configure_gradient_clipping"),
    ("optimizer", RMSprop, "step"),
    ("optimizer", torch.optim.Optimizer, "zero_grad"),
    ("ledger", A3C, "_after_update"),
    ("learning rate", LinearSchedule, "step"),
    ("logs", A3C, "on_train_batch_end"),
    *(("callbacks", cls, "on_train_batch_end") for cls in (StepProgressBar, LastCheckpoint, StopOnSignal)),
    (REST, Closure, "__call__"),  # which the optimizer calls
]
"""The parts, each with a function. Time in a function that stands here itself counts there alone."""


class Clock:
    """Adds up the time of each part, without that of the parts that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.synchronize, self.now = False, time.perf_counter
        self._stack = [REST]
        self._since: float | None = None

    def restart(self) -> None:
        """Forget all until now."""
        self.seconds.clear()
        self._since = self.now()

    def stop(self) -> None:
        """Count no more."""
        self.count()
        self._since = None

    def count(self) -> None:
        """Add the time since the last call to the present part."""
        if self.synchronize:
            torch.cuda.synchronize()
        if self._since is not None:
            now = self.now()
            self.seconds[self._stack[-1]] += now - self._since
            self._since = now

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted as that of a part."""

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count()
            self._stack.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.count()
                self._stack.pop()

        return call


CLOCK = Clock()


@dataclass
class Measurement:
    """What is to be measured, and what has been."""

    updates: int = 0
    threads: int = 1
    steps: int = 0
    measured: int = 0


MEASUREMENT = Measurement()


class ReadySource(RolloutSource):
    """The rollouts of a few serial collections, in turns, at once, in memory as the slots of workers have it."""

    def __init__(self, config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> None:
        torch.set_num_threads(MEASUREMENT.threads)
        ledger.allocate(1)
        alone = replace(config, engine="serial", num_workers=1)
        with contextlib.closing(SerialSource(alone, policy, StepLedger())) as source:
            source.publish(0)
            self._rollouts = [_copied(source.next()) for _ in range(DISTINCT)]
        self._ledger, self._learner, self._weights = ledger, tensors_of(policy), SharedWeights(policy)
        self._version = self._published = self._given = self._updates = 0

    def publish(self, version: int) -> None:
        self._published += 1
        if self._published == WARM_UP:
            self._updates = self._ledger.updates.total
            MEASUREMENT.steps = -self._ledger.learned.total
            CLOCK.restart()
        if version - self._updates >= MEASUREMENT.updates and MEASUREMENT.steps < 0:
            CLOCK.stop()
            MEASUREMENT.measured = version - self._updates
            MEASUREMENT.steps += self._ledger.learned.total
        self._weights.publish(self._learner, version)
        self._version = version

    def next(self) -> Rollout:
        rollout = self._rollouts[self._given % DISTINCT]
        self._given += 1
        self._ledger.collected.add(rollout.num_steps)
        return replace(rollout, policy_version=self._version)

    def close(self) -> None:
        return


def _copied(rollout: Rollout) -> Rollout:
    """Time first in memory, as a worker's slot."""
    layout = torch.contiguous_format
    tensors: dict[str, Any] = {name: x.clone(memory_format=layout) for name, x in rollout.tensors().items()}
    return replace(rollout, batch_first=False, **tensors)


def profile(task: str, rollouts: int, options: list[str]) -> tuple[dict[str, float], float]:
    """Microseconds per update of each part of a training, and the steps of an update.

    Raises:
        SystemExit: The training failed. Its message has been printed.
    """
    MEASUREMENT.steps = MEASUREMENT.measured = 0
    with tempfile.TemporaryDirectory() as directory, contextlib.redirect_stdout(sys.stderr):
        code = lit(
            [
                *("fit", f"--config={TASKS[task]}", "--engine=async", "--num_workers=1"),
                *(f"--data.rollouts_per_update={rollouts}", "--data.total_steps=1000000000"),
                f"--trainer.max_steps={MEASUREMENT.updates + 10 * WARM_UP}",
                *("--trainer.limit_val_batches=0", "--last_checkpoint.every_n_updates=1000000000", NO_VIDEO),
                *(f"--trainer.logger.save_dir={directory}", *options),
            ]
        )
    if code or not MEASUREMENT.measured:
        sys.exit(code or 1)
    updates = MEASUREMENT.measured
    return {part: 1e6 * s / updates for part, s in CLOCK.seconds.items()}, MEASUREMENT.steps / updates


def table(columns: dict[tuple[str, int], dict[str, float]], steps: dict[tuple[str, int], float]) -> str:
    """All columns side by side, and their sums."""
    names = list(dict.fromkeys(part for part, _, _ in PARTS))
    heads = [f"{task}, {rollouts} x {steps[task, rollouts] / rollouts:.0f} steps" for task, rollouts in columns]
    lines = [["us per update", *heads], ["---"] * (1 + len(heads))]
    lines += [[name, *(f"{column.get(name, 0):,.0f}" for column in columns.values())] for name in names]
    lines += [["**all**", *(f"**{sum(column.values()):,.0f}**" for column in columns.values())]]
    speeds = (f"{1e6 * steps[key] / sum(column.values()):,.0f}" for key, column in columns.items())
    return "\n".join(f"| {' | '.join(line)} |" for line in [*lines, ["steps per second", *speeds]])


def main() -> None:
    """Profile each task with each number of rollouts, in turns."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--rollouts", nargs="+", type=int, default=[1, 8], help="rollouts an update")
    parser.add_argument("--updates", type=int, default=300, help="updates that are measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--synchronize", action="store_true", help="wait for the GPU after each part")
    parser.add_argument("--cpu-time", action="store_true", help="time that this thread computed, where others do, too")
    arguments, options = parser.parse_known_args()
    MEASUREMENT.updates, MEASUREMENT.threads = arguments.updates, arguments.threads
    CLOCK.synchronize = arguments.synchronize
    if arguments.cpu_time:
        CLOCK.now = time.thread_time
    SOURCES["async"] = ReadySource
    for part, owner, name in PARTS:
        function = inspect.getattr_static(owner, name)
        timed = CLOCK.timed(part, getattr(function, "__func__", function))
        setattr(owner, name, staticmethod(timed) if isinstance(function, staticmethod) else timed)
    keys = [(task, rollouts) for task in arguments.tasks for rollouts in arguments.rollouts]
    found: dict[tuple[str, int], list[dict[str, float]]] = defaultdict(list)
    steps = {}
    for key in keys * arguments.rounds:
        costs, steps[key] = profile(*key, options)
        found[key].append(costs)
    columns = {key: sorted(costs, key=lambda c: sum(c.values()))[len(costs) // 2] for key, costs in found.items()}
    print(table(columns, steps))
    few, many = min(arguments.rollouts), max(arguments.rollouts)
    for task in arguments.tasks if few < many else ():
        (t0, s0), (t1, s1) = ((sum(columns[task, k].values()), steps[task, k]) for k in (few, many))
        b = (t1 - t0) / (s1 - s0)
        print(f"\n{task}: a = {(t0 - b * s0) / 1000:.2f} ms, b = {b:.1f} us a step")


if __name__ == "__main__":
    main()
