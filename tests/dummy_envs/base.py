"""The base class, and environments whose best policy is known."""

from __future__ import annotations

import os
from typing import Any

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

LIMIT = 7
"""Steps of a time-limited environment's episode."""


class DummyEnv(gymnasium.Env):
    """Base: counts the steps of an episode; observes them in one number."""

    observation_space: Any = Box(-np.inf, np.inf, (1,), np.float32)
    action_space: Any = Discrete(2)
    metadata: Any = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.t = 0

    def render(self) -> Any:
        """Brighter from step to step."""
        return np.full((32, 32, 3), 20 * min(self.t, 12), np.uint8)

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


class Identity(DummyEnv):
    """Reward 1 if the action is the one shown one-hot, else 0; ten steps an episode."""

    observation_space = Box(0, 1, (4,), np.float32)
    action_space = Discrete(4)

    def observe(self) -> Any:
        self.shown = int(self.np_random.integers(4))
        return np.eye(4, dtype=np.float32)[self.shown]

    def judge(self, action: Any) -> tuple[float, bool]:
        return float(action == self.shown), self.t == 9


class BoxIdentity(DummyEnv):
    """Reward ``-(a - x)^2`` for the shown x in [-1, 1]; terminates after ten steps; refuses actions out of bounds."""

    observation_space = Box(-1, 1, (1,), np.float32)
    action_space = Box(-1, 1, (1,), np.float32)

    def observe(self) -> Any:
        self.shown = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.shown

    def judge(self, action: Any) -> tuple[float, bool]:
        assert np.all(np.abs(action) <= 1), f"not clipped: {action}"
        return -float(np.square(action - self.shown).sum()), self.t == 9


class WideBox(DummyEnv):
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


class HalfBox(WideBox):
    """Has a bound above and none below."""

    action_space = Box(-np.inf, 1, (2,), np.float32)


class StartsAtOne(DummyEnv):
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


class Pid(DummyEnv):
    """Observes its process (two halves of the id, exact in float32) and the step."""

    observation_space = Box(-np.inf, np.inf, (3,), np.float32)

    def observe(self) -> Any:
        return np.array([os.getpid() // 1000, os.getpid() % 1000, self.t], np.float32)


class Lengths(DummyEnv):
    """Episodes of 1 or of 20 steps, drawn evenly; the return is the length."""

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        result = super().reset(seed=seed)
        self.length = 1 if self.np_random.random() < 0.5 else 20
        return result

    def judge(self, action: Any) -> tuple[float, bool]:
        return 1.0, self.t + 1 >= self.length


class TwoSides(DummyEnv):
    """Reward 1 for an action near -0.7 or 0.7, but only if the one before was on the other side; ten steps.

    No observation tells which side that was, so the best policy takes either side half of the time, for a return of
    nearly 5. A single Gaussian has 0.7 at best: around 0, with sigma 0.7.
    """

    action_space = Box(-1, 1, (1,), np.float32)
    side = 1.0

    def judge(self, action: Any) -> tuple[float, bool]:
        side, self.side = self.side, float(np.sign(action[0]))
        return float(abs(abs(action[0]) - 0.7) < 0.1 and side != self.side), self.t == 9
