"""The one record that the learner sees."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from lit_a3c.envs import Episode


@dataclass
class Rollout:
    """``T`` consecutive steps of ``B`` environments, time first.

    Tensors may live in shared memory that a worker fills again once the next rollout is asked for.

    Attributes:
        observation: ``s_t``, ``[T, B, ...]``.
        action: ``a_t``, ``[T, B, ...]``.
        reward: ``r_{t+1}``, ``[T, B]`` float.
        terminated: The environment reached an end state at t+1, ``[T, B]`` bool.
        truncated: The episode was cut short at t+1 by something else, a time limit say, ``[T, B]`` bool.
        next_observation: The true ``s_{t+1}``, before any reset, ``[T, B, ...]``. Valid only in the last row and
            where ``truncated`` holds: elsewhere it is ``observation[t + 1]`` or not needed, and not copied.
        log_prob: ``log mu(a_t|s_t)`` of the weights that acted, ``[T, B]``; only where V-trace asks for it.
        memory: State of the policy's memory before the first step, ``[1, B, S]``; only where it has one.
        version: Number of the weights that acted.
        learner_version: Number of the learner's weights when it got this rollout.
        episodes: Episodes that finished in this rollout, with raw returns.
        in_flight: Steps taken but not yet learned from when it was handed out, its own included.
        discarded: Steps that were lost with workers since the rollout before.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    next_observation: Tensor
    log_prob: Tensor | None = None
    memory: Tensor | None = None
    version: int = 0
    learner_version: int = 0
    episodes: list[Episode] = field(default_factory=list)
    in_flight: int = 0
    discarded: int = 0

    @property
    def num_steps(self) -> int:
        """``T * B``."""
        return self.reward.numel()

    @property
    def policy_lag(self) -> int:
        """Updates between the weights that acted and the weights that learn."""
        return self.learner_version - self.version

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are there, by field name."""
        return {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}

    def to(self, *args: Any, **kwargs: Any) -> Rollout:
        """Like :meth:`torch.Tensor.to`, for every tensor."""
        moved: dict[str, Any] = {name: tensor.to(*args, **kwargs) for name, tensor in self.tensors().items()}
        return replace(self, **moved)

    def split(self, parts: int) -> list[Rollout]:
        """Side by side along ``B``, ``parts`` rollouts of as equal a size as can be; the first has the episodes."""
        chunks = {name: tensor.tensor_split(parts, dim=1) for name, tensor in self.tensors().items()}
        shares: list[dict[str, Any]] = [{name: chunk[i] for name, chunk in chunks.items()} for i in range(parts)]
        return [replace(self, **share, episodes=[] if i else self.episodes) for i, share in enumerate(shares)]

    @staticmethod
    def cat(rollouts: list[Rollout]) -> Rollout:
        """Several workers' rollouts of the same length, side by side along ``B``; the oldest version counts.

        A single one is returned as it is: a rollout of Atari is megabytes.
        """
        if len(rollouts) == 1:
            return rollouts[0]
        names = rollouts[0].tensors()
        joined: dict[str, Any] = {name: torch.cat([r.tensors()[name] for r in rollouts], dim=1) for name in names}
        return Rollout(
            **joined,
            version=min(r.version for r in rollouts),
            learner_version=rollouts[0].learner_version,
            episodes=[episode for r in rollouts for episode in r.episodes],
        )
