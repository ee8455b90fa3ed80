"""Policies that act at a temperature of their own, so that environments of one policy explore differently."""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent

from lit_a3c.networks.distributions import CensoredGaussian, DiagonalGaussian, ScaledBeta, SquashedGaussian
from lit_a3c.networks.heads.composite import Joint
from lit_a3c.utils.errors import ConfigError


def temperatures(spread: float, first: int, count: int) -> Tensor:
    """Those of environments number ``first`` to ``first + count - 1`` of a training, ``[count]``.

    With ``u_i`` in [0, 1), van der Corput's sequence in base 2, environment ``i`` has ``spread ** (2 * u_i - 1)``. So
    any consecutive environments have temperatures from all over the range, however many there are in all.

    Args:
        spread: The largest temperature, at least 1, and the reciprocal of the smallest.
        first: Number of the first environment.
        count: Number of environments.
    """
    places = torch.tensor([_radical_inverse(i) for i in range(first, first + count)])
    return torch.tensor(spread) ** (2 * places - 1)


def _radical_inverse(number: int) -> float:
    """The binary digits of a whole number, mirrored at the point: 1, 2, 3 become 0.1, 0.01, 0.11."""
    return int(f"{number:b}"[::-1], 2) / 2 ** number.bit_length() if number else 0.0


@functools.singledispatch
def tempered(distribution: Distribution, temperature: Tensor) -> Distribution:
    """``pi(a|s)^(1 / temperature)``, scaled to a distribution: more random above 1, more greedy below.

    A squashed Gaussian has the temperature before it is squashed. The parts of a joint distribution have it each.

    Args:
        distribution: Of batch shape ``[..., E]``.
        temperature: Of each environment, ``[E]``.

    Raises:
        ConfigError: The head is of the user's own, or a mixture, and gives another kind of distribution.
    """
    raise ConfigError(
        f"data.temperature_spread: model.head gives a {type(distribution).__name__}, which has no temperature here. "
        "Use a head of one Gaussian, a Beta or a categorical policy, or leave the spread at 1."
    )


@tempered.register
def _(distribution: Categorical, temperature: Tensor) -> Distribution:
    return Categorical(logits=distribution.logits / temperature.unsqueeze(-1), validate_args=False)


@tempered.register
def _(distribution: Independent, temperature: Tensor) -> Distribution:
    base = distribution.base_dist
    if not isinstance(base, Bernoulli):
        return tempered.dispatch(object)(distribution, temperature)
    logits = base.logits / _by_component(temperature, distribution)
    hot, dims = type(base)(logits=logits, validate_args=False), len(distribution.event_shape)
    return Independent(hot, dims, validate_args=False)


@tempered.register
def _(distribution: DiagonalGaussian, temperature: Tensor) -> Distribution:
    return DiagonalGaussian(distribution.loc, _std(distribution, temperature), len(distribution.event_shape))


@tempered.register
def _(distribution: CensoredGaussian, temperature: Tensor) -> Distribution:
    return CensoredGaussian(distribution.loc, _std(distribution, temperature), distribution.low, distribution.high)


@tempered.register
def _(distribution: SquashedGaussian, temperature: Tensor) -> Distribution:
    gaussian = distribution.gaussian
    std = gaussian.stddev * _by_component(temperature, gaussian).sqrt()
    return SquashedGaussian(gaussian.mean, std, distribution.low, distribution.high)


@tempered.register
def _(distribution: ScaledBeta, temperature: Tensor) -> Distribution:
    by_component = _by_component(temperature, distribution)
    alpha, beta = (1 + (c - 1) / by_component for c in (distribution.alpha, distribution.beta))
    return ScaledBeta(alpha, beta, distribution.low, distribution.high)


@tempered.register
def _(distribution: Joint, temperature: Tensor) -> Distribution:
    return Joint([tempered(part, temperature) for part in distribution.parts])


def _std(gaussian: DiagonalGaussian, temperature: Tensor) -> Tensor:
    return gaussian.scale * _by_component(temperature, gaussian).sqrt()


def _by_component(temperature: Tensor, distribution: Distribution) -> Tensor:
    """``[E]`` to ``[E, 1, ...]`` with a dimension for each of an action."""
    return temperature.view(-1, *(1,) * len(distribution.event_shape))
