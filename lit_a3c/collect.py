"""Collecting experience: one interface for the modes ``async``, ``sync`` and ``serial``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import torch

from lit_a3c.actor import Actor, CollectConfig, tensors_of
from lit_a3c.counter import Counter
from lit_a3c.policy import ActorCritic
from lit_a3c.rollout import Rollout
from lit_a3c.workers import WorkerPool

MODES = ("async", "sync", "serial")


class Collection(Protocol):
    """A source of rollouts that acts with the weights pushed last."""

    def push(self) -> None:
        """Publish the weights of the learner's policy, the one given at the start."""

    def next(self) -> Rollout:
        """The next rollout; the tensors of the one before are free for reuse."""

    @property
    def taken(self) -> int:
        """Steps that the environments have taken."""

    @property
    def discarded(self) -> int:
        """Those of them that were lost with workers that ended before they had handed them over."""

    def close(self) -> None:
        """Stop all workers and free what they hold. May be called twice."""


def collect(config: CollectConfig, policy: ActorCritic) -> Collection:
    """Start collecting; in the modes with workers these start in the background."""
    return Serial(config, policy) if config.mode == "serial" else WorkerPool(config, policy)


class Serial:
    """All workers' environments stepped one after the other by the calling process."""

    def __init__(self, config: CollectConfig, policy: ActorCritic) -> None:
        self._learner = tensors_of(policy)
        self._taken = config.taken or Counter()
        config = replace(config, taken=self._taken)
        self._actors = [Actor(config, policy, config.first_worker + i) for i in range(config.num_workers)]
        self._version = 0

    @torch.no_grad()
    def push(self) -> None:
        for actor in self._actors:
            torch._foreach_copy_(actor.weights, self._learner)
        self._version += 1

    def next(self) -> Rollout:
        rollout = Rollout.cat([actor.rollout() for actor in self._actors])
        return replace(rollout, version=self._version, learner_version=self._version)

    @property
    def taken(self) -> int:
        return self._taken.total

    @property
    def discarded(self) -> int:
        return 0

    def state(self) -> dict[str, Any]:
        """What :meth:`resume` needs to go on exactly here. Only where ``config.resumable``."""
        return {"version": self._version, "actors": [actor.state() for actor in self._actors]}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state of as many workers and environments."""
        self._version = state["version"]
        for actor, its in zip(self._actors, state["actors"], strict=True):
            actor.resume(its)

    def close(self) -> None:
        for actor in self._actors:
            actor.close()
        self._actors = []
