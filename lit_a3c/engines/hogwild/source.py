"""The rollouts of one lock-free worker."""

from __future__ import annotations

from typing import Protocol

from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import Learner, RolloutConfig, RolloutSource
from lit_a3c.rollout import Rollout


class SharedParameters(Protocol):
    """What the source needs of the worker that it belongs to."""

    def pull(self) -> None:
        """Copy the shared parameters into this process's own."""

    @property
    def ended(self) -> bool:
        """Whether this worker shall begin no further rollout."""


class HogwildSource(RolloutSource):
    """One actor in this process, which acts with the very parameters that learn.

    The shared parameters are copied once for each rollout: the actor stands on the memory of the learner's own.

    Args:
        config: What to collect.
        learner: The module of this process.
        shared: The parameters of all workers.
    """

    def __init__(self, config: RolloutConfig, learner: Learner, shared: SharedParameters) -> None:
        self._actor = Actor(config, learner.policy, config.first_worker, learner.ledger.collected, share_weights=True)
        self._shared, self._version = shared, 0

    def publish(self, version: int) -> None:
        self._shared.pull()
        self._version = version

    def refresh(self) -> None:
        self._shared.pull()

    def next(self) -> Rollout | None:
        """The next rollout; None where this worker has ended."""
        return None if self._shared.ended else self._actor.rollout(self._version)

    def close(self) -> None:
        self._actor.close()
