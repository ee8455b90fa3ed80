"""Distributions in many shapes, and what scipy says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor
from torch.distributions import Categorical, Distribution, Independent, Normal

from lit_a3c.networks.distributions import GaussianMixture, ScaledBeta, SquashedGaussian

DRAWS = 200_000
LEADS = [(), (5,), (4, 3)]
EVENTS = [(), (2,), (2, 3)]


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def uniform(low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


def mixture(logits: Tensor, means: Tensor, stds: Tensor) -> GaussianMixture:
    """A mixture of batch shape ``logits.shape[:-1]``."""
    components = Independent(Normal(means, stds), means.ndim - logits.ndim)
    return GaussianMixture(Categorical(logits=logits), components, validate_args=False)


def squashed_density(a: np.ndarray, mean: np.ndarray, std: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The density of x over |da/dx|, by the change of variables."""
    half_width = (high - low) / 2
    y = (a - (low + high) / 2) / half_width
    return stats.norm.pdf(np.arctanh(y), mean, std) / (half_width * (1 - y**2))


class Case(NamedTuple):
    """A distribution, and what scipy says of it."""

    distribution: Distribution
    log_density: Callable[[np.ndarray], np.ndarray]
    low: Tensor
    high: Tensor


def squashed_case(lead: tuple[int, ...], event: tuple[int, ...]) -> Case:
    low, high = uniform(-3, -1, *event), uniform(0, 2, *event)
    mean, std = uniform(-1, 1, *lead, *event), uniform(0.3, 1.5, *lead, *event)

    def log_density(a: np.ndarray) -> np.ndarray:
        density = squashed_density(a, mean.numpy(), std.numpy(), low.numpy(), high.numpy())
        return np.log(density).sum(tuple(range(-len(event), 0)))

    return Case(SquashedGaussian(mean, std, low, high), log_density, low, high)


def beta_case(lead: tuple[int, ...], event: tuple[int, ...]) -> Case:
    low, high = uniform(-3, -1, *event), uniform(0, 2, *event)
    alpha, beta = uniform(1.1, 5, *lead, *event), uniform(1.1, 5, *lead, *event)

    def log_density(a: np.ndarray) -> np.ndarray:
        density = stats.beta.logpdf(a, alpha.numpy(), beta.numpy(), loc=low.numpy(), scale=(high - low).numpy())
        return density.sum(tuple(range(-len(event), 0)))

    return Case(ScaledBeta(alpha, beta, low, high), log_density, low, high)


def mixture_case(lead: tuple[int, ...], event: tuple[int, ...]) -> Case:
    logits = uniform(-1, 1, *lead, 3)
    means, stds = uniform(-2, 2, *lead, 3, *event), uniform(0.3, 1.5, *lead, 3, *event)

    def log_density(a: np.ndarray) -> np.ndarray:
        weights = special.softmax(logits.numpy(), axis=-1)
        total = np.zeros(lead)
        for k in range(3):
            normal = stats.norm(means.select(len(lead), k).numpy(), stds.select(len(lead), k).numpy())
            total = total + weights[..., k] * normal.pdf(a).prod(tuple(range(-len(event), 0)))
        return np.log(total)

    return Case(mixture(logits, means, stds), log_density, uniform(-3, -3, *event), uniform(3, 3, *event))


CASES = [squashed_case, beta_case, mixture_case]


class Family(NamedTuple):
    """Distributions of one number, whose integrals are easy."""

    make: Callable[..., Distribution]
    density: Callable[..., np.ndarray]
    """The density of an action, given the parameters, by scipy."""
    parameters: list[Tensor]
    low: float
    high: float

    def one(self) -> Distribution:
        """The distribution of these parameters, of batch shape ``[1]``."""
        return self.make(*(parameter.unsqueeze(0) for parameter in self.parameters))

    def grid(self) -> tuple[np.ndarray, float]:
        """Middles of small intervals over the support, and their length."""
        step = (self.high - self.low) / 20_000
        return self.low + step * (np.arange(20_000) + 0.5), step

    def entropy(self, parameters: list[Tensor]) -> float:
        """The entropy, as minus the integral of p log p."""
        a, step = self.grid()
        p = self.density(a, *(parameter.numpy() for parameter in parameters))
        return float(special.entr(p).sum() * step)


LOW, HIGH = torch.tensor(-1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)


def make_squashed(mean: Tensor, std: Tensor) -> Distribution:
    return SquashedGaussian(mean, std, LOW, HIGH)


def make_beta(alpha: Tensor, beta: Tensor) -> Distribution:
    return ScaledBeta(alpha, beta, LOW, HIGH)


def density_of_squashed(a: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return squashed_density(a, mean, std, np.array(-1.0), np.array(2.0))


def density_of_beta(a: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return stats.beta.pdf(a, alpha, beta, loc=-1, scale=3)


def density_of_mixture(a: np.ndarray, logits: np.ndarray, means: np.ndarray, stds: np.ndarray) -> np.ndarray:
    return stats.norm.pdf(a[:, None], means, stds) @ special.softmax(logits)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


SQUASHED = {
    "squashed": Family(make_squashed, density_of_squashed, [scalar(0.4), scalar(0.6)], -1, 2),
    "squashed with two peaks": Family(make_squashed, density_of_squashed, [scalar(-0.3), scalar(1.0)], -1, 2),
}
BETA = {"beta": Family(make_beta, density_of_beta, [scalar(2.5), scalar(1.7)], -1, 2)}
MIXTURES = {
    "mixture": Family(
        mixture, density_of_mixture, [double(0.5, -0.5, 0), double(-2, 0.3, 1.5), double(0.4, 0.8, 0.5)], -8, 8
    ),
    "mixture of far parts": Family(mixture, density_of_mixture, [double(1, 0), double(-6, 6), double(1, 0.2)], -15, 15),
    "mixture of equals": Family(mixture, density_of_mixture, [double(0, 0), double(1, 1), double(0.7, 0.7)], -8, 8),
}
ESTIMATED = SQUASHED | MIXTURES
FAMILIES = ESTIMATED | BETA
