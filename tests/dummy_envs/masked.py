"""Environments that give action masks. Each refuses, or ends with, an action that its mask forbids."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete

from tests.dummy_envs.base import DummyEnv


class Doors(DummyEnv):
    """Thirty doors, of which one of each ten is open; the open one among the ten that are shown pays 1; ten steps.

    Only the mask says which doors are open. A closed one ends the episode, so a policy that does not know the mask is
    right once in ten times at best, and its mean return is 0.11 of 10.
    """

    observation_space: Any = Discrete(3)
    action_space: Any = Discrete(30, start=2)

    def observe(self) -> Any:
        self.open = np.array([0, 10, 20]) + self.np_random.integers(10, size=3)
        self.mask = np.isin(np.arange(30), self.open).astype(np.int8)
        self.shown = int(self.np_random.integers(3))
        return self.shown

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, _ = super().reset(seed=seed, options=options)
        return observation, {"action_mask": self.mask}

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, _ = super().step(action)
        info = {} if terminated else {"action_mask": self.mask}  # where nothing is chosen, no mask is needed
        return observation, reward, terminated, truncated, info

    def judge(self, action: Any) -> tuple[float, bool]:
        door = int(action) - 2
        return float(door == self.open[self.shown]), door not in self.open or self.t == 9


class DoorsSeen(Doors):
    """The same with the mask in the observation."""

    observation_space = Dict({"action_mask": MultiBinary(30), "shown": Discrete(3)})

    def observe(self) -> Any:
        shown = super().observe()
        return {"action_mask": self.mask, "shown": shown}


class Dials(DummyEnv):
    """Composite actions, with a mask for each part in Gymnasium's own form. The return is the number of steps."""

    observation_space: Any = Dict({"eye": Box(0, 255, (6, 6, 3), np.uint8), "more": Discrete(2)})
    action_space = Dict(
        {"dial": MultiDiscrete([3, 4], start=[0, 5]), "lamp": Discrete(3, start=1), "steer": Box(-1, 1, (1,))}
    )

    def observe(self) -> Any:
        dial = tuple(self._some(n) for n in (3, 4))
        self.masks = {"dial": dial, "lamp": self._some(3), "steer": None}
        return {"eye": np.full((6, 6, 3), 7, np.uint8), "more": self.t % 2}

    def _some(self, n: int) -> np.ndarray:
        mask = self.np_random.integers(2, size=n, dtype=np.int8)
        mask[self.np_random.integers(n)] = 1
        return mask

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, _ = super().reset(seed=seed, options=options)
        return observation, {"action_mask": self.masks}

    def step(self, action: Any) -> Any:
        first, second = action["dial"] - [0, 5]
        allowed = (self.masks["dial"][0][first], self.masks["dial"][1][second], self.masks["lamp"][action["lamp"] - 1])
        assert all(allowed), f"{action} is forbidden by {self.masks}"
        result = super().step(action)
        return (*result[:2], self.t == 10, False, {"action_mask": self.masks})


class Stuck(Doors):
    """No action is allowed after so many steps."""

    def __init__(self, after: int = 0, shape: int = 30, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.after, self.shape = after, shape

    def observe(self) -> Any:
        shown = super().observe()
        self.mask = self.mask[: self.shape] * (self.t < self.after)
        return shown
