from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from scipy import special, stats

from lit_a3c.networks.heads import (
    BetaHead,
    GaussianHead,
    MixtureHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)
from lit_a3c.utils.errors import ConfigError
from tests.networks.heads.cases import (
    BOX_HEADS,
    NUMBER,
    PAIR,
    TABLE,
    UNEQUAL,
    affine,
    mean_and_std,
    randomized,
    softplus,
)


@pytest.mark.parametrize("kind", [GaussianHead, StateDependentGaussianHead, SphericalGaussianHead])
def test_gaussian_equals_scipy(kind: Any) -> None:
    """Density and entropy are those of the normal with diagonal covariance; the mode is the mean."""
    head, features = randomized(kind(5, PAIR)), torch.randn(6, 5)
    distribution, action = head(features), torch.rand(6, 2) * 2 - 1
    mean, std = mean_and_std(head, features)
    for i in range(6):
        normal = stats.multivariate_normal(mean[i], np.diag(std[i] ** 2))
        density = distribution.log_prob(action)[i].item()
        assert density == pytest.approx(normal.logpdf(action[i].numpy()), rel=1e-4, abs=1e-4)
        assert distribution.entropy()[i].item() == pytest.approx(normal.entropy(), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(distribution.mode.detach(), mean, rtol=1e-4, atol=1e-5)


def test_draws_have_the_gaussians_moments() -> None:
    """Mean and sd are right for each component, at its place in the action."""
    features, n = torch.randn(1, 5), 20_000
    for head in (randomized(GaussianHead(5, TABLE)), randomized(StateDependentGaussianHead(5, PAIR))):
        draws = head(features.expand(n, 5)).sample().flatten(1)
        mean, std = mean_and_std(head, features)
        np.testing.assert_allclose(draws.mean(0), mean[0], atol=5 * std.max() / n**0.5)
        np.testing.assert_allclose(draws.std(0), std[0], rtol=0.04)


@pytest.mark.parametrize("kind", [GaussianHead, StateDependentGaussianHead])
@pytest.mark.parametrize("space", [UNEQUAL, Box(0, np.inf, (2,), np.float32)])
def test_gaussians_take_the_environments_clipping_into_account(kind: Any, space: Box) -> None:
    """All actions beyond a bound of the space are one, unless that is switched off or there are no bounds."""
    features, far = torch.randn(6, 5), torch.full((6, 2), -3.0)
    head = randomized(kind(5, space))
    mean, std = mean_and_std(head, features)
    expected = stats.norm.logcdf(space.low, mean, std).sum(-1)
    np.testing.assert_allclose(head(features).log_prob(far).detach(), expected, rtol=1e-3, atol=1e-4)
    plain = randomized(kind(5, space, censored=False))
    mean, std = mean_and_std(plain, features)
    expected = stats.norm.logpdf(far.numpy(), mean, std).sum(-1)
    np.testing.assert_allclose(plain(features).log_prob(far).detach(), expected, rtol=1e-3, atol=1e-4)
    unbounded = kind(5, Box(-np.inf, np.inf, (2,), np.float32))(features)
    assert type(unbounded) is type(plain(features))


def test_a_gaussian_in_units_of_the_bounds() -> None:
    """1 is half the range, 0 its middle. A component that is not bounded on both sides keeps its own units."""
    infinity = np.inf
    space = Box(np.array([-0.4, 1, -infinity, 0], np.float32), np.array([0.4, 5, infinity, infinity], np.float32))
    head, features = randomized(GaussianHead(5, space, init_log_std=-1, scale_to_bounds=True)), torch.randn(6, 5)
    distribution = head(features)
    middle, scale = np.array([0, 3, 0, 0]), np.array([0.4, 2, 1, 1])
    mean = middle + scale * affine(head.mean, features)
    np.testing.assert_allclose(distribution.mean.detach(), mean, rtol=1e-4, atol=1e-5)
    std = scale * np.exp(head.log_std.detach().numpy())
    np.testing.assert_allclose(distribution.stddev.detach(), np.broadcast_to(std, (6, 4)), rtol=1e-4)
    assert head.state_dict().keys() == GaussianHead(5, space).state_dict().keys()


def test_which_parameters_set_the_scale() -> None:
    """It is one vector for all states, or an output of the network."""
    features = torch.randn(7, 5)
    shared, own = randomized(GaussianHead(5, PAIR)), randomized(StateDependentGaussianHead(5, PAIR))
    assert shared(features).stddev.unique(dim=0).shape == (1, 2)
    assert own(features).stddev.unique(dim=0).shape == (7, 2)


def test_one_variance_for_all_components() -> None:
    """The paper's variance is softplus of one output of the network."""
    head = SphericalGaussianHead(5, TABLE)
    torch.nn.init.zeros_(head.raw_variance.weight)
    torch.nn.init.constant_(head.raw_variance.bias, 3)
    assert head.raw_variance.out_features == 1
    variance = head(torch.randn(4, 5)).variance
    torch.testing.assert_close(variance, torch.full((4, 2, 3), 3.048587 + 1e-5))
    other = randomized(SphericalGaussianHead(5, PAIR))(torch.randn(7, 5)).variance
    assert torch.equal(other[:, 0], other[:, 1])
    assert other.unique().numel() == 7


def test_scales_by_the_state_have_a_smallest_value() -> None:
    """It is min_std or min_variance, however negative the output is."""
    head = StateDependentGaussianHead(5, PAIR, min_std=0.25)
    torch.nn.init.constant_(head.raw_std.bias, -100)
    torch.testing.assert_close(head(torch.randn(3, 5)).stddev, torch.full((3, 2), 0.25))
    spherical = SphericalGaussianHead(5, PAIR, min_variance=0.25)
    torch.nn.init.constant_(spherical.raw_variance.bias, -100)
    torch.testing.assert_close(spherical(torch.randn(3, 5)).stddev, torch.full((3, 2), 0.5))


def test_initial_gaussians_are_undecided() -> None:
    """They are centred at zero with the given scale. The one variance is softplus(0)."""
    features = torch.randn(50, 64)
    gaussian = GaussianHead(64, PAIR, init_log_std=-0.5)(features)
    assert gaussian.mean.abs().max() < 0.1
    torch.testing.assert_close(gaussian.stddev, torch.full((50, 2), float(np.exp(-0.5))))
    spherical = SphericalGaussianHead(64, PAIR)(features)
    torch.testing.assert_close(spherical.variance, torch.full((50, 2), 0.693), atol=0.05, rtol=0)


def test_squashed_gaussian_equals_scipy() -> None:
    """Before the tanh it is a Gaussian, mean by the state and sigma for all. After it, it is within the bounds."""
    head, features = randomized(SquashedGaussianHead(5, UNEQUAL)), torch.randn(6, 5)
    y = np.random.uniform(-0.9, 0.9, (6, 2))
    normal = stats.norm(affine(head.mean, features), np.exp(head.log_std.detach().numpy()))
    expected = (normal.logpdf(np.arctanh(y)) - np.log([2, 0.25]) - np.log(1 - y**2)).sum(-1)
    action = torch.from_numpy([0, 0.25] + [2, 0.25] * y).float()
    np.testing.assert_allclose(head(features).log_prob(action).detach(), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(head(features).mode.detach(), [0, 0.25] + [2, 0.25] * np.tanh(normal.mean()), atol=1e-5)


def test_beta_equals_scipy() -> None:
    """Concentrations are 1 + 2 softplus / log 2 of the outputs: the first half alpha, the second beta."""
    head, features = randomized(BetaHead(5, UNEQUAL)), torch.randn(6, 5)
    alpha, beta = np.split(1 + 2 * softplus(affine(head.raw, features)) / np.log(2), 2, axis=-1)
    reference = stats.beta(alpha, beta, loc=[-2, 0], scale=[4, 0.5])
    distribution = head(features)
    action = distribution.sample()
    expected = reference.logpdf(action.numpy()).sum(-1)
    np.testing.assert_allclose(distribution.log_prob(action).detach(), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(distribution.entropy().detach(), reference.entropy().sum(-1), rtol=1e-3, atol=1e-4)


def test_a_flat_beta_has_a_mode() -> None:
    """It is within the bounds."""
    head = BetaHead(5, PAIR)
    torch.nn.init.constant_(head.raw.bias, -20)
    assert head(torch.zeros(1, 5)).mode.abs().max() <= 1


def test_initial_policies_of_bounded_actions_are_undecided() -> None:
    """They are centred between the bounds, and a Beta has the width that its concentration gives."""
    features, middle = torch.randn(50, 64), torch.tensor([0, 0.25]).expand(50, 2)
    for head in (SquashedGaussianHead(64, UNEQUAL), BetaHead(64, UNEQUAL)):
        torch.testing.assert_close(head(features).mode, middle, atol=0.2, rtol=0)
    for c in (1.5, 3.0, 20.0):
        beta: Any = BetaHead(64, UNEQUAL, init_concentration=c)(features)
        width = beta.unit.stddev * 2  # in units of half the range
        torch.testing.assert_close(width, torch.full((50, 2), (2 * c + 1) ** -0.5), atol=0.02, rtol=0)


def test_mixture_equals_scipy() -> None:
    """Weights and means depend on the state, each component's means together. Sigmas are the same for all states."""
    head, features = randomized(MixtureHead(5, PAIR, num_components=3)), torch.randn(6, 5)
    weights = special.softmax(affine(head.weights, features), axis=-1)
    means = affine(head.means, features).reshape(6, 3, 2)
    action = np.random.uniform(-2, 2, (6, 2))
    parts = stats.norm(means, np.exp(head.log_std.detach().numpy())).pdf(action[:, None]).prod(-1)
    density = head(features).log_prob(torch.from_numpy(action).float()).exp()
    np.testing.assert_allclose(density.detach(), (weights * parts).sum(-1), rtol=1e-3, atol=1e-6)
    best = head(features).mode.detach()
    np.testing.assert_allclose(best, means[range(6), weights.argmax(-1)], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("space", "means"),
    [
        (PAIR, [[-2 / 3, -2 / 3], [0, 0], [2 / 3, 2 / 3]]),
        (UNEQUAL, [[-4 / 3, 1 / 12], [0, 3 / 12], [4 / 3, 5 / 12]]),
        (Box(-np.inf, np.inf, (1,), np.float32), [[-2 / 3], [0], [2 / 3]]),
        (Box(0, np.inf, (1,), np.float32), [[-2 / 3], [0], [2 / 3]]),
        (Box(-np.inf, 5, (1,), np.float32), [[-2 / 3], [0], [2 / 3]]),
        (NUMBER, [-2 / 3, 0, 2 / 3]),
    ],
    ids=str,
)
def test_a_mixtures_means_begin_spread(space: Box, means: list[Any]) -> None:
    """They lie evenly in the space, or in [-1, 1] where it has no bounds. None of them is preferred."""
    features = torch.randn(50, 64)
    distribution: Any = MixtureHead(64, space, init_log_std=-1)(features)
    expected = torch.tensor(means).expand(50, 3, *space.shape)
    components = distribution.component_distribution
    torch.testing.assert_close(components.mean, expected, atol=0.15, rtol=0)
    torch.testing.assert_close(components.stddev, torch.full((50, 3, *space.shape), float(np.exp(-1))))
    assert distribution.mixture_distribution.probs.sub(1 / 3).abs().max() < 0.03
    assert MixtureHead(64, space, num_components=1)(features).mode.sub(expected[:, 1]).abs().max() < 0.15


@pytest.mark.parametrize("space", [Discrete(2), MultiDiscrete([2, 2]), MultiBinary(2)])
@pytest.mark.parametrize("head", BOX_HEADS)
def test_other_spaces_are_refused(head: Any, space: Space[Any]) -> None:
    """The message has the name of the head."""
    with pytest.raises(ConfigError, match=f"{head.__name__} needs Box actions"):
        head(5, space)


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, np.inf), (-np.inf, 0)])
@pytest.mark.parametrize("head", [SquashedGaussianHead, BetaHead])
def test_bounded_heads_refuse_spaces_without_bounds(head: Any, bounds: tuple[float, float]) -> None:
    """One component without bounds is enough. The message names a head that fits."""
    low, high = (np.array([inside, bound], np.float32) for inside, bound in zip((-1, 1), bounds, strict=True))
    with pytest.raises(ConfigError, match=rf"{head.__name__} needs finite bounds.*inf.*lit_a3c\.GaussianHead"):
        head(5, Box(low, high))


@pytest.mark.parametrize(
    ("head", "name", "value"),
    [
        (GaussianHead, "init_log_std", 99),
        (SquashedGaussianHead, "init_log_std", 99),
        (MixtureHead, "init_log_std", float("nan")),
        (StateDependentGaussianHead, "min_std", 0),
        (SphericalGaussianHead, "min_variance", 0),
        (MixtureHead, "num_components", 0),
        (MixtureHead, "num_components", 2.5),
        (BetaHead, "init_concentration", 1),
    ],
)
def test_bad_numbers_are_refused(head: Any, name: str, value: float) -> None:
    """The message has the name of the option."""
    with pytest.raises(ConfigError, match=rf"model\.head\.{name} {value}"):
        head(5, PAIR, **{name: value})
