"""An environment that shows everything, and wrappers that hide what only a memory can then supply."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from tests.dummy_envs.base import DummyEnv


class Junction(DummyEnv):
    """A corridor of ten steps with a turn at the end. All the while a sign shows which way to turn."""

    observation_space = Box(-1, 1, (2,), np.float32)

    def observe(self) -> Any:
        if self.t == 0:
            self.side = int(self.np_random.integers(2))
        return np.array([2 * self.side - 1, self.t == 9], np.float32)

    def judge(self, action: Any) -> tuple[float, bool]:
        last = self.t == 9
        return float(last and action == self.side), last


class SeenAtStart(gymnasium.Wrapper):
    """Shows some numbers of an observation in the first step of an episode only.

    Around :class:`Junction` it is the T-maze (Bakker 2001): a policy that forgets the sign is right half of the time.
    """

    def __init__(self, env: gymnasium.Env, indices: list[int]) -> None:
        super().__init__(env)
        self.indices = indices

    def step(self, action: Any) -> Any:
        observation, *rest = self.env.step(action)
        observation = observation.copy()
        observation[self.indices] = 0
        return observation, *rest


class WithoutVelocities(gymnasium.ObservationWrapper):
    """CartPole's positions: every second number of its observations."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        space = env.observation_space
        assert isinstance(space, Box)
        self.observation_space = Box(space.low[::2], space.high[::2])

    def observation(self, observation: Any) -> Any:
        return observation[::2]
