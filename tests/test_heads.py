from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space
from scipy import stats
from torch import Tensor

from lit_a3c.errors import ConfigError
from lit_a3c.heads import ActionHead, CategoricalHead, GaussianHead, StateDependentGaussianHead, default_head

PAIR = Box(-1, 1, (2,), np.float32)


def wild(head: ActionHead) -> ActionHead:
    """The head with weights that matter."""
    with torch.no_grad():
        for p in head.parameters():
            p.copy_(torch.randn_like(p) * 0.7)
    return head


def heads() -> list[tuple[ActionHead, tuple[int, ...]]]:
    """Every head with the shape of its actions."""
    return [
        (wild(CategoricalHead(5, Discrete(3))), ()),
        (wild(GaussianHead(5, PAIR)), (2,)),
        (wild(StateDependentGaussianHead(5, PAIR)), (2,)),
        (wild(GaussianHead(5, Box(-1, 1, (2, 3), np.float32))), (2, 3)),
        (wild(StateDependentGaussianHead(5, Box(-1, 1, (), np.float32))), ()),
    ]


def mean_and_std(head: ActionHead, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The Gaussian's parameters by their definition in double precision."""
    x = features.double().numpy()
    assert isinstance(head, GaussianHead | StateDependentGaussianHead)

    def affine(layer: torch.nn.Linear) -> np.ndarray:
        return x @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()

    if isinstance(head, GaussianHead):
        std = np.exp(head.log_std.detach().double().numpy())
        return affine(head.mean), np.broadcast_to(std, affine(head.mean).shape)
    return affine(head.mean), np.log1p(np.exp(affine(head.raw_std))) + head.min_std


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
def test_batch_shapes_and_leading_dimensions(lead: tuple[int, ...]) -> None:
    """``[T, B, F]`` features give ``[T, B]`` densities, entropies, and actions of the space's shape."""
    for head, shape in heads():
        distribution = head(torch.randn(*lead, 5))
        action = distribution.sample()
        assert action.shape == distribution.mode.shape == (*lead, *shape)
        assert distribution.log_prob(action).shape == distribution.entropy().shape == lead


def test_categorical_equals_scipy() -> None:
    """Log-probabilities, entropy and mode of softmax(logits)."""
    head, features = wild(CategoricalHead(5, Discrete(3))), torch.randn(6, 5)
    distribution = head(features)
    probabilities = head.logits(features).detach().double().softmax(-1).numpy()
    for a in range(3):
        expected = np.log(probabilities[:, a])
        np.testing.assert_allclose(distribution.log_prob(torch.full((6,), a)).detach(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(distribution.entropy().detach(), stats.entropy(probabilities, axis=-1), rtol=1e-4)
    assert distribution.mode.tolist() == probabilities.argmax(-1).tolist()


@pytest.mark.parametrize("head_class", [GaussianHead, StateDependentGaussianHead])
def test_gaussian_equals_scipy(head_class: type[ActionHead]) -> None:
    """Density and entropy of the multivariate normal with diagonal covariance; the mode is the mean."""
    head, features = wild(head_class(5, PAIR)), torch.randn(6, 5)
    distribution, action = head(features), torch.randn(6, 2)
    mean, std = mean_and_std(head, features)
    for i in range(6):
        normal = stats.multivariate_normal(mean[i], np.diag(std[i] ** 2))
        density = distribution.log_prob(action)[i].item()
        assert density == pytest.approx(normal.logpdf(action[i].numpy()), rel=1e-4, abs=1e-4)
        assert distribution.entropy()[i].item() == pytest.approx(normal.entropy(), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(distribution.mode.detach(), mean, rtol=1e-4, atol=1e-5)


def test_samples_have_the_distributions_moments() -> None:
    """Frequencies of actions; mean and sd of components, each at its place in the action."""
    features, n = torch.randn(1, 5), 20_000
    categorical = wild(CategoricalHead(5, Discrete(3)))
    draws = categorical(features.expand(n, 5)).sample()
    frequencies = torch.bincount(draws, minlength=3) / n
    torch.testing.assert_close(frequencies, categorical.logits(features)[0].softmax(-1).detach(), atol=0.015, rtol=0)
    for head in (wild(GaussianHead(5, Box(-1, 1, (2, 2), np.float32))), wild(StateDependentGaussianHead(5, PAIR))):
        draws = head(features.expand(n, 5)).sample().flatten(1)
        mean, std = mean_and_std(head, features)
        np.testing.assert_allclose(draws.mean(0), mean[0], atol=5 * std.max() / n**0.5)
        np.testing.assert_allclose(draws.std(0), std[0], rtol=0.04)


def test_initial_policies_are_undecided() -> None:
    """Near uniform, and centred at zero with the given scale."""
    features = torch.randn(50, 64)
    assert CategoricalHead(64, Discrete(4))(features).probs.sub(0.25).abs().max() < 0.02
    gaussian = GaussianHead(64, PAIR, init_log_std=-0.5)(features)
    assert gaussian.mean.abs().max() < 0.1
    torch.testing.assert_close(gaussian.stddev, torch.full((50, 2), float(np.exp(-0.5))))


def test_which_parameters_set_the_scale() -> None:
    """One shared vector or an output of the network, and a gradient reaches it from the density."""
    features = torch.randn(7, 5)
    shared, own = wild(GaussianHead(5, PAIR)), wild(StateDependentGaussianHead(5, PAIR))
    assert shared(features).stddev.unique(dim=0).shape == (1, 2)
    assert own(features).stddev.unique(dim=0).shape == (7, 2)
    for head in (shared, own):
        head(features).log_prob(torch.zeros(7, 2)).sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in head.parameters())


def test_the_state_dependent_scale_has_a_floor() -> None:
    """min_std, however negative the output."""
    head = StateDependentGaussianHead(5, PAIR, min_std=0.25)
    torch.nn.init.constant_(head.raw_std.bias, -100)
    torch.testing.assert_close(head(torch.randn(3, 5)).stddev, torch.full((3, 2), 0.25))


@pytest.mark.parametrize("space", [PAIR, MultiDiscrete([2, 2]), MultiBinary(2), Dict({"a": Discrete(2)})])
def test_categorical_refuses_other_spaces(space: Space) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match="CategoricalHead needs Discrete actions, and the environment has"):
        CategoricalHead(5, space)


@pytest.mark.parametrize("space", [Discrete(2), MultiDiscrete([2, 2]), MultiBinary(2)])
@pytest.mark.parametrize("head", [GaussianHead, StateDependentGaussianHead])
def test_gaussians_refuse_other_spaces(head: type[ActionHead], space: Space) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match="A Gaussian head needs Box actions"):
        head(5, space)


def test_gaussians_refuse_bad_numbers() -> None:
    """By the name of the flag."""
    with pytest.raises(ConfigError, match=r"model\.head\.init_log_std 99"):
        GaussianHead(5, PAIR, init_log_std=99)
    with pytest.raises(ConfigError, match=r"model\.head\.min_std 0"):
        StateDependentGaussianHead(5, PAIR, min_std=0)


def test_default_head_follows_the_space() -> None:
    """Categorical or Gaussian; what fits neither is refused."""
    assert isinstance(default_head(5, Discrete(2)), CategoricalHead)
    assert isinstance(default_head(5, PAIR), GaussianHead)
    with pytest.raises(ConfigError):
        default_head(5, MultiBinary(2))
