"""Environments with composite actions or observations."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple
from gymnasium.spaces.utils import flatten, flatten_space

from tests.dummy_envs.base import DummyEnv


class Copy(DummyEnv):
    """Shows an action of its space, flat; the reward is 1 less the mean error of the one taken; ten steps."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = flatten_space(self.action_space)
        self.space = copy.deepcopy(self.action_space)  # with a seed of its own

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None:
            self.space.seed(seed)
        return super().reset(seed=seed, options=options)

    def observe(self) -> Any:
        self.shown = flatten(self.action_space, self.space.sample())
        return self.shown.astype(self.observation_space.dtype)

    def judge(self, action: Any) -> tuple[float, bool]:
        assert self.action_space.contains(action), f"no such action: {action!r}"
        error = np.abs(flatten(self.action_space, action).astype(float) - self.shown).mean()
        return 1 - float(error), self.t == 9


class Grid(Copy):
    """Two choices at once."""

    action_space = MultiDiscrete([3, 4])


class Buttons(Copy):
    """Three switches."""

    action_space = MultiBinary(3)


class Car(Copy):
    """A steering angle and a gear, counted from 1."""

    action_space = Dict({"steer": Box(-1, 1, (1,), np.float32), "gear": Discrete(3, start=1)})


class Robot(Copy):
    """Spaces within a space."""

    action_space = Tuple(
        [MultiDiscrete([2, 3]), Box(np.array([-1, 0], np.float32), np.array([1, 2], np.float32)), MultiBinary(2)]
    )


class Senses(DummyEnv):
    """An image and a vector: the action is that of the vector if the image is bright, else the other; ten steps."""

    observation_space = Dict({"eye": Box(0, 255, (1, 20, 20), np.uint8), "hint": Box(-1, 1, (1,), np.float32)})

    def observe(self) -> Any:
        self.bright, self.right = (int(bit) for bit in self.np_random.integers(2, size=2))
        return {
            "eye": np.full((1, 20, 20), 255 * self.bright, np.uint8),
            "hint": np.array([2 * self.right - 1], np.float32),
        }

    def judge(self, action: Any) -> tuple[float, bool]:
        return float(action == (self.right == self.bright)), self.t == 9


class Clues(DummyEnv):
    """A number, an image of a few cells and a pair of numbers: the action is the sum of three of them; ten steps."""

    observation_space = Dict(
        {
            "eye": Box(0, 10, (7, 7, 3), np.uint8),
            "more": Tuple([Discrete(2, start=5), Dict({"pair": MultiDiscrete([3, 2])})]),
        }
    )
    action_space = Discrete(5)

    def observe(self) -> Any:
        number, bright, first, second = (int(self.np_random.integers(n)) for n in (2, 2, 3, 2))
        self.sum = number + bright + first
        eye = np.full((7, 7, 3), 10 * bright, np.uint8)
        return {"eye": eye, "more": (5 + number, {"pair": np.array([first, second])})}

    def judge(self, action: Any) -> tuple[float, bool]:
        return float(action == self.sum), self.t == 9


BOX = Box(np.array([-1, 0], np.float32), np.array([1, 0.5], np.float32))


class Everything(DummyEnv):
    """Many kinds of observations and of actions. The return depends on every number of every action; ten steps."""

    observation_space = Dict(
        {"far": Box(-np.inf, np.inf, (3,), np.float64), "kind": Discrete(3, start=-1), "lamps": MultiBinary(2)}
    )
    action_space = Tuple(
        [*[BOX] * 6, Discrete(3, start=4), MultiBinary(2), MultiDiscrete([[2, 3], [4, 2]], start=[[0, 1], [2, -3]])]
    )

    def observe(self) -> Any:
        draws = self.np_random
        lamps = draws.integers(2, size=2, dtype=np.int8)
        return {"far": draws.normal(0, 2, 3), "kind": draws.integers(-1, 2), "lamps": lamps}

    def judge(self, action: Any) -> tuple[float, bool]:
        assert self.action_space.contains(action), f"no such action: {action!r}"
        numbers = np.concatenate([np.ravel(part).astype(float) for part in action])
        return float(np.sin(numbers + self.t).sum()), self.t == 9
