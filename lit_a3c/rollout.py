"""The records that travel: a rollout to the learner, an episode to the metrics, an update to the trainer."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Episode(NamedTuple):
    """One finished episode."""

    env: int
    """Index of the environment in its batch."""
    episode_return: float
    """Sum of the raw rewards, undiscounted."""
    length: int
    """Steps (decisions, not frames)."""


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
        behaviour_log_prob: ``log mu(a_t|s_t)`` of the weights that acted, ``[T, B]``; only where V-trace needs it.
        recurrent_state: State of the policy's recurrent core before the first step, ``[1, B, S]``; only where the
            policy has one.
        returns: Targets of the value function, ``[T, B]``, in units of the rewards; only where they are known before
            the update, because a pass mixes the steps.
        advantage: That of each action, ``[T, B]``; where there are returns.
        proximal_log_prob: ``log pi(a_t|s_t)`` of the weights before the first pass, ``[T, B]``; where there are
            returns.
        policy_version: Version of the weights that acted: the updates that had been applied to them. The oldest one,
            where several rollouts are side by side.
        policy_versions: That of each rollout, where several are side by side; else empty.
        batch_first: Whether the tensors are views of ``[B, T, ...]`` memory, as a collector fills it. Who reads them
            in that order needs no copy.
        repeated: Whether the steps have been learned from before, in an earlier pass. They are not counted again.
        episodes: Episodes that finished in this rollout, with raw returns.
    """

    observation: Tensor
    action: Tensor
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    next_observation: Tensor
    behaviour_log_prob: Tensor | None = None
    recurrent_state: Tensor | None = None
    returns: Tensor | None = None
    advantage: Tensor | None = None
    proximal_log_prob: Tensor | None = None
    policy_version: int = 0
    policy_versions: tuple[int, ...] = ()
    batch_first: bool = False
    repeated: bool = False
    episodes: list[Episode] = field(default_factory=list)

    @property
    def num_steps(self) -> int:
        """``T * B``."""
        return self.reward.numel()

    @property
    def new_steps(self) -> int:
        """Steps that no earlier pass has learned from: all or none."""
        return 0 if self.repeated else self.num_steps

    @property
    def done(self) -> Tensor:
        """Whether an episode ended with the step, for either reason, ``[T, B]`` bool."""
        return self.terminated | self.truncated

    @property
    def mean_policy_version(self) -> float:
        """The mean of the versions that acted. The mean lag of the rollouts follows from it."""
        versions = self.policy_versions
        return sum(versions) / len(versions) if versions else self.policy_version

    def tensors(self) -> dict[str, Tensor]:
        """The tensors that are there, by field name."""
        return {f.name: value for f in fields(self) if isinstance(value := getattr(self, f.name), Tensor)}

    def to(self, *args: Any, **kwargs: Any) -> Rollout:
        """Like :meth:`torch.Tensor.to`, for every tensor."""
        moved: dict[str, Any] = {name: tensor.to(*args, **kwargs) for name, tensor in self.tensors().items()}
        return replace(self, **moved)

    def copy_(self, other: Rollout) -> None:
        """Copy the tensors of a rollout of the same shapes into these; of the next observations only the valid ones."""
        for name, tensor in other.tensors().items():
            if name != "next_observation":
                getattr(self, name).copy_(tensor)
        self.next_observation[-1].copy_(other.next_observation[-1])
        if other.truncated.any():
            cut = other.next_observation[other.truncated]
            self.next_observation[other.truncated] = cut.to(self.next_observation.dtype)

    def split(self, parts: int) -> list[Rollout]:
        """Side by side along ``B``, ``parts`` rollouts of as equal a size as can be; the first has the episodes."""
        chunks = {name: tensor.tensor_split(parts, dim=1) for name, tensor in self.tensors().items()}
        shares: list[dict[str, Any]] = [{name: chunk[i] for name, chunk in chunks.items()} for i in range(parts)]
        return [replace(self, **share, episodes=[] if i else self.episodes) for i, share in enumerate(shares)]

    def single_steps(self) -> Rollout:
        """The steps as ``[1, T * B]``, in memory of their own, so that any of them can share a minibatch.

        Their returns must be known: they do not follow one another any more, and have no next observations. Steps of a
        recurrent policy stay as they are, ``[T, B]``.
        """
        assert self.returns is not None, "the returns of single steps must be known"
        if self.recurrent_state is not None:
            return self
        flat: dict[str, Any] = {name: tensor.flatten(0, 1).unsqueeze(0) for name, tensor in self.tensors().items()}
        flat["next_observation"] = flat["observation"][:0]
        return replace(self, **flat, batch_first=False)

    def shuffle(self) -> Rollout:
        """A copy with the columns of ``B`` in a random order."""
        order = torch.randperm(self.reward.shape[1], device=self.reward.device)
        shuffled: dict[str, Any] = {name: tensor.index_select(1, order) for name, tensor in self.tensors().items()}
        return replace(self, **shuffled, batch_first=False)

    def repeat(self) -> Rollout:
        """The same for a further pass: its steps and episodes are not counted again."""
        return replace(self, repeated=True, episodes=[])

    @staticmethod
    def cat(rollouts: list[Rollout]) -> Rollout:
        """Several workers' rollouts of the same length, side by side along ``B``; the oldest policy version counts.

        A single one is returned as it is: a rollout of Atari is megabytes.
        """
        if len(rollouts) == 1:
            return rollouts[0]
        names = rollouts[0].tensors()
        versions = tuple(version for r in rollouts for version in r.policy_versions or (r.policy_version,))
        joined: dict[str, Any] = {name: torch.cat([r.tensors()[name] for r in rollouts], dim=1) for name in names}
        return Rollout(
            **joined,
            policy_version=min(versions),
            policy_versions=versions,
            episodes=[episode for r in rollouts for episode in r.episodes],
        )


@dataclass(frozen=True)
class AppliedUpdates:
    """The batch of a trainer whose process does not learn: other processes have applied updates.

    With the engine ``hogwild``, callbacks in the process that was started get it in place of a :class:`Rollout`.

    Attributes:
        number: Updates of the training so far; a scalar, int64. It is a tensor because Lightning takes the size of a
            batch from one.
    """

    number: Tensor

    def to(self, *args: Any, **kwargs: Any) -> AppliedUpdates:
        """Itself: there is nothing to move."""
        return self
