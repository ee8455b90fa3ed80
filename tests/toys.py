"""Tiny environments with known answers, registered on import: ``data.env_id = "tests.toys:ToyIdentity-v0"``."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary

LIMIT = 7
"""Steps of a time-limited toy's episode."""


class Toy(gymnasium.Env):
    """Base: counts the steps of an episode; observes them in one number."""

    observation_space: Any = Box(-np.inf, np.inf, (1,), np.float32)
    action_space: Any = Discrete(2)
    render_mode = None

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.t = 0

    def observe(self) -> Any:
        return np.array([self.t], dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {}

    def judge(self, action: Any) -> tuple[float, bool]:
        """Reward, and whether the episode terminates."""
        return 1.0, False

    def step(self, action: Any) -> Any:
        reward, terminated = self.judge(action)
        self.t += 1
        return self.observe(), reward, terminated, False, {}


class Identity(Toy):
    """Reward 1 if the action is the one shown one-hot, else 0; ten steps an episode."""

    observation_space = Box(0, 1, (4,), np.float32)
    action_space = Discrete(4)

    def observe(self) -> Any:
        self.shown = int(self.np_random.integers(4))
        return np.eye(4, dtype=np.float32)[self.shown]

    def judge(self, action: Any) -> tuple[float, bool]:
        return float(action == self.shown), self.t == 9


class BoxIdentity(Toy):
    """Reward ``-(a - x)^2`` for the shown x in [-1, 1]; terminates after ten steps; refuses actions out of bounds."""

    observation_space = Box(-1, 1, (1,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def observe(self) -> Any:
        self.shown = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.shown

    def judge(self, action: Any) -> tuple[float, bool]:
        assert np.all(np.abs(action) <= 1), f"not clipped: {action}"
        return -float(np.square(action - self.shown).sum()), self.t == 9


class WideBox(Toy):
    """Observes the last action (clipped by whoever calls) and has bounds that differ by component."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float32)
    action_space = Box(np.array([-2, 0], np.float32), np.array([2, 0.5], np.float32))

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.last = np.zeros(2, np.float32)

    def observe(self) -> Any:
        return self.last.copy()

    def judge(self, action: Any) -> tuple[float, bool]:
        self.last = np.asarray(action, np.float32)
        return 0.0, False


class StartsAtOne(Toy):
    """Actions 1, 2, 3; the observation is the one taken last."""

    action_space = Discrete(3, start=1)

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.last = 0

    def observe(self) -> Any:
        return np.array([self.last], np.float32)

    def judge(self, action: Any) -> tuple[float, bool]:
        assert self.action_space.contains(action), f"no such action: {action!r}"
        self.last = int(action)
        return float(action), False


class Broken(Toy):
    """Raises in its third step."""

    def __init__(self, error: str = "ZeroDivisionError", render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.error = {"ZeroDivisionError": ZeroDivisionError, "FileNotFoundError": FileNotFoundError}[error]

    def judge(self, action: Any) -> tuple[float, bool]:
        if self.t == 2:
            raise self.error("the toy broke in step 3")
        return 0.0, False


class BreaksElsewhere(Toy):
    """Raises in worker processes, and says when; the process that the user started has no trouble."""

    def judge(self, action: Any) -> tuple[float, bool]:
        if multiprocessing.parent_process() is not None:
            raise ZeroDivisionError(f"the toy broke at {time.monotonic()} s")
        return 0.0, False


class Unbuildable(Toy):
    """Cannot be made."""

    def __init__(self, render_mode: str | None = None) -> None:
        raise OSError("no licence for this toy\nsecond line")


class Pid(Toy):
    """Observes its process (two halves of the id, exact in float32) and the step."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)

    def observe(self) -> Any:
        return np.array([os.getpid() // 1000, os.getpid() % 1000, self.t], np.float32)


class Lengths(Toy):
    """Episodes of 1 or of 20 steps, drawn evenly; the return is the length."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        result = super().reset(seed=seed)
        self.length = 1 if self.np_random.random() < 0.5 else 20
        return result

    def judge(self, action: Any) -> tuple[float, bool]:
        return 1.0, self.t + 1 >= self.length


class DictToy(Toy):
    """An observation space that no network here fits."""

    observation_space = Dict({"x": Box(-1, 1, (1,), np.float32)})

    def observe(self) -> Any:
        return {"x": np.zeros(1, np.float32)}


class Buttons(Toy):
    """An action space that no head here fits."""

    action_space = MultiBinary(3)


class WholeBox(Toy):
    """A Box of whole numbers as actions."""

    action_space = Box(0, 3, (1,), np.int64)


for toy, limit in {
    Identity: None,
    BoxIdentity: None,
    WideBox: None,
    StartsAtOne: None,
    Broken: None,
    BreaksElsewhere: None,
    Unbuildable: None,
    Pid: None,
    Lengths: None,
    DictToy: None,
    Buttons: None,
    WholeBox: None,
}.items():
    gymnasium.register(f"Toy{toy.__name__}-v0", entry_point=toy, max_episode_steps=limit)
gymnasium.register("ToyCounter-v0", entry_point=Toy)
gymnasium.register("ToyTimeLimit-v0", entry_point=Toy, max_episode_steps=LIMIT)


def toy(name: str) -> str:
    """The id to give as ``data.env_id``."""
    return f"tests.toys:Toy{name}-v0"
