"""What workers say, and for how long they may say nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable
from multiprocessing.connection import wait
from typing import Any

from lit_a3c.processes import Worker, WorkerError


class Patience:
    """For how long workers have been silent while somebody listened.

    Between two looks at most two seconds count: not an evaluation, nor a night for which a laptop slept.

    Args:
        limit: Seconds of silence after which a worker is taken for hung; more than those two.
    """

    LOOK_EVERY = 1.0

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._silent: dict[int, float] = {}
        self._looked = time.monotonic()

    def heard(self, number: int) -> None:
        """A worker has said something, or has nothing to say."""
        self._silent[number] = 0.0

    def look(self, numbers: Iterable[int]) -> list[int]:
        """Those of these workers whose silence has become too long."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, 2 * self.LOOK_EVERY), now
        for number in numbers:
            self._silent[number] = self._silent.get(number, 0.0) + passed
        return [number for number, silent in self._silent.items() if silent >= self.limit]


def listen(workers: Iterable[Worker], patience: Patience, timeout: float) -> list[tuple[Worker, Any]]:
    """What these workers say: a message, or the error of one that has ended or was silent for too long.

    Args:
        workers: The workers.
        patience: Their silence so far; a message ends it.
        timeout: Seconds to wait for the first message.

    Returns:
        At most one pair of worker and message or :class:`WorkerError` for each worker.
    """
    workers = list(workers)
    ready = wait([worker.connection for worker in workers], timeout) if workers else []
    for worker in workers:
        if worker.connection in ready:
            patience.heard(worker.number)
    hung = patience.look([worker.number for worker in workers])
    said: list[tuple[Worker, Any]] = []
    for worker in workers:
        if worker.connection in ready:
            try:
                said.append((worker, worker.receive()))
            except WorkerError as error:
                said.append((worker, error))
        elif worker.number in hung:
            said.append((worker, WorkerError(f"worker {worker.number} was silent for {patience.limit:g} seconds")))
    return said
