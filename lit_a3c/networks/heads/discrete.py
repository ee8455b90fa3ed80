"""Heads for discrete actions."""

from __future__ import annotations

import math

from gymnasium.spaces import Discrete, MultiBinary, Space
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Independent

from lit_a3c.networks.bodies import orthogonal
from lit_a3c.networks.heads.base import ActionHead, check_space


class CategoricalHead(ActionHead):
    """``pi(a|s) = softmax(logits(s))_a`` over the actions of a discrete space.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A ``Discrete`` space.
    """

    kinds = (Discrete,)

    def __init__(self, num_features: int, space: Space) -> None:
        super().__init__()
        check_space(self, space)
        assert isinstance(space, Discrete)
        self.logits = orthogonal(nn.Linear(num_features, int(space.n)), gain=0.01)  # start near uniform

    def forward(self, features: Tensor) -> Distribution:
        return Categorical(logits=self.logits(features).float(), validate_args=False)


class BernoulliHead(ActionHead):
    """Independent Bernoulli variables, ``pi(a_i = 1|s) = sigmoid(logit_i(s))``, for switches that may be on together.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A ``MultiBinary`` space.
    """

    kinds = (MultiBinary,)

    def __init__(self, num_features: int, space: Space) -> None:
        super().__init__()
        check_space(self, space)
        assert isinstance(space, MultiBinary)
        self.logits = orthogonal(nn.Linear(num_features, math.prod(space.shape)), gain=0.01)

    def forward(self, features: Tensor) -> Distribution:
        return Independent(
            _Bernoulli(logits=self.logits(features).float(), validate_args=False), 1, validate_args=False
        )


class _Bernoulli(Bernoulli):
    """torch's Bernoulli has no mode for a probability of one half. Here it is 0."""

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).float()
