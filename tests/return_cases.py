"""A rollout with terminations and truncations, as the tests of the returns use it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

GAMMA = 0.93


class Case(NamedTuple):
    """``[T, B]`` tensors in double precision."""

    r: Tensor
    discount: Tensor
    """``GAMMA``, or 0 where the environment terminated."""
    v_t: Tensor
    v_tp1: Tensor
    """The values of the true next states, those at the end of an episode included."""
    terminated: Tensor
    done: Tensor


def column(values: list[float]) -> Tensor:
    """One environment."""
    return torch.tensor(values, dtype=torch.float64)[:, None]


def random_case(time: int = 12, batch: int = 5) -> Case:
    """Random numbers, with terminations and truncations anywhere."""
    r, v_t, final = (torch.randn(time, batch, dtype=torch.float64) for _ in range(3))
    terminated = torch.rand(time, batch) < 0.15
    truncated = (torch.rand(time, batch) < 0.15) & ~terminated
    assert terminated.any()
    assert truncated.any()
    done = terminated | truncated
    v_tp1 = torch.where(done, final, torch.cat([v_t[1:], final[-1:]]))
    return Case(r, GAMMA * (~terminated).double(), v_t, v_tp1, terminated, done)


def batch_first(*tensors: Tensor) -> list[Tensor]:
    """``[T, B]`` tensors in the layout of TorchRL's functions, ``[B, T, 1]``."""
    return [tensor.T.unsqueeze(-1) for tensor in tensors]


def time_first(tensor: Tensor) -> Tensor:
    """A result of TorchRL's functions, ``[B, T, 1]``, as ``[T, B]``."""
    return tensor.squeeze(-1).T
