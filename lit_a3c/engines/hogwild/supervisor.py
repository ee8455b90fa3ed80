"""The other workers of a lock-free training, as rank zero watches them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lit_a3c.engines.base import Learner
from lit_a3c.engines.processes import Restarts, Worker, WorkerError, end_workers, kill_worker
from lit_a3c.engines.watchdog import Watchdog, poll
from lit_a3c.metrics.train_metrics import MetricsDelta


class WorkerSupervisor:
    """Starts the workers, merges their reports, and replaces one that ends or makes no updates for long.

    Args:
        start: Starts the worker of a rank, which waits for a message before it begins.
        ranks: The ranks of all workers.
        learner: Rank zero's module, whose metrics count for all processes.
        max_restarts: Workers that may be replaced before the failure of one ends the training.
        worker_timeout: Seconds without an update after which a worker is taken for hung.
    """

    def __init__(
        self,
        start: Callable[[int], Worker],
        ranks: Iterable[int],
        learner: Learner,
        max_restarts: int,
        worker_timeout: float,
    ) -> None:
        self._start, self._learner, self._ledger = start, learner, learner.ledger
        self._restarts, self._watchdog = Restarts(max_restarts), Watchdog(worker_timeout)
        self._updates: dict[int, int] = {}  # of each rank, at the last poll
        self._discarded: dict[int, int] = {}  # steps of each rank that will never be learned from
        self._workers = [start(rank) for rank in ranks]
        for worker in self._workers:  # only now: a worker that trains slows the start of the others
            worker.send(None)

    def poll(self, timeout: float = 0) -> None:
        """Merge what the workers report.

        Args:
            timeout: Seconds to wait for it.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
        """
        self._refresh_heartbeats()
        for worker, message in poll(self._workers, self._watchdog, timeout):
            if isinstance(message, WorkerError):
                self._replace(worker, message)
            else:
                self._take(worker, message)

    def join(self) -> None:
        """Wait until all have finished."""
        while self._workers:
            self.poll(timeout=Watchdog.POLL_SECONDS)

    def end(self) -> None:
        """End them now. May be called twice."""
        end_workers(self._workers)
        self._workers = []

    def _refresh_heartbeats(self) -> None:
        """A worker that makes updates is not silent."""
        for worker in self._workers:
            updates = self._ledger.updates.count(worker.number)
            if updates != self._updates.get(worker.number):
                self._updates[worker.number] = updates
                self._watchdog.reset(worker.number)

    def _take(self, worker: Worker, message: MetricsDelta | None) -> None:
        if message is None:  # it has finished
            end_workers([worker])
            self._workers.remove(worker)
        else:
            self._learner.metrics.merge(message)

    def _replace(self, worker: Worker, error: WorkerError) -> None:
        """Start another of the same rank. The steps that this one had not learned from are discarded.

        Raises:
            WorkerError: This one failed before its first update, or too many have been replaced.
        """
        rank = worker.number
        if error.raised and not self._ledger.updates.count(rank):
            raise error
        kill_worker(worker)
        self._workers.remove(worker)
        discarded = self._ledger.collected.count(rank) - self._ledger.learned.count(rank)
        self._ledger.discarded.add(discarded - self._discarded.get(rank, 0))
        self._discarded[rank] = discarded
        if not self._learner.finished:
            self._restarts.make(error)
            self._watchdog.reset(rank)
            another = self._start(rank)
            another.send(None)
            self._workers.append(another)
