"""Environments that need a recurrent policy."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.spaces import Box

from tests.dummy_envs.base import DummyEnv


class TMaze(DummyEnv):
    """The first of ten observations says which way to turn at the end (Bakker 2001).

    A policy that forgets it is right half of the time.
    """

    observation_space = Box(-1, 1, (2,), np.float32)

    def observe(self) -> Any:
        if self.t == 0:
            self.side = int(self.np_random.integers(2))
        return np.array([(2 * self.side - 1) * (self.t == 0), self.t == 9], np.float32)

    def judge(self, action: Any) -> tuple[float, bool]:
        last = self.t == 9
        return float(last and action == self.side), last


class BlindPole(gymnasium.ObservationWrapper):
    """CartPole without its velocities."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(CartPoleEnv(render_mode=render_mode))
        assert isinstance(self.env.observation_space, Box)
        self.observation_space = Box(self.env.observation_space.low[::2], self.env.observation_space.high[::2])

    def observation(self, observation: Any) -> Any:
        return observation[::2]
