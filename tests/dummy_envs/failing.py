"""Environments that fail, hang, count what is done to them, or have spaces that nothing here fits."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from gymnasium.spaces import Box, Discrete, Text, Tuple

from tests.dummy_envs.base import DummyEnv


class Broken(DummyEnv):
    """Raises in its third step."""

    def __init__(self, error: str = "ZeroDivisionError", render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.error = {"ZeroDivisionError": ZeroDivisionError, "FileNotFoundError": FileNotFoundError}[error]

    def judge(self, action: Any) -> tuple[float, bool]:
        if self.t == 2:
            raise self.error("the environment broke in step 3")
        return 0.0, False


class Counted(DummyEnv):
    """Appends a byte to a file with every step of any copy: a count that does not depend on the library.

    In the process that the user started, the first copy for a file is the one that is only checked. It does nothing.
    """

    checked: ClassVar[set[str]] = set()

    def __init__(self, file: str, pause: float = 0.0, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.file, self.pause = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), pause
        self.counts = multiprocessing.parent_process() is not None or file in self.checked
        self.checked.add(file)

    def judge(self, action: Any) -> tuple[float, bool]:
        if not self.counts:
            return 1.0, False
        os.write(self.file, b".")
        time.sleep(self.pause)
        return 1.0, self.t == 9


class CountedByAll(Counted):
    """Counts the copy as well that is only checked. Workers of Ray do not look like other workers."""

    def __init__(self, file: str, pause: float = 0.0, render_mode: str | None = None) -> None:
        super().__init__(file, pause, render_mode)
        self.counts = True


class Poisoned(DummyEnv):
    """Gives NaN as the first number of the observation, or as the reward, in step ``at`` of each episode."""

    def __init__(self, what: str = "observation", at: int = 3, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.what, self.at = what, at

    def observe(self) -> Any:
        return np.array([np.nan if self.what == "observation" and self.t == self.at else self.t], np.float32)

    def judge(self, action: Any) -> tuple[float, bool]:
        return (float("nan") if self.what == "reward" and self.t == self.at - 1 else 1.0), False


class Crashes(DummyEnv):
    """Reads from address zero in its fourth step, which ends the process; but only if a file is not there yet.

    With ``evaluation`` only in an evaluation, which is known by its seeds.
    """

    def __init__(self, once: str, evaluation: bool = False, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.once, self.crashes, self.evaluation = Path(once), True, evaluation

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None and self.evaluation:
            self.crashes = 10_000_000 <= seed < 10_001_000
        return super().reset(seed=seed, options=options)

    def judge(self, action: Any) -> tuple[float, bool]:
        if self.t == 3 and self.crashes and not self.once.exists():
            self.once.touch()
            ctypes.string_at(0)
        return 1.0, self.t == 9


class BreaksElsewhere(DummyEnv):
    """Raises in worker processes, and says when; the process that the user started has no trouble."""

    def judge(self, action: Any) -> tuple[float, bool]:
        if multiprocessing.parent_process() is not None:
            raise ZeroDivisionError(f"the environment broke at {time.monotonic()} s")
        return 0.0, False


class Unbuildable(DummyEnv):
    """Cannot be made."""

    def __init__(self, render_mode: str | None = None) -> None:
        raise OSError("no licence for this environment\nsecond line")


class Words(DummyEnv):
    """An observation space that no network here fits."""

    observation_space = Text(5)


class Speech(DummyEnv):
    """An action space that no head here fits."""

    action_space = Tuple([Discrete(2), Text(5)])


class WholeBox(DummyEnv):
    """A Box of whole numbers as actions."""

    action_space = Box(0, 3, (1,), np.int64)
