"""Heads for continuous actions."""

from __future__ import annotations

import math

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from lit_a3c.networks.bodies import orthogonal
from lit_a3c.networks.distributions import (
    CensoredGaussian,
    GaussianMixture,
    ScaledBeta,
    SquashedGaussian,
)
from lit_a3c.networks.heads.base import ActionHead
from lit_a3c.networks.heads.bounds import box_shape, gaussian, has_finite_bounds, ranges, register_bounds
from lit_a3c.utils.errors import check_number


class _BoxHead(ActionHead):
    """A head for ``Box`` actions."""

    kinds = (Box,)


class _BoundedHead(_BoxHead):
    """A head for ``Box`` actions in which every component has a range."""

    @classmethod
    def fits(cls, space: Space) -> bool:
        return has_finite_bounds(space)


class _DiagonalGaussianHead(_BoxHead):
    """Gaussians with a sigma for each component, censored at the bounds of the space or not."""

    low: Tensor
    high: Tensor

    def __init__(self, space: Space, censored: bool) -> None:
        super().__init__()
        self.shape = register_bounds(self, space)
        self._censored = censored and bool((self.low.isfinite() | self.high.isfinite()).any())

    def _distribution(self, mean: Tensor, std: Tensor) -> Distribution:
        """The distribution with this mean and sigma, both ``[..., A]``."""
        if not self._censored:
            return gaussian(mean, std, self.shape)
        mean, std = (values.reshape((*mean.shape[:-1], *self.shape)) for values in (mean, std))
        return CensoredGaussian(mean, std, self.low, self.high)


class GaussianHead(_DiagonalGaussianHead):
    """Diagonal Gaussian whose scale is learned but does not depend on the state.

    ``pi(a|s) = N(a; mu(s), diag(sigma^2))`` with ``sigma = exp(log_std)``. Departs from Mnih et al.
    (2016), where one spherical variance is an output of the network. Actions outside the space are clipped
    by the environment, not by the distribution, so its entropy is the Gaussian's.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape, ``A`` components in all.
        init_log_std: Initial ``log(sigma)``, in the environment's own action units.
        scale_to_bounds: Let 1 be half the range of a bounded component, and 0 its middle, for mean and sigma alike, so
            that one ``init_log_std`` suits ranges of 0.4 and of 3.
        censored: Treat all actions that the environment clips to the same bound as one,
            :class:`lit_a3c.networks.distributions.CensoredGaussian`.
    """

    middle: Tensor
    scale: Tensor

    def __init__(
        self,
        num_features: int,
        space: Space,
        init_log_std: float = 0.0,
        scale_to_bounds: bool = False,
        censored: bool = True,
    ) -> None:
        super().__init__(space, censored)
        check_number("model.head.init_log_std", init_log_std, low=-20, high=10)
        self._scaled = scale_to_bounds
        if scale_to_bounds:
            for name, values in zip(("middle", "scale"), ranges(space), strict=True):
                self.register_buffer(name, values, persistent=False)
        num_actions = self.shape.numel()
        self.mean = orthogonal(nn.Linear(num_features, num_actions), gain=0.01)  # explore before steering
        self.log_std = nn.Parameter(torch.full((num_actions,), float(init_log_std)))

    def forward(self, features: Tensor) -> Distribution:
        mean, std = self.mean(features).float(), self.log_std.exp()
        if self._scaled:
            mean, std = torch.addcmul(self.middle, self.scale, mean), self.scale * std
        return self._distribution(mean, std.expand_as(mean))


class StateDependentGaussianHead(_DiagonalGaussianHead):
    """Diagonal Gaussian whose mean and scale are both outputs of the network.

    ``sigma(s) = softplus(z(s)) + min_std`` per component, as the paper's (there one for all components).

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape.
        min_std: Smallest sigma, which keeps the density bounded.
        censored: As :class:`GaussianHead`'s.
    """

    def __init__(self, num_features: int, space: Space, min_std: float = 1e-3, censored: bool = True) -> None:
        super().__init__(space, censored)
        check_number("model.head.min_std", min_std, above=0)
        self.min_std = min_std
        num_actions = self.shape.numel()
        self.mean = orthogonal(nn.Linear(num_features, num_actions), gain=0.01)
        self.raw_std = orthogonal(nn.Linear(num_features, num_actions), gain=0.01)

    def forward(self, features: Tensor) -> Distribution:
        std = nn.functional.softplus(self.raw_std(features).float()) + self.min_std
        return self._distribution(self.mean(features).float(), std)


class SphericalGaussianHead(_BoxHead):
    """The paper's: ``N(mu(s), sigma^2(s) I)``, one variance ``softplus(z(s))`` for all components (section 9).

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape.
        min_variance: Smallest sigma^2, which keeps the density bounded.
    """

    def __init__(self, num_features: int, space: Space, min_variance: float = 1e-5) -> None:
        super().__init__()
        self.shape = box_shape(self, space)
        check_number("model.head.min_variance", min_variance, above=0)
        self.min_variance = min_variance
        self.mean = orthogonal(nn.Linear(num_features, self.shape.numel()), gain=0.01)
        self.raw_variance = orthogonal(nn.Linear(num_features, 1), gain=0.01)

    def forward(self, features: Tensor) -> Distribution:
        mean = self.mean(features).float()
        variance = nn.functional.softplus(self.raw_variance(features).float()) + self.min_variance
        return gaussian(mean, variance.sqrt().expand_as(mean), self.shape)


class SquashedGaussianHead(_BoundedHead):
    """:class:`lit_a3c.networks.distributions.SquashedGaussian`: through tanh, with one sigma for all states.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape with finite bounds.
        init_log_std: Initial ``log(sigma)`` before the tanh.
    """

    low: Tensor
    high: Tensor

    def __init__(self, num_features: int, space: Space, init_log_std: float = 0.0) -> None:
        super().__init__()
        self.shape = register_bounds(self, space, finite=True)
        check_number("model.head.init_log_std", init_log_std, low=-20, high=10)
        self.mean = orthogonal(nn.Linear(num_features, self.shape.numel()), gain=0.01)
        self.log_std = nn.Parameter(torch.full(self.shape, float(init_log_std)))

    def forward(self, features: Tensor) -> Distribution:
        mean = self.mean(features).float().view((*features.shape[:-1], *self.shape))
        return SquashedGaussian(mean, self.log_std.exp().expand_as(mean), self.low, self.high)


class BetaHead(_BoundedHead):
    """:class:`lit_a3c.networks.distributions.ScaledBeta` with both concentrations above 1: one peak, inside.

    ``alpha, beta = 1 + (c - 1) softplus(z(s)) / log 2``, which begin at ``c``: with a sigma of ``1 / sqrt(2c + 1)`` of
    half the range of a component, whatever that is.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape with finite bounds.
        init_concentration: ``c``.
    """

    low: Tensor
    high: Tensor

    def __init__(self, num_features: int, space: Space, init_concentration: float = 3.0) -> None:
        super().__init__()
        self.shape = register_bounds(self, space, finite=True)
        check_number("model.head.init_concentration", init_concentration, above=1, high=1e6)
        self._gain = (init_concentration - 1) / math.log(2)
        self.raw = orthogonal(nn.Linear(num_features, 2 * self.shape.numel()), gain=0.01)

    def forward(self, features: Tensor) -> Distribution:
        raw = self.raw(features).float().view(*features.shape[:-1], 2, *self.shape)
        alpha, beta = (1 + self._gain * nn.functional.softplus(raw)).unbind(features.ndim - 1)
        return ScaledBeta(alpha, beta, self.low, self.high)


class MixtureHead(_BoxHead):
    """:class:`lit_a3c.networks.distributions.GaussianMixture`: weights and means by the state, sigmas for all states.

    The means begin spread over the space, or over [-1, 1] where it has no bounds: equal ones would stay so.

    Args:
        num_features: Size ``F`` of the body's output.
        space: A floating ``Box`` of any shape.
        num_components: ``K``.
        init_log_std: Initial ``log(sigma)``, in the environment's own action units.
    """

    def __init__(self, num_features: int, space: Space, num_components: int = 3, init_log_std: float = -0.5) -> None:
        super().__init__()
        self.shape = box_shape(self, space)
        check_number("model.head.num_components", num_components, low=1, high=1000, whole=True)
        check_number("model.head.init_log_std", init_log_std, low=-20, high=10)
        assert isinstance(space, Box)
        self.lead = (num_components, *self.shape)
        self.weights = orthogonal(nn.Linear(num_features, num_components), gain=0.01)
        self.means = orthogonal(nn.Linear(num_features, num_components * self.shape.numel()), gain=0.01)
        low, high = (torch.as_tensor(np.clip(bound, -1e3, 1e3)).float() for bound in (space.low, space.high))
        if not space.is_bounded():
            low, high = -torch.ones(self.shape), torch.ones(self.shape)
        places = (torch.arange(num_components) + 0.5) / num_components
        with torch.no_grad():
            spread = low.flatten() + places[:, None] * (high - low).flatten()  # [K, A]
            self.means.bias.copy_(spread.flatten())
        self.log_std = nn.Parameter(torch.full(self.lead, float(init_log_std)))

    def forward(self, features: Tensor) -> Distribution:
        means = self.means(features).float().view(*features.shape[:-1], *self.lead)
        normal = Normal(means, self.log_std.exp().expand_as(means), validate_args=False)
        return GaussianMixture(
            Categorical(logits=self.weights(features).float(), validate_args=False),
            Independent(normal, len(self.shape), validate_args=False),
            validate_args=False,
        )
