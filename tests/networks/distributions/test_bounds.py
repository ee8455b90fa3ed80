"""Actions at and between the bounds of a space, and the modes of distributions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.distributions import Distribution

from lit_a3c.networks.distributions import ScaledBeta, SquashedGaussian
from tests.networks.distributions.cases import DRAWS, FAMILIES, double, mixture, uniform

BOUNDS = [
    (-1, 1),
    (0, 0.5),
    (-20, 3),
    (15, 30),
    (100, 101),
]


@pytest.mark.parametrize(("low", "high"), BOUNDS)
@pytest.mark.parametrize("make", [SquashedGaussian, ScaledBeta])
def test_actions_at_the_bounds_have_a_finite_density_and_gradient(
    make: Callable[..., Distribution], low: float, high: float
) -> None:
    """Rounding may put a draw there, in single precision."""
    first, second = torch.full((4, 2), 1.5, requires_grad=True), torch.full((4, 2), 1.2, requires_grad=True)
    distribution = make(first, second, torch.full((2,), float(low)), torch.full((2,), float(high)))
    log_prob = distribution.log_prob(torch.tensor([[low, low], [low, high], [high, low], [high, high]]))
    log_prob.sum().backward()
    assert log_prob.isfinite().all()
    for parameter in (first, second):
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.all()


@pytest.mark.parametrize("name", ["squashed", "beta"])
def test_the_density_at_a_bound_is_that_just_inside(name: str) -> None:
    """The density is taken a millionth of the width inside the bound."""
    family = FAMILIES[name]
    inside = np.array([-1 + 3e-6, 2 - 3e-6])
    expected = np.log(family.density(inside, *(parameter.numpy() for parameter in family.parameters)))
    np.testing.assert_allclose(family.one().log_prob(double(-1, 2)), expected, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 0.5), (-20, 3), (-0.1, 0.7)])
def test_draws_are_within_the_bounds(low: float, high: float) -> None:
    """They are, up to rounding, however far out the parameters are. Their densities are finite."""
    lows, highs = torch.tensor(float(low)), torch.tensor(float(high))
    far = torch.tensor([-300.0, -9, -5, 0, 5, 9, 300]).repeat(1000)
    concentrations = 1 + torch.nn.functional.softplus(far)
    for distribution in (
        SquashedGaussian(far, torch.ones(7000), lows, highs),
        ScaledBeta(concentrations, concentrations.flip(0), lows, highs),
    ):
        draws = distribution.sample()
        tolerance = 1e-6 * (high - low)
        assert (draws >= low - tolerance).all()
        assert (draws <= high + tolerance).all()
        assert distribution.log_prob(draws).isfinite().all()
        assert draws.max() - draws.min() > 0.9 * (high - low)


def test_the_squashed_mode_is_the_median() -> None:
    """It is the middle plus half a width times tanh(mean), whatever sigma is. Half of all draws are above."""
    mean = double(0, 100, math.atanh(0.5), -100)
    distribution = SquashedGaussian(mean, torch.full((4,), 3.0).double(), double(-2, 0, 0, -1), double(2, 1, 8, 3))
    assert distribution.mode.tolist() == pytest.approx([0, 1, 6, -1])
    below = (distribution.sample(torch.Size([DRAWS])) < distribution.mode).double().mean(0)
    assert below[[0, 2]].tolist() == pytest.approx([0.5, 0.5], abs=0.005)


def test_the_betas_mode_is_its_peak() -> None:
    """It is (alpha - 1) / (alpha + beta - 2) of the way: 3/4 and 1/3. No other action is likelier."""
    distribution = ScaledBeta(double(4, 2), double(2, 3), double(-2, 0), double(2, 0.3))
    assert distribution.mode.tolist() == pytest.approx([1, 0.1])
    elsewhere = distribution.low + (distribution.high - distribution.low) * uniform(0, 1, 1000, 2)
    assert (distribution.log_prob(elsewhere) < distribution.log_prob(distribution.mode)).all()


def test_the_mixtures_mode_is_the_mean_of_its_weightiest_component() -> None:
    """Every batch element has a mode of its own, which is a whole action."""
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    means = torch.arange(12.0).view(2, 3, 2)
    assert mixture(logits, means, torch.ones(2, 3, 2)).mode.tolist() == [[2, 3], [6, 7]]
    assert mixture(logits, means[..., 0], torch.ones(2, 3)).mode.tolist() == [2, 6]
    assert mixture(logits[1], means[1], torch.ones(3, 2)).mode.tolist() == [6, 7]


def test_a_draw_of_a_mixture_is_of_one_component() -> None:
    """All its numbers are, and a component is drawn as often as its weight says."""
    means = torch.tensor([[-5.0, 5.0], [5.0, -5.0]])
    draws = mixture(torch.tensor([0.2, 0.8]).log(), means, torch.ones(2, 2)).sample(torch.Size([10_000]))
    assert (draws[:, 0].sign() == -draws[:, 1].sign()).all()
    assert (draws[:, 0] > 0).float().mean().item() == pytest.approx(0.8, abs=0.016)
