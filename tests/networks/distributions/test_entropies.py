"""Entropies against integrals. An entropy without a closed form is an estimate, which must be right on average."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from lit_a3c.networks.distributions import ScaledBeta, SquashedGaussian
from tests.networks.distributions.cases import BETA, DRAWS, ESTIMATED, SQUASHED, double, mixture, uniform


def assert_mean(draws: Tensor, expected: float) -> None:
    """The mean of draws is the expected one, up to five standard errors, which are small."""
    error = draws.std().item() / len(draws) ** 0.5
    assert error < 0.01
    assert draws.mean().item() == pytest.approx(expected, abs=5 * error + 1e-6)


@pytest.mark.parametrize("name", ESTIMATED)
def test_estimated_entropies_are_right_on_average(name: str) -> None:
    """Value and gradient by every parameter have no bias against the integral and its finite differences."""
    family = ESTIMATED[name]
    copies = [x.expand(DRAWS, *x.shape).clone().requires_grad_() for x in family.parameters]
    entropy = family.make(*copies).entropy()
    assert_mean(entropy.detach(), family.entropy(family.parameters))
    entropy.sum().backward()  # each copy's own gradient
    for i, copy in enumerate(copies):
        assert copy.grad is not None
        for j in range(family.parameters[i].numel()):
            ends = []
            for shift in (1e-4, -1e-4):
                parameters = [x.clone() for x in family.parameters]
                parameters[i].view(-1)[j] += shift
                ends.append(family.entropy(parameters))
            assert_mean(copy.grad.view(DRAWS, -1)[:, j], (ends[0] - ends[1]) / 2e-4)


def test_the_betas_entropy_is_exact() -> None:
    """It is scipy's and the integral's, over many components their sum, and log(width) for the uniform one."""
    family = BETA["beta"]
    entropy = family.one().entropy().item()
    assert entropy == pytest.approx(stats.beta(2.5, 1.7, loc=-1, scale=3).entropy(), rel=1e-9)
    assert entropy == pytest.approx(family.entropy(family.parameters), abs=1e-5)
    alpha, beta, high = uniform(1, 5, 4, 2, 3), uniform(1, 5, 4, 2, 3), uniform(1, 4, 2, 3)
    low = torch.zeros_like(high)
    expected = stats.beta(alpha.numpy(), beta.numpy(), scale=high.numpy()).entropy().sum((1, 2))
    np.testing.assert_allclose(ScaledBeta(alpha, beta, low, high).entropy(), expected, rtol=1e-9)
    one = torch.ones_like(high)
    uniform_entropy = ScaledBeta(one, one, low, high).entropy()
    assert uniform_entropy.item() == pytest.approx(high.log().sum().item())


def test_the_entropy_of_a_squashed_vector_is_the_sum_of_its_components() -> None:
    """Each component has its own mean, sigma and width."""
    mean, std = double(0.4, -0.3), double(0.6, 1.0)
    low, high = double(-1, -1), double(2, 5)
    entropy = SquashedGaussian(mean.expand(DRAWS, 2), std.expand(DRAWS, 2), low, high).entropy()
    first, second = (family.entropy(family.parameters) for family in SQUASHED.values())
    assert_mean(entropy, first + second + math.log(2))  # the second is twice as wide here


def test_the_entropy_of_a_mixture_of_vectors() -> None:
    """Of far components it is that of the choice and of one: log 2 + (2/2) log(2 pi e) + log(0.5 * 2)."""
    means, stds = double(-50, 50, 50, -50).view(2, 2), double(0.5, 2, 0.5, 2).view(2, 2)
    entropy = mixture(torch.zeros(DRAWS, 2), means.expand(DRAWS, 2, 2), stds.expand(DRAWS, 2, 2)).entropy()
    assert_mean(entropy, math.log(2) + math.log(2 * math.pi * math.e))
