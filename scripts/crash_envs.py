"""Environments of ``crash.py``: one that counts its steps by itself, and one that gives a number that is none."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv


class CountedCartPole(CartPoleEnv):
    """Appends a byte to a file with every step of any copy."""

    def __init__(self, file: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def step(self, action: Any) -> Any:
        os.write(self._file, b".")
        return super().step(action)


class Poisoned(CartPoleEnv):
    """Gives a value as reward or as a part of the observation in its step number ``at``."""

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
        return observation, reward, *rest


gymnasium.register("CountedCartPole-v0", entry_point=CountedCartPole, max_episode_steps=500)
gymnasium.register("Poisoned-v0", entry_point=Poisoned, max_episode_steps=500)
