"""The engine ``ray``: the actors of a cluster, and what the training goes on with where the cluster is lost."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import torch

from lit_a3c.engines.base import RolloutConfig, RolloutSource
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.process_pool import ProcessPool
from lit_a3c.engines.processes import cores, default_workers
from lit_a3c.engines.ray_pool import cluster as clusters
from lit_a3c.engines.ray_pool.cluster import HeadLostError, connect
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.engines.ray_pool.pool import RayPool
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.rollout import Rollout
from lit_a3c.utils.errors import ConfigError

log = logging.getLogger(__name__)

RETURN_SECONDS = 10.0
"""Between two looks whether a lost cluster has come back."""


class RaySource(RolloutSource):
    """A :class:`RayPool`; while there is no cluster, a :class:`ProcessPool` on this machine.

    When the head is lost, the training is saved first. Steps in flight are discarded.

    Args:
        config: What to collect.
        policy: The policy; its weights are version 0.
        ledger: Where the steps are counted.
    """

    def __init__(self, config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> None:
        self._config, self._policy, self._ledger = config, policy, ledger
        self._options = config.ray or RayOptions()
        self._version, self._address = 0, ""
        self._back, self._closed = threading.Event(), threading.Event()
        self._source: RolloutSource = self._on_cluster()

    def _on_cluster(self) -> RolloutSource:
        cluster = connect(self._options, self._config.num_workers)
        self._address = cluster.address
        # Actors on this machine share its cores with the learner.
        torch.set_num_threads(max(1, cores() - int(cluster.node_cpus())))
        return RayPool(self._config, self._policy, self._ledger, cluster)

    def publish(self, version: int) -> None:
        self._version = version
        self._source.publish(version)

    def next(self) -> Rollout:
        """The next rollout, from wherever there are actors.

        Raises:
            WorkerError: A worker has failed, and no more may be replaced.
            ConfigError: A machine of the cluster has other versions.
        """
        if self._back.is_set():
            self._back.clear()
            self._return()
        while True:
            try:
                rollout = self._source.next()
            except HeadLostError as error:
                self._go_on_without(error)
            else:
                assert isinstance(rollout, Rollout)
                return rollout

    def _go_on_without(self, error: HeadLostError) -> None:
        """Save, and collect elsewhere: on a new cluster of this machine, or with worker processes."""
        self.before_recovery()
        self._source.close()
        if self._options.address == "local":
            log.warning("lit-a3c: %s. Saved; the training goes on with a new one.", error)
            try:
                self._use(self._on_cluster())
            except ConfigError as failure:
                log.warning("lit-a3c: %s", failure)
            else:
                return
        local = replace(
            self._config,
            engine="sync" if self._options.sync else "async",
            num_workers=min(self._config.num_workers, default_workers()),
            ray=None,
        )
        if self._options.address != "local":
            log.warning(
                "lit-a3c: %s. Saved; the training goes on with %d workers of this machine until it is back.",
                error,
                local.num_workers,
            )
            self._start_looking()
        torch.set_num_threads(max(1, cores() - local.num_workers))
        self._use(ProcessPool(local, self._policy, self._ledger))

    def _use(self, source: RolloutSource) -> None:
        self._source = source
        source.publish(self._version)

    def _start_looking(self) -> None:
        threading.Thread(target=self._look_for_cluster, name="lit-a3c ray return", daemon=True).start()

    def _look_for_cluster(self) -> None:
        while not self._closed.wait(RETURN_SECONDS):
            if clusters.answers(self._address):
                self._back.set()
                return

    def _return(self) -> None:
        """Go back to the cluster. The workers of this machine go on if that fails."""
        try:
            connect(self._options, self._config.num_workers)
        except ConfigError as error:
            log.warning("lit-a3c: %s", error)
            self._start_looking()
            return
        log.warning("lit-a3c: the Ray cluster is back, and the training goes on there.")
        self._source.close()
        self._use(self._on_cluster())

    def close(self) -> None:
        self._closed.set()
        self._source.close()
