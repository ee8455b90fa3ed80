"""TorchRL's wrapper of a Gymnasium vector environment, with a shorter step. Importing it imports TorchRL (1.5 s)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from tensordict import TensorDict, TensorDictBase
from torch import Tensor
from torchrl.envs import GymWrapper

from lit_a3c.utils.finite import check_step
from lit_a3c.utils.shared_counter import SharedCounter


class VectorEnvWrapper(GymWrapper):
    """``GymWrapper`` for the vector environments made here, which all give the same four values.

    On every step TorchRL works out which keys, shapes and types an environment returned, and whether a partial step, a
    hook or a reset was asked for. Here the answers are known. Without these questions a step costs less than half, the
    environment's own time not counted.

    Attributes:
        is_init: Which environments are at the first observation of an episode, ``[E]`` bool.
        collected: Where the steps are counted, if anywhere.
    """

    def __init__(self, env: VectorEnv, **kwargs: Any) -> None:
        super().__init__(env, categorical_action_encoding=True, **kwargs)
        self.is_init = torch.ones(env.num_envs, dtype=torch.bool)
        self.collected: SharedCounter | None = None
        self._any_done = False  # whether an episode ended with the last step

    def step_and_maybe_reset(self, tensordict: TensorDictBase) -> tuple[TensorDictBase, TensorDictBase]:
        following = self._step(tensordict)
        tensordict.set("next", following)
        state = following.exclude("reward")
        return tensordict, self.maybe_reset(state) if self._any_done else state

    def _reset(self, tensordict: TensorDictBase | None = None, **kwargs: Any) -> TensorDictBase:
        mask = None if tensordict is None else tensordict.get("_reset", None)
        self.is_init = torch.ones_like(self.is_init) if mask is None else self.is_init | mask.squeeze(-1)
        result = super()._reset(tensordict, **kwargs)
        check_step(result.get("observation").numpy())
        return result

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        observation, reward, terminated, truncated, _ = self._env.step(tensordict.get(self.action_key).numpy())
        check_step(observation, reward)
        done = terminated | truncated
        self._any_done = bool(done.any())
        values: dict[str, Any] = {
            "observation": torch.from_numpy(observation),
            "reward": _column(reward.astype(np.float32)),
            "terminated": _column(terminated),
            "truncated": _column(truncated),
            "done": _column(done),
        }
        self.is_init = torch.zeros_like(self.is_init)
        if self.collected is not None:
            self.collected.add(len(self.is_init))
        return TensorDict(values, batch_size=self.batch_size)


def _column(values: np.ndarray) -> Tensor:
    """``[E]`` to ``[E, 1]``, TorchRL's shape of rewards and flags."""
    return torch.from_numpy(values[:, None])
