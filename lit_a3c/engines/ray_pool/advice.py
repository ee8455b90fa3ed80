"""What a user of the engine ``ray`` should know about the cluster and the learner, each thing once."""

from __future__ import annotations

import logging

from lit_a3c.engines.base import RolloutConfig
from lit_a3c.engines.ray_pool.cluster import Cluster
from lit_a3c.engines.ray_pool.options import RayOptions

log = logging.getLogger(__name__)

WINDOW = 500
"""Rollouts over which it is looked whether the learner or the actors are the slower part."""
FULL = 0.95
"""Share of them for which the learner did not have to wait, from which on it is the limit."""
OLD = 16.0
"""Mean policy lag from which on it matters, in updates."""
ROOM_SECONDS = 15
"""Seconds that a cluster has to find places before a line says that it has none."""


class Advice:
    """One line of advice where something can be made better.

    Args:
        config: What is collected.
        cluster: Where.
    """

    def __init__(self, config: RolloutConfig, cluster: Cluster) -> None:
        self._config, self._cluster = config, cluster
        self._options = config.ray or RayOptions()
        self._looks = self._rollouts = self._waited = 0
        self._lag = 0.0
        self._given: set[str] = set()
        if not config.behaviour_log_prob and not self._options.sync:
            self._give("vtrace", "the actors' weights are some updates old: --model.vtrace true corrects for it.")

    def look(self, workers: int) -> None:
        """Once a second.

        Args:
            workers: Workers that there are to be.
        """
        self._looks += 1
        if self._looks >= ROOM_SECONDS and self._cluster.capacity < workers:
            self._give(
                "room",
                f"the cluster has room for {self._cluster.capacity} of {workers} workers, each of which needs "
                f"{self._options.actor_resources}. The others wait; --num_workers auto takes what there is.",
            )

    def taken(self, waited: bool, lag: int) -> None:
        """The learner has taken a rollout.

        Args:
            waited: Whether it had to wait for it.
            lag: Updates between the weights that acted and the present ones.
        """
        self._rollouts, self._waited, self._lag = self._rollouts + 1, self._waited + waited, self._lag + lag
        if self._rollouts < WINDOW:
            return
        mean = self._lag / self._rollouts
        if self._waited <= (1 - FULL) * self._rollouts and mean >= OLD:
            self._give(
                "learner",
                f"the learner is the limit: rollouts wait for it, and are {mean:.0f} updates old. Fewer workers, or "
                "more steps a rollout (data.envs_per_worker, data.rollout_length), make them fresher.",
            )
        self._rollouts = self._waited = 0
        self._lag = 0.0

    def _give(self, what: str, line: str) -> None:
        if what not in self._given:
            self._given.add(what)
            log.warning("lit-a3c: ray: %s", line)
