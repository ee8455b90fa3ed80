"""An environment that fails in the process of one rank alone."""

from __future__ import annotations

import os
from typing import Any

import gymnasium

from tests.dummy_envs.base import DummyEnv


class FailsAtRank(DummyEnv):
    """Raises in a step of training at rank 1."""

    def __init__(self, at: int = 52, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.left = at

    def judge(self, action: Any) -> tuple[float, bool]:
        self.left -= 1
        if self.left < 0 and os.environ.get("LOCAL_RANK") == "1":
            raise ZeroDivisionError("as was asked for")
        return 1.0, self.t == 9


gymnasium.register("FailsAtRank-v0", entry_point=FailsAtRank)
