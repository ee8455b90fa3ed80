"""An environment and a network for ``crash.py numbers``, which produce one number that is not finite.

Each makes the file ``went-on`` if it is used again after that number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv
from torch import Tensor

from lit_a3c import MLPBody


class Poisoned(CartPoleEnv):
    """Returns ``value`` as the reward or as a part of the observation in step number ``at``."""

    def __init__(self, what: str, value: str, at: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._what, self._value, self._left = what, float(value), at

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        self._left -= 1
        if self._left == 0 and self._what == "reward":
            reward = self._value
        elif self._left == 0:
            observation = np.array([self._value, *observation[1:]], dtype=observation.dtype)
        elif self._left < 0:
            Path("went-on").touch()
        return observation, reward, *rest


class PoisonedBody(MLPBody):
    """Multiplies the loss or the gradient of update number ``at`` by ``value``."""

    def __init__(self, space: Any, what: str, value: str, at: int) -> None:
        super().__init__(space)
        self._what, self._value, self._left = what, float(value), at

    def forward(self, observation: Tensor) -> Tensor:
        features = super().forward(observation)
        if not features.requires_grad:  # acting
            return features
        self._left -= 1
        if self._left == 0 and self._what == "loss":
            return features * self._value
        if self._left == 0:
            features.register_hook(lambda gradient: gradient * self._value)
        elif self._left < 0:
            Path("went-on").touch()
        return features


gymnasium.register("Poisoned-v0", entry_point=Poisoned, max_episode_steps=500)
