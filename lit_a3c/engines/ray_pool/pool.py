"""Actors on a Ray cluster as a source of rollouts, first come first served or all together.

Every actor runs one :class:`lit_a3c.engines.actor.Actor`. A request for a rollout carries the newest weights, and the
answer is the rollout. An actor has one request while the learner has rollouts to learn from, because with more they
would only grow older. It has two while the learner waits.

TorchRL's ``RayCollector`` is not used: one dead actor ends it, and a replacement cannot join it.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

from lit_a3c.engines.base import RolloutConfig, tensors_of
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.processes import Failed, WorkerError
from lit_a3c.engines.ray_pool.advice import Advice
from lit_a3c.engines.ray_pool.client import Event, Gone, RayClient, RemoteWorker, Started
from lit_a3c.engines.ray_pool.cluster import Cluster, HeadLostError
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.engines.ray_pool.packing import unpack
from lit_a3c.engines.ray_pool.remote_actor import Collected, Placed, payload, versions
from lit_a3c.engines.ray_pool.weights import WeightSender
from lit_a3c.engines.ray_pool.workers import POLL_SECONDS, RemoteWorkers
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.rollout import Rollout
from lit_a3c.utils.errors import ConfigError


class RayPool(RemoteWorkers):
    """The actors of a cluster.

    Args:
        config: What to collect.
        policy: The policy; its weights are version 0.
        ledger: Where the steps are counted. Actors report them with each rollout.
        cluster: The connection to the cluster.
    """

    def __init__(self, config: RolloutConfig, policy: ActorCritic, ledger: StepLedger, cluster: Cluster) -> None:
        options = config.ray or RayOptions()
        ledger.allocate(1)
        client = RayClient(options, payload(config, copy.deepcopy(policy).cpu()))
        super().__init__(config, ledger, cluster, client)
        self._sync = options.sync
        self._take = config.num_workers if options.sync else 1
        self._weights = WeightSender(self._client, tensors_of(policy), 0.0 if options.sync else options.weights_every)
        self._weights.publish(0)
        self._advice = Advice(config, cluster)
        self._looked, self._began, self._ever_placed = 0.0, time.monotonic(), False
        self._open = True
        for _ in range(config.num_workers):
            self._grow()
        # Held by the learner: as if it had learned from a rollout of each. So no worker acts before the first
        # publication.
        self._held = list(self._workers)

    def publish(self, version: int) -> None:
        self._weights.publish(version)

    def next(self) -> Rollout:
        """The next rollout, or the next ones of all workers side by side with ``ray.sync``.

        Raises:
            WorkerError: A worker has failed, and no more may be replaced.
            HeadLostError: The cluster is gone.
            ConfigError: A machine of the cluster has other versions.
        """
        while self._receive(0.0):
            pass
        self._look_after()
        waits = len(self._ready) < self._take
        held, self._held = self._held, []
        for number in held:
            self._release(number, waits)
        while len(self._ready) < self._take:
            self._receive(POLL_SECONDS)
            self._look_after()
        taken = sorted((self._ready.popleft() for _ in range(self._take)), key=lambda item: item[0])
        self._held = [number for number, _ in taken]
        rollout = Rollout.cat([unpack(data) for _, data in taken])
        self._advice.taken(waits, self._weights.version - rollout.policy_version)
        return rollout

    # Requests

    def _release(self, number: int, waits: bool) -> None:
        """The learner has learned from a rollout of this worker: ask for the next one, unless another is on its way."""
        if (worker := self._workers.get(number)) is None:  # its machine has gone, and there is no other for it
            return
        if worker.second and not waits:
            worker.second = False
        else:
            self._ask(worker)

    def _ask(self, worker: RemoteWorker) -> None:
        if worker.handle is None:
            worker.waiting += 1
            return
        weights, version = self._weights.newer_than(worker.weights_version)
        worker.weights_version = version
        self._client.ask(worker, weights, version)

    # Answers

    def _receive(self, timeout: float) -> bool:
        """Take one answer, if there is one within so many seconds."""
        if (answer := self._client.receive(timeout)) is None:
            return False
        worker, event = answer
        if self._workers.get(worker.number) is worker:
            self._watchdog.reset(worker.number)
            self._take_up(worker, event)
        elif isinstance(event, Started):  # it was given up before Ray had a handle for it
            self._client.kill(worker)
        return True

    def _take_up(self, worker: RemoteWorker, event: Event) -> None:
        match event:
            case Started():
                waiting, worker.waiting = worker.waiting, 0
                for _ in range(waiting):
                    self._ask(worker)
            case Placed():
                self._check_versions(event)
                worker.placed, self._ever_placed = event, True
            case Collected():
                self._take_rollout(worker, event)
            case Gone():
                self._lose(worker, event)

    def _take_rollout(self, worker: RemoteWorker, collected: Collected) -> None:
        worker.pending -= 1
        new, worker.steps = collected.steps - worker.steps, collected.steps
        self._ledger.collected.add(new)
        if isinstance(collected.rollout, Failed):
            self._ledger.discarded.add(new)
            self._fail(worker, collected.rollout.error(worker.number))
            return
        self._ledger.discarded.add(new - self._steps)  # of answers that have not arrived
        worker.delivered, worker.unanswered, worker.unreachable_since = worker.delivered + 1, 0, None
        self._in_vain.pop(worker.number, None)
        starving = not self._sync and not self._ready
        self._ready.append((worker.number, collected.rollout))
        if starving and not worker.second:
            worker.second = True
            self._ask(worker)

    def _check_versions(self, placed: Placed) -> None:
        here = versions()
        for name, version in placed.versions.items():
            if version != here[name]:
                raise ConfigError(
                    f"ray: the machine {placed.host} has {name} {version}, and the learner has {here[name]}. Install "
                    f"the same versions on all machines, or give --ray.runtime_env with {name}=={here[name]}."
                )

    # The cluster as it is now

    def _look_after(self) -> None:
        """Once a second: the head, workers that are silent, and machines that have come or gone.

        Raises:
            HeadLostError: The head is gone.
            WorkerError: No worker has found a place, or a silent one may not be replaced.
        """
        now = time.monotonic()
        if now - self._looked < POLL_SECONDS:
            return
        self._looked = now
        if self._cluster.lost:
            raise HeadLostError(f"the head of the Ray cluster at {self._cluster.address} is gone")
        if not self._ever_placed and now - self._began > self._config.worker_timeout:
            raise WorkerError(
                f"the cluster has found no place for a worker in {self._config.worker_timeout:g} seconds "
                f"(data.worker_timeout). Each needs {(self._config.ray or RayOptions()).actor_resources}, and there is "
                f"room for {self._cluster.capacity}. `ray status` says what the cluster has."
            )
        self._check_silence(now)
        if self._config.elastic:
            self._follow_cluster()
        self._advice.look(len(self._workers))

    def close(self) -> None:
        """End all actors, and disconnect if the engine has made the connection."""
        end: Callable[[list[RemoteWorker]], None] = self._client.abandon if self._cluster.lost else self._client.close
        workers, self._workers, self._held = list(self._workers.values()), {}, []
        if self._open:
            self._open = False
            end(workers)
            self._cluster.end()
        self._ready.clear()
