"""An environment that begins to be slow: ``data.env_id = "tests.cli.slow_env:SlowsDown-v0"``."""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium

from tests.dummy_envs.base import DummyEnv


class SlowsDown(DummyEnv):
    """One episode without end, which appends a byte to a file with every step. Steps after the first N take a second.

    Args:
        file: The file.
        fast: N.
        render_mode: As in Gymnasium.
    """

    def __init__(self, file: str, fast: int, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.file, self.fast = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT), fast

    def judge(self, action: Any) -> tuple[float, bool]:
        os.write(self.file, b".")
        time.sleep(self.t >= self.fast)
        return 1.0, False


gymnasium.register("SlowsDown-v0", entry_point=SlowsDown)
