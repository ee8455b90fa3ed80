"""Environments that do what Gymnasium does not allow."""

from __future__ import annotations

import itertools
import os
import sys
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict

from tests.dummy_envs.base import DummyEnv

OBSERVATIONS: dict[str, Any] = {
    "observation of another shape": np.zeros(3, np.float32),
    "observation without a shape": 0.5,
    "observation of text": np.array(["a"]),
    "no observation": None,
    "ragged observation": [[1.0], [1.0, 2.0]],
    "NaN observed": np.array([np.nan], np.float32),
    "huge observation": np.array([1e300]),
}
FIELDS: dict[str, tuple[int, Any]] = {
    # name: (place among the five values of a step, value)
    "reward of text": (1, "1.5"),
    "no reward": (1, None),
    "two rewards": (1, [1.0, 2.0]),
    "huge reward": (1, 1e300),
    "reward of 400 digits": (1, 10**400),
    "terminated 1": (2, 1),
    "terminated by text": (2, "no"),
    "two ends": (2, np.zeros(2, bool)),
    "truncated None": (3, None),
}
"""What :class:`Misbehaving` returns, by ``how``."""


class Misbehaving(DummyEnv):
    """Misbehaves in one way from its step number ``at`` on; in every reset and step if that is 0.

    Args:
        how: A key of :data:`OBSERVATIONS` or :data:`FIELDS`, or one of those below.
        at: The first step that is wrong, counted over all episodes, which have five steps.
        render_mode: As in Gymnasium.
    """

    observation_space: Any = Box(-np.inf, np.inf, (1,), np.float64)

    def __init__(self, how: str, at: int = 0, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.how, self.at, self.taken = how, at, 0
        if how == "numbers for bytes":
            self.observation_space = Box(0, 255, (1,), np.uint8)
        if how == "key missing":
            self.observation_space = Dict({"a": Box(0, 1, (1,)), "b": Box(0, 1, (1,))})
        if how == "exit in the constructor":
            sys.exit(0)

    def observe(self) -> Any:
        wrong = self.taken >= self.at
        if self.how == "numbers for bytes":
            return np.zeros(1, np.float32 if wrong else np.uint8)
        if self.how == "key missing":
            return {key: np.zeros(1, np.float32) for key in ("a" if wrong else "ab")}
        return OBSERVATIONS[self.how] if wrong and self.how in OBSERVATIONS else np.zeros(1)

    def judge(self, action: Any) -> tuple[float, bool]:
        return 1.0, self.t == 4

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        result = super().reset(seed=seed)
        if self.taken < self.at:
            return result
        return {"no pair": result[0], "three of reset": (*result, 1), "no info": (result[0], None)}.get(
            self.how, result
        )

    def step(self, action: Any) -> Any:
        self.taken += 1
        result = list(super().step(action))
        if self.taken < self.at:
            return tuple(result)
        if self.how == "sys.exit":
            sys.exit(0)
        if self.how == "os._exit":
            os._exit(0)
        if self.how == "four values":
            return result[0], result[1], result[2], result[4]
        if self.how == "no values":
            return None
        if self.how in FIELDS:
            place, value = FIELDS[self.how]
            result[place] = value
        return tuple(result)

    def render(self) -> Any:
        if self.how == "exit in render":
            sys.exit(0)
        return {"no image": None, "grey image": np.zeros((8, 8), np.uint8)}.get(self.how, super().render())

    def close(self) -> None:
        if self.how == "exit in close":
            sys.exit(0)


class Rich(DummyEnv):
    """A return that single precision cannot hold, though it holds every reward."""

    def judge(self, action: Any) -> tuple[float, bool]:
        return 3e38, self.t == 2


class Growing(DummyEnv):
    """Every copy of a process has a larger space."""

    sizes: ClassVar = itertools.count(1)

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.observation_space = Box(-1, 1, (next(self.sizes),), np.float32)

    def observe(self) -> Any:
        return np.zeros(self.observation_space.shape, np.float32)


class Undrawable(DummyEnv):
    """Has a constructor of before ``render_mode``."""

    def __init__(self) -> None:
        super().__init__(None)


class ForPeople(DummyEnv):
    """Shows itself in a window only, and returns no image."""

    metadata: Any = {"render_modes": ["human", "ansi"], "render_fps": 10}

    def __init__(self, render_mode: str | None = None, strict: bool = False) -> None:
        super().__init__(render_mode)
        assert not strict or render_mode is None or render_mode in self.metadata["render_modes"]

    def render(self) -> Any:
        return None

    def judge(self, action: Any) -> tuple[float, bool]:
        return 1.0, self.t == 4


class Unseen(ForPeople):
    """Cannot be drawn at all, as an environment that has no ``render``."""

    metadata: Any = gymnasium.Env.metadata

    def render(self) -> Any:
        return gymnasium.Env.render(self)
