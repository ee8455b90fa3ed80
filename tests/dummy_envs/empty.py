"""Environments with spaces that have nothing in them, or one element only."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Tuple

from tests.dummy_envs.base import DummyEnv


class EmptyBox(DummyEnv):
    """Observations of no number."""

    observation_space = Box(0, 1, (0,), np.float32)


class EmptyDict(DummyEnv):
    """Observations of no part."""

    observation_space = Dict({})


class EmptyTuple(DummyEnv):
    """Actions of no component."""

    action_space = Tuple([])


class EmptyAction(DummyEnv):
    """Actions of no number."""

    action_space = Box(-1, 1, (0,), np.float32)


class OneAction(DummyEnv):
    """One action, which is as good as any."""

    action_space = Discrete(1)
