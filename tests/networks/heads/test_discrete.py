from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Dict, Discrete, MultiBinary, MultiDiscrete, Space
from scipy import special, stats

from lit_a3c.networks.heads import BernoulliHead, CategoricalHead
from lit_a3c.utils.errors import ConfigError
from tests.networks.heads.cases import PAIR, affine, randomized


def test_categorical_equals_scipy() -> None:
    """Log-probabilities, entropy and mode are those of softmax(logits)."""
    head, features = randomized(CategoricalHead(5, Discrete(3))), torch.randn(6, 5)
    distribution = head(features)
    probabilities = head.logits(features).detach().double().softmax(-1).numpy()
    for a in range(3):
        expected = np.log(probabilities[:, a])
        np.testing.assert_allclose(distribution.log_prob(torch.full((6,), a)).detach(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(distribution.entropy().detach(), stats.entropy(probabilities, axis=-1), rtol=1e-4)
    assert distribution.mode.tolist() == probabilities.argmax(-1).tolist()


def test_actions_are_as_frequent_as_they_are_probable() -> None:
    """The frequencies in 20,000 draws are those of the softmax."""
    features, n = torch.randn(1, 5), 20_000
    head = randomized(CategoricalHead(5, Discrete(3)))
    draws = head(features.expand(n, 5)).sample()
    frequencies = torch.bincount(draws, minlength=3) / n
    torch.testing.assert_close(frequencies, head.logits(features)[0].softmax(-1).detach(), atol=0.015, rtol=0)


@pytest.mark.parametrize("space", [MultiBinary(4), MultiBinary([2, 2])])
def test_bernoulli_equals_scipy(space: MultiBinary) -> None:
    """Coins are independent, with sigmoid(logit) each. The mode is the likelier side of each."""
    head, features = randomized(BernoulliHead(5, space)), torch.randn(6, 5)
    distribution = head(features)
    action, coins = distribution.sample(), stats.bernoulli(special.expit(affine(head.logits, features)))
    expected = coins.logpmf(action.flatten(1).numpy()).sum(-1)
    np.testing.assert_allclose(distribution.log_prob(action).detach(), expected, rtol=1e-4)
    np.testing.assert_allclose(distribution.entropy().detach(), coins.entropy().sum(-1), rtol=1e-4)
    assert distribution.mode.flatten(1).tolist() == coins.median().tolist()


def test_a_fair_coin_has_a_mode() -> None:
    """It is one of its sides."""
    head = BernoulliHead(5, MultiBinary(3))
    assert head(torch.zeros(1, 5)).mode[0].tolist() in ([0, 0, 0], [1, 1, 1])


def test_initial_policies_are_undecided() -> None:
    """All actions are nearly equally probable, and all coins are nearly fair."""
    features = torch.randn(50, 64)
    choice: Any = CategoricalHead(64, Discrete(4))(features)
    assert choice.probs.sub(0.25).abs().max() < 0.02
    coins = BernoulliHead(64, MultiBinary(3))(features)
    torch.testing.assert_close(coins.mean, torch.full((50, 3), 0.5), atol=0.03, rtol=0)


@pytest.mark.parametrize("space", [PAIR, MultiDiscrete([2, 2]), MultiBinary(2), Dict({"a": Discrete(2)})])
def test_categorical_refuses_other_spaces(space: Space[Any]) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match="CategoricalHead needs Discrete actions, and the environment has"):
        CategoricalHead(5, space)


@pytest.mark.parametrize("space", [Discrete(2), PAIR, MultiDiscrete([2, 2])])
def test_bernoulli_refuses_other_spaces(space: Space[Any]) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match="BernoulliHead needs MultiBinary actions, and the environment has"):
        BernoulliHead(5, space)
