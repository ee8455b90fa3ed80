"""Densities, draws and shapes of all distributions against scipy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats

from lit_a3c.networks.distributions import ScaledBeta, SquashedGaussian
from lit_a3c.networks.heads.composite import Joint
from tests.networks.distributions.cases import (
    CASES,
    DRAWS,
    EVENTS,
    FAMILIES,
    LEADS,
    Case,
    make_beta,
    make_squashed,
    mixture,
    uniform,
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_densities_of_any_shape_equal_scipys(
    case: Callable[..., Case], lead: tuple[int, ...], event: tuple[int, ...]
) -> None:
    """Each batch element has one density over all components of the action, which have bounds of their own."""
    distribution, log_density, low, high = case(lead, event)
    action = low + (high - low) * uniform(0.01, 0.99, *lead, *event)
    np.testing.assert_allclose(distribution.log_prob(action), log_density(action.numpy()), rtol=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_shapes(case: Callable[..., Case], lead: tuple[int, ...], event: tuple[int, ...]) -> None:
    """Actions have the batch shape and the event shape, densities and entropies the batch shape alone."""
    distribution = case(lead, event).distribution
    assert (distribution.batch_shape, distribution.event_shape) == (lead, event)
    assert distribution.sample().shape == distribution.mode.shape == (*lead, *event)
    draws = distribution.sample(torch.Size([7]))
    assert draws.shape == (7, *lead, *event)
    assert distribution.log_prob(draws).shape == (7, *lead)
    assert distribution.entropy().shape == lead


@pytest.mark.parametrize("name", FAMILIES)
def test_densities_integrate_to_one(name: str) -> None:
    """They are scipy's everywhere."""
    family = FAMILIES[name]
    a, step = family.grid()
    p = family.one().log_prob(torch.from_numpy(a)).exp().numpy()
    assert p.sum() * step == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(p, family.density(a, *(x.numpy() for x in family.parameters)), rtol=1e-6, atol=1e-12)


def test_draws_carry_no_gradient() -> None:
    """They are data: the policy gradient comes from their log-probabilities alone."""
    x = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    for distribution in (make_squashed(x, x), make_beta(2 * x, 2 * x), mixture(x, x, x), Joint([mixture(x, x, x)])):
        action = distribution.sample()
        assert not action.requires_grad
        assert distribution.log_prob(action).requires_grad


@pytest.mark.parametrize("name", FAMILIES)
def test_draws_follow_the_density(name: str) -> None:
    """They pass Kolmogorov's test against the integrated density, and have its mean and standard deviation."""
    family = FAMILIES[name]
    a, step = family.grid()
    p = family.density(a, *(parameter.numpy() for parameter in family.parameters))
    draws = family.one().sample(torch.Size([DRAWS])).flatten().numpy()
    distance = stats.kstest(draws, lambda x: np.interp(x, a + step / 2, np.cumsum(p) * step)).statistic
    assert distance < 1.95 / DRAWS**0.5  # one of 1000 right samples is farther
    mean = (a * p).sum() * step
    std = (((a - mean) ** 2 * p).sum() * step) ** 0.5
    assert draws.mean() == pytest.approx(mean, abs=5 * std / DRAWS**0.5)
    assert draws.std() == pytest.approx(std, rel=0.01)


@pytest.mark.parametrize("event", EVENTS)
def test_gradients_of_densities(event: tuple[int, ...]) -> None:
    """Those by every parameter and by the action equal finite differences."""
    low, high = uniform(-3, -1, *event), uniform(0, 2, *event)
    action = (low + (high - low) * uniform(0.1, 0.9, 3, *event)).requires_grad_()
    mean, std = uniform(-1, 1, 3, *event).requires_grad_(), uniform(0.3, 1.5, 3, *event).requires_grad_()
    alpha, beta = (uniform(1.1, 5, 3, *event).requires_grad_() for _ in range(2))
    logits = uniform(-1, 1, 3, 2).requires_grad_()
    means, stds = uniform(-1, 1, 3, 2, *event).requires_grad_(), uniform(0.3, 1.5, 3, 2, *event).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda m, s, a: SquashedGaussian(m, s, low, high).log_prob(a), (mean, std, action))
    assert check(lambda x, y, a: ScaledBeta(x, y, low, high).log_prob(a), (alpha, beta, action))
    assert check(lambda w, m, s, a: mixture(w, m, s).log_prob(a), (logits, means, stds, action))
