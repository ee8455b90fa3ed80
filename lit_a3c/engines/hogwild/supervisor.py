"""The workers of a lock-free training, as the process that was started watches them."""

from __future__ import annotations

import time
from collections.abc import Callable

from lit_a3c.engines.base import Learner
from lit_a3c.engines.processes import Restarts, Worker, WorkerError, end_workers, kill_worker
from lit_a3c.engines.watchdog import Watchdog, poll
from lit_a3c.metrics.train_metrics import MetricsDelta

PAUSE_SECONDS = 0.01
"""Least time between two polls that do not wait: an evaluation asks for one at each of its steps."""


class WorkerSupervisor:
    """Starts the workers, merges their reports, and replaces one that ends or makes no updates for long.

    Worker ``n`` has slot ``n + 1`` of the ledger. Slot 0 is of what was counted before the training.

    Args:
        start: Starts the worker of a number, which waits for a message before it begins.
        num_workers: The number of workers.
        learner: The module of this process, whose metrics count for all workers.
        over: Whether no worker begins another update. One that fails then is not replaced.
        max_restarts: Workers that may be replaced before the failure of one ends the training.
        worker_timeout: Seconds without an update after which a worker is taken for hung.
    """

    def __init__(
        self,
        start: Callable[[int], Worker],
        num_workers: int,
        learner: Learner,
        over: Callable[[], bool],
        max_restarts: int,
        worker_timeout: float,
    ) -> None:
        self._start, self._metrics, self._ledger, self._over = start, learner.metrics, learner.ledger, over
        self._restarts, self._watchdog = Restarts(max_restarts), Watchdog(worker_timeout)
        self._polled = 0.0
        self._updates: dict[int, int] = {}  # of each worker, at the last poll
        self._discarded: dict[int, int] = {}  # steps of each worker that will never be learned from
        self._workers: list[Worker] = []
        for number in range(num_workers):
            self._workers.append(start(number))
        for worker in self._workers:  # only now: a worker that trains slows the start of the others
            worker.send(None)

    @property
    def running(self) -> bool:
        """Whether any worker has not finished."""
        return bool(self._workers)

    def poll(self, timeout: float = 0) -> None:
        """Merge what the workers report, and replace those that have failed.

        Args:
            timeout: Seconds to wait for a report. With 0, a call soon after another one does nothing.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
        """
        if not timeout and time.monotonic() - self._polled < PAUSE_SECONDS:
            return
        self._refresh_heartbeats()
        for worker, message in poll(self._workers, self._watchdog, timeout):
            if isinstance(message, WorkerError):
                self._replace(worker, message)
            else:
                self._take(worker, message)
        self._polled = time.monotonic()

    def end(self) -> None:
        """End them now. May be called twice."""
        end_workers(self._workers)
        self._workers = []

    def _refresh_heartbeats(self) -> None:
        """A worker that makes updates is not silent."""
        for worker in self._workers:
            updates = self._ledger.updates.count(worker.number + 1)
            if updates != self._updates.get(worker.number):
                self._updates[worker.number] = updates
                self._watchdog.reset(worker.number)

    def _take(self, worker: Worker, message: MetricsDelta | None) -> None:
        if message is None:  # it has finished
            end_workers([worker])
            self._workers.remove(worker)
        else:
            self._metrics.merge(message)

    def _replace(self, worker: Worker, error: WorkerError) -> None:
        """Start another of the same number. The steps that this one had not learned from are discarded.

        Raises:
            WorkerError: This one failed before the first update under its number, or too many have been replaced.
        """
        number, slot = worker.number, worker.number + 1
        if error.raised and not self._ledger.updates.count(slot):
            raise error
        kill_worker(worker)
        self._workers.remove(worker)
        discarded = self._ledger.collected.count(slot) - self._ledger.learned.count(slot)
        self._ledger.discarded.add(discarded - self._discarded.get(number, 0))
        self._discarded[number] = discarded
        if not self._over():
            self._restarts.make(error)
            self._watchdog.reset(number)
            another = self._start(number)
            another.send(None)
            self._workers.append(another)
