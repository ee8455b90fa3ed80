"""Environments of one policy act at temperatures of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete
from torch import Tensor, nn
from torch.distributions import Distribution

from lit_a3c import ConfigError
from lit_a3c.networks import heads
from lit_a3c.networks.distributions import SquashedGaussian
from lit_a3c.networks.temperature import temperatures, tempered

BOX = Box(-2, 2, (3,), np.float32)
HEADS = {
    "categorical": heads.CategoricalHead(4, Discrete(5)),
    "bernoulli": heads.BernoulliHead(4, MultiBinary(3)),
    "gaussian": heads.GaussianHead(4, BOX, censored=False),
    "censored": heads.GaussianHead(4, BOX),
    "state-dependent": heads.StateDependentGaussianHead(4, BOX, censored=False),
    "squashed": heads.SquashedGaussianHead(4, BOX),
    "beta": heads.BetaHead(4, BOX),
    "joint": heads.JointHead(4, MultiDiscrete([3, 4])),
}


def of(name: str, lead: tuple[int, ...] = (6, 3)) -> Distribution:
    """A distribution of batch shape ``[T, E]`` that depends on the features much."""
    torch.manual_seed(1)
    head: nn.Module = HEADS[name]
    with torch.no_grad():
        for parameter in head.parameters():
            if parameter.ndim == 2:
                nn.init.normal_(parameter)
    distribution: Distribution = head(torch.randn(*lead, 4))
    return distribution


@pytest.mark.parametrize("name", HEADS)
def test_a_temperature_of_one_changes_nothing(name: str) -> None:
    """Log-probabilities of the policy's own draws are the same."""
    distribution = of(name)
    action = distribution.sample()
    torch.testing.assert_close(tempered(distribution, torch.ones(3)).log_prob(action), distribution.log_prob(action))


@pytest.mark.parametrize("name", sorted(set(HEADS) - {"squashed", "censored"}))
def test_it_is_a_power_of_the_policy(name: str) -> None:
    """``log p - log pi / temperature`` is the same for all actions of a state: the logarithm of what scales it."""
    distribution, temperature = of(name), torch.tensor([0.5, 1.0, 3.0])
    hot = tempered(distribution, temperature)
    assert hot.batch_shape == distribution.batch_shape
    differences = []
    for _ in range(5):
        action = distribution.sample()
        differences.append(hot.log_prob(action) - distribution.log_prob(action) / temperature)
    for difference in differences[1:]:
        torch.testing.assert_close(difference, differences[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", HEADS)
def test_each_environment_has_its_own(name: str) -> None:
    """Draws of the hot environment are further apart than those of the cold one."""
    distribution = of(name, (1, 2))
    one: Tensor = distribution.sample()
    draws = tempered(distribution, torch.tensor([0.05, 5.0])).sample(torch.Size([400])).float()
    assert draws.shape[1:] == one.shape
    cold, hot = draws.flatten(3).var(0).squeeze(0).sum(-1) if draws.ndim > 3 else draws.var(0).squeeze(0)
    assert hot > 1.5 * cold


def test_a_squashed_gaussian_has_it_before_it_is_squashed() -> None:
    distribution = of("squashed")
    hot = tempered(distribution, torch.full((3,), 4.0))
    assert isinstance(distribution, SquashedGaussian)
    assert isinstance(hot, SquashedGaussian)
    torch.testing.assert_close(hot.gaussian.stddev, 2 * distribution.gaussian.stddev)


def test_any_consecutive_environments_cover_the_range() -> None:
    """Four times two octaves around 1 by hand; 64 environments from any number on are spread evenly."""
    expected = torch.tensor([0.25, 1.0, 0.5, 2.0])
    torch.testing.assert_close(temperatures(4, 0, 4), expected)
    for first in (0, 7, 100):
        logs = temperatures(4, first, 64).log().sort().values
        assert float((logs[1:] - logs[:-1]).max()) < 0.1
        assert float(logs[0]) < -1.3
        assert float(logs[-1]) > 1.3
    assert torch.equal(temperatures(1, 3, 5), torch.ones(5))


def test_a_mixture_has_none() -> None:
    mixture = heads.MixtureHead(4, BOX)(torch.zeros(2, 3, 4))
    with pytest.raises(ConfigError, match=r"model.head gives a GaussianMixture, which has no temperature"):
        tempered(mixture, torch.ones(3))
