"""The messages of workers, and how long a worker may be silent."""

from __future__ import annotations

import time
from collections.abc import Iterable
from multiprocessing.connection import wait
from typing import Any

from lit_a3c.engines.processes import Worker, WorkerError


class Watchdog:
    """How long each worker has been silent while this process was listening.

    At most two seconds count between two polls. An evaluation does not count, nor does a night for which a laptop
    slept.

    Args:
        limit: Seconds of silence after which a worker is taken for hung; more than those two.
    """

    POLL_SECONDS = 1.0

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._silent: dict[int, float] = {}
        self._polled = time.monotonic()

    def reset(self, number: int) -> None:
        """A worker has sent a message, or has nothing to send."""
        self._silent[number] = 0.0

    def expired(self, numbers: Iterable[int]) -> list[int]:
        """Those of these workers that have been silent for too long."""
        now = time.monotonic()
        passed, self._polled = min(now - self._polled, 2 * self.POLL_SECONDS), now
        for number in numbers:
            self._silent[number] = self._silent.get(number, 0.0) + passed
        return [number for number, silent in self._silent.items() if silent >= self.limit]


def poll(workers: Iterable[Worker], watchdog: Watchdog, timeout: float) -> list[tuple[Worker, Any]]:
    """The messages of these workers, and the errors of those that have ended or were silent for too long.

    Args:
        workers: The workers.
        watchdog: Their silence so far; a message ends it.
        timeout: Seconds to wait for the first message.

    Returns:
        At most one pair of worker and message or :class:`WorkerError` for each worker.
    """
    workers = list(workers)
    ready = wait([worker.connection for worker in workers], timeout) if workers else []
    for worker in workers:
        if worker.connection in ready:
            watchdog.reset(worker.number)
    hung = watchdog.expired([worker.number for worker in workers])
    messages: list[tuple[Worker, Any]] = []
    for worker in workers:
        if worker.connection in ready:
            try:
                messages.append((worker, worker.receive()))
            except WorkerError as error:
                messages.append((worker, error))
        elif worker.number in hung:
            messages.append((worker, WorkerError(f"worker {worker.number} was silent for {watchdog.limit:g} seconds")))
    return messages
