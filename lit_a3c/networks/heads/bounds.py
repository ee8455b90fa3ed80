"""The shape and the bounds of ``Box`` actions."""

from __future__ import annotations

import torch
from gymnasium.spaces import Box, Space
from torch import Tensor
from torch.distributions import Distribution

from lit_a3c.networks.distributions import DiagonalGaussian
from lit_a3c.networks.heads.base import ActionHead, check_space
from lit_a3c.utils.errors import ConfigError


def gaussian(mean: Tensor, std: Tensor, shape: torch.Size) -> Distribution:
    """The diagonal Gaussian with this mean and sigma, both ``[..., A]``, over actions of this shape."""
    lead = mean.shape[:-1]
    return DiagonalGaussian(mean.view((*lead, *shape)), std.reshape((*lead, *shape)), len(shape))


def ranges(space: Space) -> tuple[Tensor, Tensor]:
    """Middle and half the range of each component, ``[A]``; 0 and 1 where it is not bounded on both sides."""
    assert isinstance(space, Box)
    low, high = (torch.as_tensor(bound, dtype=torch.float32).flatten() for bound in (space.low, space.high))
    bounded = low.isfinite() & high.isfinite() & (low < high)
    middle, half = (low + high) / 2, (high - low) / 2
    return torch.where(bounded, middle, 0.0), torch.where(bounded, half, 1.0)


def has_finite_bounds(space: Space) -> bool:
    """Whether actions are a ``Box`` in which every component has a range."""
    return isinstance(space, Box) and space.is_bounded() and bool((space.low < space.high).all())


def register_bounds(head: ActionHead, space: Space, *, finite: bool = False) -> torch.Size:
    """Register the buffers ``low`` and ``high``; returns the shape of an action."""
    shape = box_shape(head, space)
    assert isinstance(space, Box)
    if finite and not has_finite_bounds(space):
        raise ConfigError(
            f"{type(head).__name__} needs finite bounds, low < high, and the environment has {space}. "
            "Use --model.head lit_a3c.GaussianHead."
        )
    head.register_buffer("low", torch.as_tensor(space.low).float(), persistent=False)
    head.register_buffer("high", torch.as_tensor(space.high).float(), persistent=False)
    return shape


def box_shape(head: ActionHead, space: Space) -> torch.Size:
    """The shape of an action.

    Raises:
        ConfigError: The space is no ``Box``.
    """
    check_space(head, space)
    return torch.Size(space.shape or ())
