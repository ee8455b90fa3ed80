"""Action heads: features to a distribution over actions.

A head is made from the number of features and the action space alone, so that a class path in a recipe is all it
takes to plug in another. What it returns needs ``sample()``, ``mode``, ``log_prob(action)`` and ``entropy()``, the
last two already summed over the components of one action.
"""

from __future__ import annotations

import torch
from gymnasium.spaces import Box, Discrete, Space
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from lit_a3c.bodies import orthogonal
from lit_a3c.errors import ConfigError, check_number


class ActionHead(nn.Module):
    """Interface of a head."""

    def forward(self, features: Tensor) -> Distribution:
        """``[..., F]`` features to a distribution of batch shape ``[...]``."""
        raise NotImplementedError


class CategoricalHead(ActionHead):
    """``pi(a|s) = softmax(logits(s))_a`` over the actions of a discrete space.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A ``Discrete`` space.
    """

    def __init__(self, num_features: int, space: Space) -> None:
        super().__init__()
        if not isinstance(space, Discrete):
            raise ConfigError(
                f"CategoricalHead needs Discrete actions, and the environment has {space}. "
                "Use --model.head lit_a3c.GaussianHead."
            )
        self.logits = orthogonal(nn.Linear(num_features, int(space.n)), gain=0.01)  # start near uniform

    def forward(self, features: Tensor) -> Distribution:
        return Categorical(logits=self.logits(features).float(), validate_args=False)


class GaussianHead(ActionHead):
    """Diagonal Gaussian whose scale is learned but does not depend on the state.

    ``pi(a|s) = N(a; mu(s), diag(sigma^2))`` with ``sigma = exp(log_std)``. Departs from Mnih et al.
    (2016), where one spherical variance is an output of the network. Actions outside the space are clipped
    by the environment, not by the distribution, so its entropy is the true differential entropy.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape, ``A`` components in all.
        init_log_std: Initial ``log(sigma)``, in the environment's own action units.
    """

    def __init__(self, num_features: int, space: Space, init_log_std: float = 0.0) -> None:
        super().__init__()
        self.shape = _box_shape(space)
        check_number("model.head.init_log_std", init_log_std, low=-20, high=10)
        num_actions = self.shape.numel()
        self.mean = orthogonal(nn.Linear(num_features, num_actions), gain=0.01)  # explore before steering
        self.log_std = nn.Parameter(torch.full((num_actions,), float(init_log_std)))

    def forward(self, features: Tensor) -> Distribution:
        mean = self.mean(features).float()
        return _gaussian(mean, self.log_std.exp().expand_as(mean), self.shape)


class StateDependentGaussianHead(ActionHead):
    """Diagonal Gaussian whose mean and scale are both outputs of the network.

    ``sigma(s) = softplus(z(s)) + min_std`` per component, as the paper's (there one for all components).

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape.
        min_std: Smallest sigma, which keeps the density bounded.
    """

    def __init__(self, num_features: int, space: Space, min_std: float = 1e-3) -> None:
        super().__init__()
        self.shape = _box_shape(space)
        check_number("model.head.min_std", min_std, above=0)
        self.min_std = min_std
        num_actions = self.shape.numel()
        self.mean = orthogonal(nn.Linear(num_features, num_actions), gain=0.01)
        self.raw_std = orthogonal(nn.Linear(num_features, num_actions), gain=0.01)

    def forward(self, features: Tensor) -> Distribution:
        std = nn.functional.softplus(self.raw_std(features).float()) + self.min_std
        return _gaussian(self.mean(features).float(), std, self.shape)


def default_head(num_features: int, space: Space) -> ActionHead:
    """Categorical for discrete actions, else Gaussian with a state-independent scale."""
    return (CategoricalHead if isinstance(space, Discrete) else GaussianHead)(num_features, space)


def _gaussian(mean: Tensor, std: Tensor, shape: torch.Size) -> Distribution:
    lead = mean.shape[:-1]
    normal = Normal(mean.view((*lead, *shape)), std.reshape((*lead, *shape)), validate_args=False)
    # Independent sums log_prob and entropy over the action's own dimensions, so both come out as [...].
    return Independent(normal, len(shape), validate_args=False)


def _box_shape(space: Space) -> torch.Size:
    if not isinstance(space, Box):
        raise ConfigError(
            f"A Gaussian head needs Box actions, and the environment has {space}. "
            "Use --model.head lit_a3c.CategoricalHead."
        )
    return torch.Size(space.shape)
