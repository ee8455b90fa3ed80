"""Every head with a space and the shape of its actions, and what the tests of heads share."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from torch import Tensor

from lit_a3c.networks.heads import (
    ActionHead,
    BernoulliHead,
    BetaHead,
    CategoricalHead,
    GaussianHead,
    JointHead,
    MixtureHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)

PAIR = Box(-1, 1, (2,), np.float32)
UNEQUAL = Box(np.array([-2, 0], np.float32), np.array([2, 0.5], np.float32))
TABLE = Box(-1, 1, (2, 3), np.float32)
NUMBER = Box(-1, 1, (), np.float32)
ROBOT = Tuple([MultiDiscrete([2, 3]), Dict({"switches": MultiBinary([2, 2]), "arm": UNEQUAL})])
BOX_HEADS: list[type[Any]] = [
    GaussianHead,
    StateDependentGaussianHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    BetaHead,
    MixtureHead,
]
HEADS: list[tuple[type[ActionHead], Space[Any], tuple[int, ...]]] = [
    (CategoricalHead, Discrete(3), ()),
    (BernoulliHead, MultiBinary(3), (3,)),
    *((head, space, space.shape) for head in BOX_HEADS for space in (PAIR, TABLE, NUMBER)),
    (JointHead, MultiDiscrete([2, 3]), (2,)),
    (JointHead, ROBOT, (8,)),
]

every_head = pytest.mark.parametrize(("kind", "space", "shape"), HEADS)

H = TypeVar("H", bound=ActionHead)


def randomized(head: H) -> H:
    """The head with random weights. Fresh ones give nearly the same distribution for every state."""
    with torch.no_grad():
        for p in head.parameters():
            p.copy_(torch.randn_like(p) * 0.7)
    return head


def affine(layer: torch.nn.Module, features: Tensor) -> np.ndarray:
    """A layer's output in double precision."""
    assert isinstance(layer, torch.nn.Linear)
    weight, bias = (parameter.detach().double().numpy() for parameter in (layer.weight, layer.bias))
    return features.double().numpy() @ weight.T + bias


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def mean_and_std(head: ActionHead, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The Gaussian's parameters by their definition, in double precision."""
    if isinstance(head, GaussianHead):
        mean, std = affine(head.mean, features), np.exp(head.log_std.detach().double().numpy())
    elif isinstance(head, StateDependentGaussianHead):
        mean, std = affine(head.mean, features), softplus(affine(head.raw_std, features)) + head.min_std
    else:
        assert isinstance(head, SphericalGaussianHead)
        variance = softplus(affine(head.raw_variance, features)) + head.min_variance
        mean, std = affine(head.mean, features), variance**0.5
    return mean, np.broadcast_to(std, mean.shape)
