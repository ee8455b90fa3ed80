"""Counts the steps of all environments in a file, independently of the training's own counters: a byte for each step.

Python imports this module when it starts, if this directory is on PYTHONPATH. ``crash.py kill`` puts it there.
"""

from __future__ import annotations

import os
from typing import Any

from ale_py.vector_env import AtariVectorEnv
from gymnasium.vector import SyncVectorEnv

_file = os.open(os.environ["CRASH_COUNT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def _counted(step: Any) -> Any:
    def counting(self: Any, actions: Any) -> Any:
        os.write(_file, b"." * self.num_envs)
        return step(self, actions)

    return counting


def _counting(make: Any) -> Any:
    """Counts the steps of whatever subclass is made: it may have a step of its own."""

    def make_counted(self: Any, *args: Any, **kwargs: Any) -> None:
        kind: Any = type(self)
        if not hasattr(kind, "is_counted"):
            kind.step, kind.is_counted = _counted(kind.step), True
        make(self, *args, **kwargs)

    return make_counted


AtariVectorEnv.step = _counted(AtariVectorEnv.step)
SyncVectorEnv.__init__ = _counting(SyncVectorEnv.__init__)
