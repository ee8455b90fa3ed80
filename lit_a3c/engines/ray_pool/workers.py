"""The actors of a cluster: how they are started, what becomes of those that fail, and how many there are."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections import deque

from lit_a3c.engines.base import RolloutConfig, RolloutSource
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.processes import Restarts, WorkerError
from lit_a3c.engines.ray_pool.client import Gone, RayClient, RemoteWorker
from lit_a3c.engines.ray_pool.cluster import Cluster
from lit_a3c.engines.watchdog import Watchdog
from lit_a3c.utils.errors import ConfigError

log = logging.getLogger(__name__)

SEED_STRIDE = 1_000_003
"""Between the seeds of a worker and of its replacement."""
POLL_SECONDS = 1.0
"""Between two looks after the workers."""
UNREACHABLE_SECONDS = 10.0
"""After which a worker that cannot be reached is replaced, if Ray has not said before what became of it."""
MOST_IN_VAIN = 5
"""Replacements of one worker, each lost with its machine before its first rollout, that are no fault of the worker."""


class RemoteWorkers(RolloutSource):
    """Workers, each an actor of the cluster, and their replacements. What a subclass does with them are rollouts.

    Args:
        config: What to collect.
        ledger: Where the steps are counted.
        cluster: The connection to the cluster.
        client: The calls of Ray.

    Attributes:
        _ready: Number of the worker and rollout of those that wait for the learner.
        _held: Numbers of the workers whose rollouts are being learned from.
    """

    def __init__(self, config: RolloutConfig, ledger: StepLedger, cluster: Cluster, client: RayClient) -> None:
        self._config, self._ledger, self._cluster, self._client = config, ledger, cluster, client
        self._steps = config.envs_per_worker * config.rollout_length
        self._restarts, self._watchdog = Restarts(config.max_restarts), Watchdog(config.worker_timeout)
        self._ready: deque[tuple[int, bytes]] = deque()
        self._held: list[int] = []
        self._workers: dict[int, RemoteWorker] = {}
        self._made = self._numbers = 0  # replacements for any reason; workers apart from them
        self._in_vain: dict[int, int] = {}
        self._lost_machines: set[str] = set()

    @abstractmethod
    def _ask(self, worker: RemoteWorker) -> None:
        """Ask a worker for a rollout."""

    # Losses

    def _lose(self, worker: RemoteWorker, gone: Gone) -> None:
        now = time.monotonic()
        if gone.error.raised and "No module named 'lit_a3c'" in str(gone.error):
            raise ConfigError(
                "ray: a machine of the cluster has no lit-a3c. Install it there (pip install 'lit-a3c[ray]'), or send "
                'it: --ray.runtime_env \'{"pip": ["lit-a3c[ray]"]}\'.'
            )
        if gone.certain or now - (worker.unreachable_since or now) >= 2 * POLL_SECONDS:
            worker.unanswered = max(worker.unanswered, worker.pending)
            worker.pending = max(0, worker.pending - 1)
            if gone.machine and self._in_vain.get(worker.number, 0) < MOST_IN_VAIN:
                self._replace_elsewhere(worker)
            else:
                self._discard(worker)
                self._fail(worker, gone.error)
            return
        # Ray knows only later whether the process, its machine or the network was to blame. Meanwhile ask again.
        if worker.unreachable_since is None:
            worker.unreachable_since, worker.unanswered = now, worker.pending
            self._report_machine(worker)
        worker.pending -= 1
        worker.weights_version = -1  # those of the lost request may not have arrived
        self._ask(worker)

    def _discard(self, worker: RemoteWorker) -> None:
        """Count the steps of a lost worker since its last report. Nobody knows them: the most that they can be."""
        steps = worker.most_lost * self._steps
        self._ledger.collected.add(steps)
        self._ledger.discarded.add(steps)

    def _fail(self, worker: RemoteWorker, error: WorkerError) -> None:
        """Replace a worker that has failed by itself.

        Raises:
            WorkerError: It failed before its first rollout, or too many have been replaced.
        """
        if error.raised and not worker.delivered and not self._restarts.made:
            raise error
        self._restarts.make(error)
        self._replace(worker)

    def _replace_elsewhere(self, worker: RemoteWorker) -> None:
        """Replace a worker whose machine is gone, as soon as the cluster has room. It is no fault of the worker."""
        self._report_machine(worker)
        self._discard(worker)
        if not worker.delivered:
            self._in_vain[worker.number] = self._in_vain.get(worker.number, 0) + 1
        if self._config.elastic and len(self._workers) > max(1, self._cluster.capacity):
            self._drop(worker)
        else:
            self._replace(worker)

    def _report_machine(self, worker: RemoteWorker) -> None:
        """Name a machine once, however many workers it had."""
        if worker.placed is None or worker.machine in self._lost_machines:
            return
        self._lost_machines.add(worker.machine)
        number = sum(other.machine == worker.machine for other in self._workers.values())
        log.warning(
            "lit-a3c: machine %s of the cluster does not answer. Its %d workers begin anew where there is room; the "
            "others go on.",
            worker.placed.host,
            number,
        )

    def _replace(self, worker: RemoteWorker) -> None:
        """Let another worker do what this one was to do."""
        self._client.kill(worker)
        self._made += 1
        owed = 2 if worker.second else 1
        owed -= sum(number == worker.number for number, _ in self._ready) + self._held.count(worker.number)
        new = self._start(worker.number, second=worker.second)
        for _ in range(max(0, owed)):
            self._ask(new)

    def _start(self, number: int, *, second: bool = False) -> RemoteWorker:
        worker = self._workers[number] = RemoteWorker(number, second)
        # A replacement does not play again what the one before it has played.
        self._client.start(worker, self._config.seed + SEED_STRIDE * self._made)
        self._watchdog.reset(number)
        return worker

    # The number of workers

    def _check_silence(self, now: float) -> None:
        busy = {n: w for n, w in self._workers.items() if w.pending and w.placed}
        for number in self._workers.keys() - busy.keys():
            self._watchdog.reset(number)
        for number in self._watchdog.expired(busy):
            if (worker := self._workers.get(number)) is not None:
                self._discard(worker)
                self._fail(worker, WorkerError(f"worker {number} was silent for {self._watchdog.limit:g} seconds"))
        for worker in busy.values():
            since = worker.unreachable_since
            if since and now - since > UNREACHABLE_SECONDS and self._workers.get(worker.number) is worker:
                self._replace_elsewhere(worker)

    def _follow_cluster(self) -> None:
        """Have as many workers as the cluster has room for."""
        for _ in range(self._cluster.capacity - len(self._workers)):
            self._ask(self._workers[self._grow()])
        homeless = [worker for worker in self._workers.values() if worker.placed is None]
        for worker in homeless[: len(self._workers) - max(1, self._cluster.capacity)]:
            self._drop(worker)

    def _grow(self) -> int:
        number = self._config.first_worker + self._numbers
        self._numbers += 1
        self._start(number)
        return number

    def _drop(self, worker: RemoteWorker) -> None:
        del self._workers[worker.number]
        if worker.handle is not None:
            self._client.kill(worker)
