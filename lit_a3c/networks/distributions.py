"""Distributions over actions that torch lacks. Each has sample, mode, log_prob and entropy, which a head's must have.

``log_prob`` and ``entropy`` are summed over the components of one action. Where an entropy has no closed form it is
estimated by one draw, without bias, in value and in gradient.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import (
    AffineTransform,
    Beta,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
    SigmoidTransform,
    TransformedDistribution,
    constraints,
)
from torch.nn.functional import softplus

EDGE = 1e-6
"""Rounding may put a draw on a bound itself. The density there is taken this much inside [0, 1]."""


class _Bounded(Distribution):
    """``a = low + (high - low) * u`` for draws ``u`` in [0, 1] of each component.

    Args:
        unit: Of ``u``, with the dimensions of an action as its event.
        low: Smallest action, ``[*action]``.
        high: Largest action, ``[*action]``.
    """

    arg_constraints = {}  # nothing to check, and printing asks for it

    def __init__(self, unit: Distribution, low: Tensor, high: Tensor) -> None:
        self.unit, self.low, self.high = unit, low, high
        super().__init__(unit.batch_shape, unit.event_shape, validate_args=False)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self._scaled(self.unit.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        unit = (value - self.low) / (self.high - self.low)
        return self.unit.log_prob(unit.clamp(EDGE, 1 - EDGE)) - self._log_volume

    def _scaled(self, unit: Tensor) -> Tensor:
        """``u`` in units of the action. Rounding may put a number beside a bound beyond it."""
        return (self.low + (self.high - self.low) * unit).clamp(self.low, self.high)

    @property
    def _log_volume(self) -> Tensor:
        return (self.high - self.low).log().sum()


class SquashedGaussian(_Bounded):
    """``u = sigmoid(2x)``, which is ``(1 + tanh(x)) / 2``, of ``x ~ N(mean, diag(std^2))``.

    By the change of variables (Haarnoja et al. 2018, arXiv:1801.01290, appendix C)::

        log p(u) = log N(x) - sum_i log(2 u_i (1 - u_i))
        H        = H(N) + E[sum_i log(2 u_i (1 - u_i))]

    The expectation is estimated by one draw.

    Args:
        mean: Of ``x``, ``[..., *action]``.
        std: Of ``x``, the same shape.
        low: Smallest action, ``[*action]``.
        high: Largest action, ``[*action]``.
    """

    def __init__(self, mean: Tensor, std: Tensor, low: Tensor, high: Tensor) -> None:
        self.gaussian = Independent(Normal(mean, std, validate_args=False), low.ndim, validate_args=False)
        squash = [AffineTransform(0.0, 2.0, event_dim=low.ndim), SigmoidTransform()]
        super().__init__(TransformedDistribution(self.gaussian, squash, validate_args=False), low, high)

    @property
    def mode(self) -> Tensor:
        """The squashed mean, which is each component's median: the density itself may peak at a bound."""
        return self._scaled(torch.sigmoid(2 * self.gaussian.mean))

    def entropy(self) -> Tensor:
        x = self.gaussian.rsample()
        # log(2 u (1 - u)) of u = sigmoid(2x), written so that nothing overflows
        log_slope = math.log(2) - softplus(2 * x) - softplus(-2 * x)
        expectation = log_slope.reshape((*self.batch_shape, -1)).sum(-1)
        return self.gaussian.entropy() + expectation + self._log_volume


class DiagonalGaussian(Distribution):
    """``N(mean, diag(std^2))``, written out. Actors make one at every step, and torch's own costs more.

    Args:
        mean: ``[..., *action]``.
        std: The same shape.
        event_dims: Dimensions of an action.
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}

    def __init__(self, mean: Tensor, std: Tensor, event_dims: int) -> None:
        self.loc, self.scale = mean, std
        lead = mean.ndim - event_dims
        super().__init__(mean.shape[:lead], mean.shape[lead:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.scale.square()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with torch.no_grad():
            noise = torch.randn(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device)
            return torch.addcmul(self.loc, self.scale, noise)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._sum(self._log_densities(value))

    def entropy(self) -> Tensor:
        return self._sum(self.scale.log() + 0.5 * (1 + math.log(2 * math.pi)))

    def _log_densities(self, value: Tensor) -> Tensor:
        """The log-density of each component."""
        standardised = (value - self.loc) / self.scale
        return -0.5 * standardised.square() - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def _sum(self, values: Tensor) -> Tensor:
        """The sum over the components of an action."""
        return values.flatten(values.ndim - len(self.event_shape)).sum(-1) if self.event_shape else values


class CensoredGaussian(DiagonalGaussian):
    """``N(mean, diag(std^2))`` whose draws the environment clips to ``[low, high]``.

    What it clips to the same bound is the same action, with the probability of all of these draws (Fujita & Maeda
    2018, arXiv:1802.07564, section 4)::

        log p(a) = log N(a; mean, std^2)          low < a < high
                 = log Phi((low - mean) / std)    a <= low
                 = log Phi((mean - high) / std)   a >= high

    The policy gradient has the plain Gaussian's expectation and less variance. It vanishes where all draws are
    clipped; the plain one's grows there with the distance of the mean, and drives it ever further out of the bounds.
    Entropy and mode are those before clipping.

    Args:
        mean: ``[..., *action]``.
        std: The same shape.
        low: Smallest action, ``[*action]``; -infinity where there is none.
        high: Largest action, ``[*action]``; infinity where there is none.
    """

    def __init__(self, mean: Tensor, std: Tensor, low: Tensor, high: Tensor) -> None:
        self.low, self.high = low, high
        super().__init__(mean, std, low.ndim)

    def _log_densities(self, value: Tensor) -> Tensor:
        above, below = value >= self.high, value <= self.low
        # Zero where it is not used, lest an infinite bound makes the gradient NaN.
        beyond = torch.where(above, self.loc - self.high, torch.where(below, self.low - self.loc, 0.0))
        inside = super()._log_densities(value)
        return torch.where(above | below, torch.special.log_ndtr(beyond / self.scale), inside)


class ScaledBeta(_Bounded):
    """``u ~ Beta(alpha, beta)`` for each component (Chou et al. 2017).

    Args:
        alpha: First concentration, at least 1, ``[..., *action]``.
        beta: Second concentration, at least 1, the same shape.
        low: Smallest action, ``[*action]``.
        high: Largest action, ``[*action]``.
    """

    def __init__(self, alpha: Tensor, beta: Tensor, low: Tensor, high: Tensor) -> None:
        self.alpha, self.beta = alpha, beta
        super().__init__(Independent(Beta(alpha, beta, validate_args=False), low.ndim, validate_args=False), low, high)

    @property
    def mode(self) -> Tensor:
        """Where the density is largest; the middle if the density is flat."""
        above, below = self.alpha - 1 + EDGE, self.beta - 1 + EDGE
        return self._scaled(above / (above + below))

    def entropy(self) -> Tensor:
        return self.unit.entropy() + self._log_volume


class GaussianMixture(MixtureSameFamily):
    """``p(a) = sum_k w_k N(a; mean_k, diag(std_k^2))``, for actions with several good answers.

    The entropy is estimated by one draw ``a_k`` from each component::

        H = -sum_k w_k log p(a_k)

    whose gradient, through weights, draws and densities, has no bias either.
    """

    @property
    def mode(self) -> Tensor:
        """The mean of the component with the largest weight. The density's own maximum has no closed form."""
        best = self.mixture_distribution.logits.argmax(-1)
        means = self.component_distribution.mean  # [..., K, *action]
        index = best.reshape(*best.shape, 1, *(1 for _ in self.event_shape))
        # take_along_dim cannot be exported: it makes a constant of the size of the batch.
        return means.gather(best.ndim, index.expand(*best.shape, 1, *self.event_shape)).squeeze(best.ndim)

    def entropy(self) -> Tensor:
        draws = self.component_distribution.rsample()  # [..., K, *action]
        weights = self.mixture_distribution.probs  # [..., K]
        by_component = draws.movedim(weights.ndim - 1, 0)
        log_probs = torch.stack([self.log_prob(draw) for draw in by_component], dim=-1)
        return -(weights * log_probs).sum(-1)
