"""The updates of all workers, as the process that watches them sees them."""

from __future__ import annotations

import functools
import re
import time
from typing import Protocol

import torch
from lightning.pytorch import Trainer

from lit_a3c.engines.base import Learner, RolloutSource
from lit_a3c.rollout import AppliedUpdates
from lit_a3c.utils import compat
from lit_a3c.utils.signals import INTERRUPTION

PERIOD_SECONDS = 0.1
"""Between two looks at the workers, and most often between two batches of the trainer. Both together take 0.5 ms."""
PULL_SECONDS = 1.0
"""Least time between two copies of the shared parameters that are made for callbacks alone."""


class Watched(Protocol):
    """What the source needs of the strategy that watches the workers."""

    @property
    def num_processes(self) -> int:
        """Worker processes."""

    def pull(self) -> None:
        """Copy the shared parameters and running statistics into this process's own."""

    def watch(self, timeout: float = 0) -> bool:
        """Look after the workers for up to so many seconds; False where all of them have ended."""

    @property
    def max_updates_reached(self) -> bool:
        """Whether the workers have made as many updates as the trainer's ``max_steps`` allow."""


class NoUpdates(RolloutSource):
    """For the nodes of a job that are not node 0: their trainers get no batch, and end with the job.

    Args:
        engine: The strategy of this process.
        trainer: Its trainer.
    """

    def __init__(self, engine: Watched, trainer: Trainer) -> None:
        self._engine, self._trainer = engine, trainer

    def publish(self, version: int) -> None:
        """Nothing: the workers take the shared parameters themselves."""

    def next(self) -> None:
        """Look after the workers until all nodes have ended.

        Raises:
            WorkerError: A worker has failed, and no more may be replaced.
            NodeError: Another node has failed.
            KeyboardInterrupt: A signal asks to stop.
        """
        while self._engine.watch(PERIOD_SECONDS):
            INTERRUPTION.check()
        self._trainer.should_stop = True

    def close(self) -> None:
        """Nothing: the strategy ends the workers."""


class UpdateSource(RolloutSource):
    """Lets the trainer of a process that does not learn count the updates of all workers.

    So ``global_step``, ``max_steps``, ``val_check_interval`` and the intervals of callbacks are of all workers.

    Lightning needs 0.3 ms for a batch, and a training may make hundreds of updates a second, on all the cores there
    are. So the trainer gets ten batches a second, each an :class:`AppliedUpdates`, and its counts skip the numbers
    between them. They do not skip a number at which something is due: the end (``max_steps``), a validation, a row of
    Lightning's own logs, or what a callback does at the multiples of its ``every_n_...``. Where several of the same
    kind are due, as after a validation that took long, only the last one is made. This process sees the parameters of
    the moment, so the others would be of the same.

    When the budget is used up, the source waits for the last update of every worker. It gives one more batch, and stops
    the training.

    Args:
        engine: The strategy of this process.
        trainer: Its trainer.
        learner: Its module.
    """

    def __init__(self, engine: Watched, trainer: Trainer, learner: Learner) -> None:
        self._engine, self._trainer, self._learner = engine, trainer, learner
        self._updates = learner.ledger.updates
        self._accumulate = trainer.accumulate_grad_batches
        self._counted = self._applied  # batches that Lightning has counted
        self._given_at = self._pulled_at = 0.0
        self.overshoot = engine.num_processes

    def publish(self, version: int) -> None:
        """Nothing: the workers take the shared parameters themselves."""

    def next(self) -> AppliedUpdates | None:
        """The updates since the last call, or up to the next one that something is due at; None where all have ended.

        Raises:
            WorkerError: A worker has failed, and no more may be replaced.
            KeyboardInterrupt: A signal asks to stop. Nothing is lost by that: here nothing is learned.
        """
        running = self._engine.watch()
        while running and (self._over or not self._due()):
            INTERRUPTION.check()
            running = self._engine.watch(PERIOD_SECONDS)
        waiting = self._applied - self._counted
        if not waiting:
            self._trainer.should_stop = True
            return None
        last = not running and self._learner.finished
        batches = waiting if last else self._due() or waiting
        # Whole updates are skipped. The batches of the one that something is due at are all given.
        skipped = (batches - 1) // self._accumulate * self._accumulate
        compat.skip_batches(self._trainer, skipped)
        self._counted += skipped + 1
        if last and self._counted == self._applied:
            self._trainer.should_stop = True
        self._given_at = time.monotonic()
        if not running or self._given_at - self._pulled_at >= PULL_SECONDS:
            self._engine.pull()
            self._pulled_at = self._given_at
        return AppliedUpdates(torch.tensor(self._counted // self._accumulate))

    def close(self) -> None:
        """Nothing: the strategy ends the workers."""

    @property
    def _applied(self) -> int:
        """Batches that the workers have learned from in the updates that they have applied."""
        return self._updates.total * self._accumulate

    @property
    def _over(self) -> bool:
        """Whether no worker begins another update."""
        return self._learner.finished or self._engine.max_updates_reached

    def _due(self) -> int:
        """How many batches further something is due, or all that wait where it is time; 0 where nothing is due yet."""
        waiting, trainer = self._applied - self._counted, self._trainer
        if not waiting:
            return 0
        done = trainer.global_step * self._accumulate + self._counted % self._accumulate
        intervals = [(done, interval * self._accumulate) for interval in self._intervals]
        if (validation := compat.validation_interval(trainer)) is not None:
            intervals.append(validation)
        ahead = [(done + waiting) // interval * interval - done for done, interval in intervals]
        if trainer.max_steps != -1:
            ahead.append(trainer.max_steps * self._accumulate - done)
        if due := [batches for batches in ahead if 0 < batches <= waiting]:
            return min(due)
        return waiting if time.monotonic() - self._given_at >= PERIOD_SECONDS else 0

    @functools.cached_property
    def _intervals(self) -> set[int]:
        """Updates between two rows of Lightning's logs, and between what callbacks do."""
        named = [(name, value) for one in compat.callbacks_of(self._trainer) for name, value in vars(one).items()]
        every = [value for name, value in named if re.search("every_n_(?!epoch)|refresh_rate", name)]
        return {n for n in (compat.log_interval(self._trainer), *every) if isinstance(n, int) and n > 0}
