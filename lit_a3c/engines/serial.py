"""The engine ``serial``: no processes, reproducible to the bit."""

from __future__ import annotations

from typing import Any

import torch

from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import RolloutConfig, RolloutSource, tensors_of
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.rollout import Rollout


class SerialSource(RolloutSource):
    """The environments of all workers, stepped one after the other by the calling process.

    Args:
        config: What to collect.
        policy: The learner's policy.
        ledger: Where the steps are counted.
    """

    def __init__(self, config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> None:
        ledger.allocate(1)
        self._learner = tensors_of(policy)
        self._actors = [
            Actor(config, policy, config.first_worker + i, ledger.collected) for i in range(config.num_workers)
        ]
        self._version = 0

    @torch.no_grad()
    def publish(self, version: int) -> None:
        for actor in self._actors:
            torch._foreach_copy_(actor.weights, self._learner)
        self._version = version

    def next(self) -> Rollout:
        return Rollout.cat(self.next_parts())

    def next_parts(self) -> list[Rollout]:
        return [actor.rollout(self._version) for actor in self._actors]

    def state_dict(self) -> dict[str, Any]:
        """The state of all environments. Only where ``config.resumable``."""
        return {"actors": [actor.state_dict() for actor in self._actors]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        for actor, state in zip(self._actors, state_dict["actors"], strict=True):
            actor.load_state_dict(state)

    def close(self) -> None:
        for actor in self._actors:
            actor.close()
        self._actors = []
