"""Gaussians, plain and censored by the environment's clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import Independent, Normal

from lit_a3c.networks.distributions import CensoredGaussian, DiagonalGaussian
from tests.networks.distributions.cases import DRAWS, EVENTS, LEADS, double, uniform


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_a_diagonal_gaussian_is_torchs(lead: tuple[int, ...], event: tuple[int, ...]) -> None:
    """Densities, entropies, their gradients, moments, and the draws of one seed are the same."""
    parameters = uniform(-2, 2, *lead, *event).requires_grad_(), uniform(0.3, 1.5, *lead, *event).requires_grad_()
    ours, theirs = DiagonalGaussian(*parameters, len(event)), Independent(Normal(*parameters), len(event))
    draws: list[Tensor] = []
    for distribution in (ours, theirs):
        torch.manual_seed(0)
        draws.append(distribution.sample(torch.Size([20])))
        assert not draws[-1].requires_grad
    torch.testing.assert_close(*draws)
    for name in ("mean", "mode", "variance", "stddev", "batch_shape", "event_shape"):
        assert torch.equal(torch.as_tensor(getattr(ours, name)), torch.as_tensor(getattr(theirs, name))), name
    gradients = []
    for distribution in (ours, theirs):
        log_prob, entropy = distribution.log_prob(draws[0]), distribution.entropy()
        assert entropy.shape == lead
        gradients.append([log_prob, entropy, *torch.autograd.grad(log_prob.square().sum() + entropy.sum(), parameters)])
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its)


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_clipped_actions_have_the_probability_of_a_tail(lead: tuple[int, ...], event: tuple[int, ...]) -> None:
    """It is scipy's: a density inside, the tail's probability at a bound and beyond. Bounds may be infinite."""
    low, high = uniform(-2, -1, *event), uniform(0, 1, *event)
    low, high = torch.where(low < -1.7, -math.inf, low), torch.where(high > 0.7, math.inf, high)
    mean, std = uniform(-2, 2, *lead, *event), uniform(0.3, 1.5, *lead, *event)
    distribution = CensoredGaussian(mean, std, low, high)
    for action in (*distribution.sample(torch.Size([20])), low.expand_as(mean), high.expand_as(mean)):
        action = torch.where(action.isfinite(), action, 0.3)
        normal = stats.norm(mean.numpy(), std.numpy())
        inside = normal.logpdf(action.numpy())
        tails = np.where(action >= high, normal.logsf(high.numpy()), normal.logcdf(low.numpy()))
        expected = np.where((action >= high) | (action <= low), tails, inside).sum(tuple(range(-len(event), 0)))
        np.testing.assert_allclose(distribution.log_prob(action), expected, rtol=1e-9)
        clipped = torch.minimum(torch.maximum(action, low), high)
        assert torch.equal(distribution.log_prob(clipped), distribution.log_prob(action))
    assert distribution.entropy().shape == distribution.log_prob(distribution.sample()).shape == lead


@pytest.mark.parametrize("mean", [-1.5, 0.2, 2.5])
def test_censored_policy_gradients_are_those_of_the_gaussian_with_less_variance(mean: float) -> None:
    """This holds for any reward of the clipped action, by mean and sigma (Fujita & Maeda 2018, section 4)."""
    low, high = double(-1).squeeze(), double(1).squeeze()
    gradients = []
    parameters = [torch.full((DRAWS,), value, dtype=torch.float64, requires_grad=True) for value in (mean, 0.8)]
    plain = Normal(*parameters)
    actions = plain.sample()
    reward = torch.exp(actions.clamp(low, high)) + 3 * (actions >= high)
    for distribution in (plain, CensoredGaussian(*parameters, low, high)):
        total = (distribution.log_prob(actions) * reward).sum()
        gradients.append(torch.autograd.grad(total, parameters))  # each draw's own
    for of_plain, of_censored in zip(*gradients, strict=True):
        difference = of_censored - of_plain
        assert difference.mean().abs().item() < 5 * difference.std().item() / DRAWS**0.5
        assert of_censored.var() < of_plain.var()


def test_where_every_draw_is_clipped_nothing_is_learned() -> None:
    """The plain Gaussian's gradient would drive the mean still further out: here by 3, for a bad action."""
    mean, std, high = torch.full((2,), 5.0, requires_grad=True), torch.ones(2), torch.ones(2)
    action = torch.full((2,), 2.0)
    (-Normal(mean, std).log_prob(action).sum()).backward()
    assert mean.grad is not None
    assert mean.grad.tolist() == [3.0, 3.0]
    mean.grad = None
    (-CensoredGaussian(mean, std, -high, high).log_prob(action)).backward()
    assert mean.grad.abs().max() < 1e-3


@pytest.mark.parametrize("value", [-1e4, -1.0, 0.0, 1.0, 1e4])
@pytest.mark.parametrize("mean", [-100.0, 0.0, 100.0])
@pytest.mark.parametrize("bound", [1.0, math.inf])
def test_censored_densities_and_gradients_are_finite(value: float, mean: float, bound: float) -> None:
    """This is in single precision, with a sigma of 0.05."""
    parameters = torch.full((2,), mean, requires_grad=True), torch.full((2,), 0.05, requires_grad=True)
    bounds = torch.full((2,), bound)
    log_prob = CensoredGaussian(*parameters, -bounds, bounds).log_prob(torch.full((2,), value))
    assert all(x.isfinite().all() for x in (log_prob, *torch.autograd.grad(log_prob, parameters)))
