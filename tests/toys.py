"""Tiny environments with known answers, registered on import: ``data.env_id = "tests.toys:ToyIdentity-v0"``."""

from __future__ import annotations

import copy
import multiprocessing
import os
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
from gymnasium.spaces.utils import flatten, flatten_space

LIMIT = 7
"""Steps of a time-limited toy's episode."""


class Toy(gymnasium.Env):
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


class HalfBox(WideBox):
    """Has a bound above and none below."""

    action_space = Box(-np.inf, 1, (2,), np.float32)


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


class Counted(Toy):
    """Appends a byte to a file with every step of any copy: a count that nothing of ours has a part in."""

    def __init__(self, file: str, pause: float = 0.0, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.file, self.pause = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), pause

    def judge(self, action: Any) -> tuple[float, bool]:
        os.write(self.file, b".")
        time.sleep(self.pause)
        return 1.0, self.t == 9


class Poisoned(Toy):
    """Gives NaN as the first number of the observation, or as the reward, in step ``at`` of each episode."""

    def __init__(self, what: str = "observation", at: int = 3, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.what, self.at = what, at

    def observe(self) -> Any:
        return np.array([np.nan if self.what == "observation" and self.t == self.at else self.t], np.float32)

    def judge(self, action: Any) -> tuple[float, bool]:
        return (float("nan") if self.what == "reward" and self.t == self.at - 1 else 1.0), False


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


class Copy(Toy):
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


class Senses(Toy):
    """A picture and a vector: the action is that of the vector if the picture is bright, else the other; ten steps."""

    observation_space = Dict({"eye": Box(0, 255, (1, 20, 20), np.uint8), "hint": Box(-1, 1, (1,), np.float32)})

    def observe(self) -> Any:
        self.bright, self.right = (int(bit) for bit in self.np_random.integers(2, size=2))
        return {
            "eye": np.full((1, 20, 20), 255 * self.bright, np.uint8),
            "hint": np.array([2 * self.right - 1], np.float32),
        }

    def judge(self, action: Any) -> tuple[float, bool]:
        return float(action == (self.right == self.bright)), self.t == 9


class TMaze(Toy):
    """Bakker (2001): the first of ten observations says which way to turn at the end; who forgets is right by half."""

    observation_space = Box(-1, 1, (2,), np.float32)

    def observe(self) -> Any:
        if self.t == 0:
            self.side = int(self.np_random.integers(2))
        return np.array([(2 * self.side - 1) * (self.t == 0), self.t == 9], np.float32)

    def judge(self, action: Any) -> tuple[float, bool]:
        last = self.t == 9
        return float(last and action == self.side), last


class TwoSides(Toy):
    """Reward 1 for an action near -0.7 or 0.7, but only if the one before was on the other side; ten steps.

    Nothing tells the side of the one before, so the best policy takes either by half and has 5 less a little. One
    Gaussian has 0.7 at best: around 0, of sigma 0.7.
    """

    action_space = Box(-1, 1, (1,), np.float32)
    side = 1.0

    def judge(self, action: Any) -> tuple[float, bool]:
        side, self.side = self.side, float(np.sign(action[0]))
        return float(abs(abs(action[0]) - 0.7) < 0.1 and side != self.side), self.t == 9


class BlindPole(gymnasium.ObservationWrapper):
    """CartPole without its velocities."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(CartPoleEnv(render_mode=render_mode))
        assert isinstance(self.env.observation_space, Box)
        self.observation_space = Box(self.env.observation_space.low[::2], self.env.observation_space.high[::2])

    def observation(self, observation: Any) -> Any:
        return observation[::2]


class Words(Toy):
    """An observation space that no network here fits."""

    observation_space = Text(5)


class Speech(Toy):
    """An action space that no head here fits."""

    action_space = Tuple([Discrete(2), Text(5)])


class WholeBox(Toy):
    """A Box of whole numbers as actions."""

    action_space = Box(0, 3, (1,), np.int64)


for toy, limit in {
    Identity: None,
    BoxIdentity: None,
    WideBox: None,
    HalfBox: None,
    StartsAtOne: None,
    Broken: None,
    BreaksElsewhere: None,
    Poisoned: None,
    Counted: None,
    Unbuildable: None,
    Pid: None,
    Lengths: None,
    Grid: None,
    Buttons: None,
    Car: None,
    Robot: None,
    Senses: None,
    TMaze: None,
    TwoSides: None,
    BlindPole: 500,
    Words: None,
    Speech: None,
    WholeBox: None,
}.items():
    gymnasium.register(f"Toy{toy.__name__}-v0", entry_point=toy, max_episode_steps=limit)
gymnasium.register("ToyCounter-v0", entry_point=Toy)
gymnasium.register("ToyTimeLimit-v0", entry_point=Toy, max_episode_steps=LIMIT)


def toy(name: str) -> str:
    """The id to give as ``data.env_id``."""
    return f"tests.toys:Toy{name}-v0"
