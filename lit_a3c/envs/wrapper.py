"""TorchRL's wrapper of a Gymnasium vector environment, with a shorter step. Importing it imports TorchRL (1.5 s)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv
from tensordict import TensorDict, TensorDictBase
from torch import Tensor
from torchrl.envs import GymWrapper

from lit_a3c.counter import Counter
from lit_a3c.guard import check_step


class VectorEnvWrapper(GymWrapper):
    """``GymWrapper`` for the vector environments made here, which all give observation, reward and the two ends.

    TorchRL works out on every step which keys, shapes and types an environment returned, and whether anybody asked for
    a partial step, a hook or a reset. Here that is known, and without these questions a step costs less than half
    beside the environment's own.

    Attributes:
        begun: Which environments are at the first observation of an episode, ``[E]`` bool.
        taken: Where the steps are counted, if anywhere.
    """

    def __init__(self, env: VectorEnv, **kwargs: Any) -> None:
        super().__init__(env, categorical_action_encoding=True, **kwargs)
        self.begun = torch.ones(env.num_envs, dtype=torch.bool)
        self.taken: Counter | None = None
        self._over = False  # whether an episode ended with the last step

    def step_and_maybe_reset(self, tensordict: TensorDictBase) -> tuple[TensorDictBase, TensorDictBase]:
        following = self._step(tensordict)
        tensordict.set("next", following)
        state = following.exclude("reward")
        return tensordict, self.maybe_reset(state) if self._over else state

    def _reset(self, tensordict: TensorDictBase | None = None, **kwargs: Any) -> TensorDictBase:
        mask = None if tensordict is None else tensordict.get("_reset", None)
        self.begun = torch.ones_like(self.begun) if mask is None else self.begun | mask.squeeze(-1)
        result = super()._reset(tensordict, **kwargs)
        check_step(result.get("observation").numpy())
        return result

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        observation, reward, terminated, truncated, _ = self._env.step(tensordict.get(self.action_key).numpy())
        check_step(observation, reward)
        done = terminated | truncated
        self._over = bool(done.any())
        values: dict[str, Any] = {
            "observation": torch.from_numpy(observation),
            "reward": _column(reward.astype(np.float32)),
            "terminated": _column(terminated),
            "truncated": _column(truncated),
            "done": _column(done),
        }
        self.begun = torch.zeros_like(self.begun)
        if self.taken is not None:
            self.taken.add(len(self.begun))
        return TensorDict(values, batch_size=self.batch_size)

    def _step_proc_data(self, next_tensordict_out: TensorDictBase) -> TensorDictBase:
        """What :meth:`_step` returns needs no completion."""
        return next_tensordict_out


def _column(values: np.ndarray) -> Tensor:
    """``[E]`` to ``[E, 1]``, TorchRL's shape of rewards and ends."""
    return torch.from_numpy(values[:, None])
