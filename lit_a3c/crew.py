"""The other workers of a lock-free training, as rank zero keeps them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lit_a3c.meter import Tally
from lit_a3c.patience import Patience, listen
from lit_a3c.processes import Restarts, Worker, WorkerError, end_workers, kill_worker
from lit_a3c.shared import Shared


class Crew:
    """Starts them, takes in what they report, and replaces one that ends or makes no updates for long.

    Args:
        start: Starts the worker of a rank, which waits for a message before it begins.
        ranks: Of all of them.
        module: Rank zero's module, whose meter counts for everybody.
        shared: What all have in common.
        max_restarts: Workers that may be replaced before the failure of one ends the training.
        worker_timeout: Seconds without an update after which a worker is taken for hung.
    """

    def __init__(
        self,
        start: Callable[[int], Worker],
        ranks: Iterable[int],
        module: Any,
        shared: Shared,
        max_restarts: int,
        worker_timeout: float,
    ) -> None:
        self._start, self._module, self._shared = start, module, shared
        self._restarts, self._patience = Restarts(max_restarts), Patience(worker_timeout)
        self._updates: dict[int, int] = {}  # of each rank, when last looked at
        self._lost: dict[int, int] = {}  # steps of each rank that nobody will learn from
        self._workers = [start(rank) for rank in ranks]
        for worker in self._workers:  # only now: what trains takes time from what is being started
            worker.send(None)

    def hear(self, timeout: float = 0) -> None:
        """Take in what they report.

        Args:
            timeout: Seconds to wait for it.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
        """
        self._feel_pulses()
        for worker, said in listen(self._workers, self._patience, timeout):
            if isinstance(said, WorkerError):
                self._replace(worker, said)
            else:
                self._take_in(worker, said)

    def see_out(self) -> None:
        """Wait until all have finished."""
        while self._workers:
            self.hear(timeout=Patience.LOOK_EVERY)

    def end(self) -> None:
        """End them now. May be called twice."""
        end_workers(self._workers)
        self._workers = []

    def _feel_pulses(self) -> None:
        """A worker that makes updates is not silent."""
        for worker in self._workers:
            updates = self._shared.updates.count(worker.number)
            if updates != self._updates.get(worker.number):
                self._updates[worker.number] = updates
                self._patience.heard(worker.number)

    def _take_in(self, worker: Worker, message: Tally | None) -> None:
        if message is None:  # it has finished
            end_workers([worker])
            self._workers.remove(worker)
        else:
            self._module.meter.merge(message)

    def _replace(self, worker: Worker, error: WorkerError) -> None:
        """Start another of the same rank. What this one had not learned from is lost, and counted.

        Raises:
            WorkerError: This one failed before its first update, or too many have been replaced.
        """
        rank = worker.number
        if error.raised and not self._shared.updates.count(rank):
            raise error
        kill_worker(worker)
        self._workers.remove(worker)
        lost = self._shared.taken.count(rank) - self._shared.steps.count(rank)
        self._module.discarded += lost - self._lost.get(rank, 0)
        self._lost[rank] = lost
        if not self._module.finished:
            self._restarts.make(error)
            self._patience.heard(rank)
            another = self._start(rank)
            another.send(None)
            self._workers.append(another)
