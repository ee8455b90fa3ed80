"""Observation spaces, as the tests of the bodies use them."""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import Box
from torch import nn

ATARI = Box(0, 255, (4, 84, 84), np.uint8)


def box(*shape: int) -> Box:
    """Numbers in [-1, 1]."""
    return Box(-1, 1, shape, np.float32)


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
