from __future__ import annotations

import functools
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from scipy import special, stats
from torch import Tensor

from lit_a3c.envs import EnvSpec
from lit_a3c.errors import ConfigError
from lit_a3c.heads import (
    ActionHead,
    BernoulliHead,
    BetaHead,
    CategoricalHead,
    GaussianHead,
    JointHead,
    MixtureHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
    default_head,
)

PAIR = Box(-1, 1, (2,), np.float32)
UNEQUAL = Box(np.array([-2, 0], np.float32), np.array([2, 0.5], np.float32))
TABLE = Box(-1, 1, (2, 3), np.float32)
NUMBER = Box(-1, 1, (), np.float32)
ROBOT = Tuple([MultiDiscrete([2, 3]), Dict({"switches": MultiBinary([2, 2]), "arm": UNEQUAL})])
BOX_HEADS = [
    GaussianHead,
    StateDependentGaussianHead,
    SphericalGaussianHead,
    SquashedGaussianHead,
    BetaHead,
    MixtureHead,
]
HEADS: list[tuple[type[ActionHead], Space[Any], tuple[int, ...]]] = [
    (CategoricalHead, Discrete(3), ()),
    (BernoulliHead, MultiBinary(3), (3,)),
    *((head, space, space.shape) for head in BOX_HEADS for space in (PAIR, TABLE, NUMBER)),
    (JointHead, MultiDiscrete([2, 3]), (2,)),
    (JointHead, ROBOT, (8,)),
]
"""Every head with a space and the shape of its actions."""

H = TypeVar("H", bound=ActionHead)

every_head = pytest.mark.parametrize(("kind", "space", "shape"), HEADS)


def wild(head: H) -> H:
    """The head with weights that matter."""
    with torch.no_grad():
        for p in head.parameters():
            p.copy_(torch.randn_like(p) * 0.7)
    return head


def affine(layer: torch.nn.Module, features: Tensor) -> np.ndarray:
    """A layer's output in double precision."""
    assert isinstance(layer, torch.nn.Linear)
    weight, bias = (parameter.detach().double().numpy() for parameter in (layer.weight, layer.bias))
    return features.double().numpy() @ weight.T + bias


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def mean_and_std(head: ActionHead, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """The Gaussian's parameters by their definition in double precision."""
    if isinstance(head, GaussianHead):
        mean, std = affine(head.mean, features), np.exp(head.log_std.detach().double().numpy())
    elif isinstance(head, StateDependentGaussianHead):
        mean, std = affine(head.mean, features), softplus(affine(head.raw_std, features)) + head.min_std
    else:
        assert isinstance(head, SphericalGaussianHead)
        variance = softplus(affine(head.raw_variance, features)) + head.min_variance
        mean, std = affine(head.mean, features), variance**0.5
    return mean, np.broadcast_to(std, mean.shape)


@every_head
@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
def test_batch_shapes_and_leading_dimensions(
    kind: type[ActionHead],
    space: Space[Any],
    shape: tuple[int, ...],
    lead: tuple[int, ...],
) -> None:
    """``[T, B, F]`` features give ``[T, B]`` densities, entropies, and actions of the space's shape."""
    distribution = wild(kind(5, space))(torch.randn(*lead, 5))
    action = distribution.sample()
    assert action.shape == distribution.mode.shape == (*lead, *shape)
    assert distribution.log_prob(action).shape == distribution.entropy().shape == lead


@every_head
def test_each_state_has_a_distribution_of_its_own(
    kind: type[ActionHead], space: Space[Any], shape: tuple[int, ...]
) -> None:
    """That of its features alone, wherever they stand among others."""
    head, features = wild(kind(5, space)), torch.randn(3, 4, 5)
    action = head(features).sample()
    together = head(features).log_prob(action)
    apart = torch.stack([head(features[:, i]).log_prob(action[:, i]) for i in range(4)], dim=1)
    torch.testing.assert_close(together, apart)
    assert together.unique().numel() > 1


@every_head
def test_gradients_reach_every_parameter(kind: type[ActionHead], space: Space[Any], shape: tuple[int, ...]) -> None:
    """From the density of the actions."""
    head = wild(kind(5, space))
    distribution = head(torch.randn(7, 5))
    distribution.log_prob(distribution.sample()).sum().backward()
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.all()] == []


@every_head
def test_weights_are_all_that_a_head_saves(kind: type[ActionHead], space: Space[Any], shape: tuple[int, ...]) -> None:
    """Loaded into another head, they give the same density; bounds are the space's."""
    head, other, features = wild(kind(5, space)), wild(kind(5, space)), torch.randn(7, 5)
    action = head(features).sample()
    assert not torch.allclose(other(features).log_prob(action), head(features).log_prob(action))
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(features).log_prob(action), head(features).log_prob(action))
    assert list(head.state_dict()) == [name for name, _ in head.named_parameters()]


@pytest.mark.parametrize(
    "space",
    [
        Discrete(3, start=1),
        PAIR,
        TABLE,
        NUMBER,
        MultiBinary(3),
        MultiBinary([2, 3]),
        MultiDiscrete([2, 3]),
        MultiDiscrete(np.array([[2, 3], [4, 5]])),
        ROBOT,
    ],
    ids=str,
)
def test_actions_are_the_tensors_that_the_environment_takes(space: Space[Any]) -> None:
    """In shape and type."""
    spec = EnvSpec("X-v0", PAIR, space)
    action = default_head(5, space)(torch.randn(4, 5)).sample()
    assert (action.shape, action.dtype) == ((4, *spec.action_shape), spec.action_dtype)


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


@pytest.mark.parametrize("head_class", [GaussianHead, StateDependentGaussianHead, SphericalGaussianHead])
def test_gaussian_equals_scipy(head_class: type[ActionHead]) -> None:
    """Density and entropy of the multivariate normal with diagonal covariance; the mode is the mean."""
    head, features = wild(head_class(5, PAIR)), torch.randn(6, 5)
    distribution, action = head(features), torch.rand(6, 2) * 2 - 1
    mean, std = mean_and_std(head, features)
    for i in range(6):
        normal = stats.multivariate_normal(mean[i], np.diag(std[i] ** 2))
        density = distribution.log_prob(action)[i].item()
        assert density == pytest.approx(normal.logpdf(action[i].numpy()), rel=1e-4, abs=1e-4)
        assert distribution.entropy()[i].item() == pytest.approx(normal.entropy(), rel=1e-4, abs=1e-4)
    np.testing.assert_allclose(distribution.mode.detach(), mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [GaussianHead, StateDependentGaussianHead])
@pytest.mark.parametrize("space", [UNEQUAL, Box(0, np.inf, (2,), np.float32)])
def test_gaussians_take_the_environments_clipping_into_account(kind: type[ActionHead], space: Box) -> None:
    """All actions beyond a bound, the space's own, are one; unless it is switched off, or there are no bounds."""
    features, far = torch.randn(6, 5), torch.full((6, 2), -3.0)
    head = wild(kind(5, space))
    mean, std = mean_and_std(head, features)
    expected = stats.norm.logcdf(space.low, mean, std).sum(-1)
    np.testing.assert_allclose(head(features).log_prob(far).detach(), expected, rtol=1e-3, atol=1e-4)
    plain = wild(kind(5, space, censored=False))
    mean, std = mean_and_std(plain, features)
    expected = stats.norm.logpdf(far.numpy(), mean, std).sum(-1)
    np.testing.assert_allclose(plain(features).log_prob(far).detach(), expected, rtol=1e-3, atol=1e-4)
    unbounded = kind(5, Box(-np.inf, np.inf, (2,), np.float32))(features)
    assert type(unbounded) is type(plain(features))


def test_a_gaussian_in_units_of_the_bounds() -> None:
    """1 is half the range, 0 its middle; a component that is not bounded on both sides keeps its own units."""
    infinity = np.inf
    space = Box(np.array([-0.4, 1, -infinity, 0], np.float32), np.array([0.4, 5, infinity, infinity], np.float32))
    head, features = wild(GaussianHead(5, space, init_log_std=-1, scale_to_bounds=True)), torch.randn(6, 5)
    distribution = head(features)
    middle, scale = np.array([0, 3, 0, 0]), np.array([0.4, 2, 1, 1])
    mean = middle + scale * affine(head.mean, features)
    np.testing.assert_allclose(distribution.mean.detach(), mean, rtol=1e-4, atol=1e-5)
    std = scale * np.exp(head.log_std.detach().numpy())
    np.testing.assert_allclose(distribution.stddev.detach(), np.broadcast_to(std, (6, 4)), rtol=1e-4)
    assert head.state_dict().keys() == GaussianHead(5, space).state_dict().keys()


@pytest.mark.parametrize("space", [MultiBinary(4), MultiBinary([2, 2])])
def test_bernoulli_equals_scipy(space: MultiBinary) -> None:
    """Independent coins of sigmoid(logit); the mode is the likelier side of each."""
    head, features = wild(BernoulliHead(5, space)), torch.randn(6, 5)
    distribution = head(features)
    action, coins = distribution.sample(), stats.bernoulli(special.expit(affine(head.logits, features)))
    expected = coins.logpmf(action.flatten(1).numpy()).sum(-1)
    np.testing.assert_allclose(distribution.log_prob(action).detach(), expected, rtol=1e-4)
    np.testing.assert_allclose(distribution.entropy().detach(), coins.entropy().sum(-1), rtol=1e-4)
    assert distribution.mode.flatten(1).tolist() == coins.median().tolist()


def test_squashed_gaussian_equals_scipy() -> None:
    """Before the tanh a Gaussian, mean by the state and sigma for all; after it, within the space's bounds."""
    head, features = wild(SquashedGaussianHead(5, UNEQUAL)), torch.randn(6, 5)
    y = np.random.uniform(-0.9, 0.9, (6, 2))
    normal = stats.norm(affine(head.mean, features), np.exp(head.log_std.detach().numpy()))
    expected = (normal.logpdf(np.arctanh(y)) - np.log([2, 0.25]) - np.log(1 - y**2)).sum(-1)
    action = torch.from_numpy([0, 0.25] + [2, 0.25] * y).float()
    np.testing.assert_allclose(head(features).log_prob(action).detach(), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(head(features).mode.detach(), [0, 0.25] + [2, 0.25] * np.tanh(normal.mean()), atol=1e-5)


def test_beta_equals_scipy() -> None:
    """Concentrations 1 + 2 softplus / log 2, the first half of the outputs alpha, the second beta."""
    head, features = wild(BetaHead(5, UNEQUAL)), torch.randn(6, 5)
    alpha, beta = np.split(1 + 2 * softplus(affine(head.raw, features)) / np.log(2), 2, axis=-1)
    reference = stats.beta(alpha, beta, loc=[-2, 0], scale=[4, 0.5])
    distribution = head(features)
    action = distribution.sample()
    expected = reference.logpdf(action.numpy()).sum(-1)
    np.testing.assert_allclose(distribution.log_prob(action).detach(), expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(distribution.entropy().detach(), reference.entropy().sum(-1), rtol=1e-3, atol=1e-4)


def test_mixture_equals_scipy() -> None:
    """Weights and means by the state, each component's means together; sigmas for all states."""
    head, features = wild(MixtureHead(5, PAIR, num_components=3)), torch.randn(6, 5)
    weights = special.softmax(affine(head.weights, features), axis=-1)
    means = affine(head.means, features).reshape(6, 3, 2)
    action = np.random.uniform(-2, 2, (6, 2))
    parts = stats.norm(means, np.exp(head.log_std.detach().numpy())).pdf(action[:, None]).prod(-1)
    density = head(features).log_prob(torch.from_numpy(action).float()).exp()
    np.testing.assert_allclose(density.detach(), (weights * parts).sum(-1), rtol=1e-3, atol=1e-6)
    best = head(features).mode.detach()
    np.testing.assert_allclose(best, means[range(6), weights.argmax(-1)], rtol=1e-3, atol=1e-4)


def test_one_variance_for_all_components() -> None:
    """The paper's: softplus of one output of the network; the standard deviation is its root."""
    head = SphericalGaussianHead(5, TABLE)
    torch.nn.init.zeros_(head.raw_variance.weight)
    torch.nn.init.constant_(head.raw_variance.bias, 3)
    assert head.raw_variance.out_features == 1
    variance = head(torch.randn(4, 5)).variance
    torch.testing.assert_close(variance, torch.full((4, 2, 3), 3.048587 + 1e-5))
    other = wild(SphericalGaussianHead(5, PAIR))(torch.randn(7, 5)).variance
    assert torch.equal(other[:, 0], other[:, 1])
    assert other.unique().numel() == 7


def test_joint_head_has_a_head_for_each_component() -> None:
    """By its kind, in the order of the flat vector: two choices, the arm, four switches. Densities are multiplied."""
    head, features = wild(JointHead(5, ROBOT)), torch.randn(6, 5)
    assert isinstance(head, JointHead)
    assert [type(part) for part in head.heads] == [CategoricalHead, CategoricalHead, GaussianHead, BernoulliHead]
    distribution = head(features)
    action = distribution.sample()
    pieces = [action[:, 0], action[:, 1], action[:, 2:4], action[:, 4:]]
    parts = [part(features) for part in head.heads]
    log_probs = [part.log_prob(piece) for part, piece in zip(parts, pieces, strict=True)]
    torch.testing.assert_close(distribution.log_prob(action), torch.stack(log_probs).sum(0))
    torch.testing.assert_close(distribution.entropy(), torch.stack([part.entropy() for part in parts]).sum(0))


def test_joint_head_takes_a_head_for_boxes() -> None:
    """And gives it the box; the other parts have theirs by kind."""
    head = JointHead(5, ROBOT, box=functools.partial(MixtureHead, num_components=4))
    assert [type(part) for part in head.heads] == [CategoricalHead, CategoricalHead, MixtureHead, BernoulliHead]
    mixture = head.heads[2]
    assert isinstance(mixture, MixtureHead)
    assert mixture.log_std.shape == (4, 2)


def test_samples_have_the_distributions_moments() -> None:
    """Frequencies of actions; mean and sd of components, each at its place in the action."""
    features, n = torch.randn(1, 5), 20_000
    categorical = wild(CategoricalHead(5, Discrete(3)))
    draws = categorical(features.expand(n, 5)).sample()
    frequencies = torch.bincount(draws, minlength=3) / n
    torch.testing.assert_close(frequencies, categorical.logits(features)[0].softmax(-1).detach(), atol=0.015, rtol=0)
    for head in (wild(GaussianHead(5, TABLE)), wild(StateDependentGaussianHead(5, PAIR))):
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


def test_initial_policies_of_bounded_actions_are_undecided() -> None:
    """Centred between the bounds; coins are nearly fair; one variance of softplus(0)."""
    features, middle = torch.randn(50, 64), torch.tensor([0, 0.25]).expand(50, 2)
    for head in (SquashedGaussianHead(64, UNEQUAL), BetaHead(64, UNEQUAL)):
        torch.testing.assert_close(head(features).mode, middle, atol=0.2, rtol=0)
    for c in (1.5, 3.0, 20.0):
        width = BetaHead(64, UNEQUAL, init_concentration=c)(features).unit.stddev * 2  # in units of half the range
        torch.testing.assert_close(width, torch.full((50, 2), (2 * c + 1) ** -0.5), atol=0.02, rtol=0)
    coins = BernoulliHead(64, MultiBinary(3))(features)
    torch.testing.assert_close(coins.mean, torch.full((50, 3), 0.5), atol=0.03, rtol=0)
    spherical = SphericalGaussianHead(64, PAIR)(features)
    torch.testing.assert_close(spherical.variance, torch.full((50, 2), 0.693), atol=0.05, rtol=0)


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
    """Evenly over the space, or over [-1, 1] where it has no bounds; none is preferred."""
    features = torch.randn(50, 64)
    distribution = MixtureHead(64, space, init_log_std=-1)(features)
    expected = torch.tensor(means).expand(50, 3, *space.shape)
    torch.testing.assert_close(distribution.component_distribution.mean, expected, atol=0.15, rtol=0)
    torch.testing.assert_close(
        distribution.component_distribution.stddev, torch.full((50, 3, *space.shape), float(np.exp(-1)))
    )
    assert distribution.mixture_distribution.probs.sub(1 / 3).abs().max() < 0.03
    assert MixtureHead(64, space, num_components=1)(features).mode.sub(expected[:, 1]).abs().max() < 0.15


def test_a_fair_coin_has_a_mode() -> None:
    """One of its sides."""
    head = BernoulliHead(5, MultiBinary(3))
    assert head(torch.zeros(1, 5)).mode[0].tolist() in ([0, 0, 0], [1, 1, 1])


def test_a_flat_beta_has_a_mode() -> None:
    """Within the bounds."""
    head = BetaHead(5, PAIR)
    torch.nn.init.constant_(head.raw.bias, -20)
    assert head(torch.zeros(1, 5)).mode.abs().max() <= 1


def test_which_parameters_set_the_scale() -> None:
    """One shared vector or an output of the network."""
    features = torch.randn(7, 5)
    shared, own = wild(GaussianHead(5, PAIR)), wild(StateDependentGaussianHead(5, PAIR))
    assert shared(features).stddev.unique(dim=0).shape == (1, 2)
    assert own(features).stddev.unique(dim=0).shape == (7, 2)


def test_scales_by_the_state_have_a_floor() -> None:
    """min_std or min_variance, however negative the output."""
    head = StateDependentGaussianHead(5, PAIR, min_std=0.25)
    torch.nn.init.constant_(head.raw_std.bias, -100)
    torch.testing.assert_close(head(torch.randn(3, 5)).stddev, torch.full((3, 2), 0.25))
    spherical = SphericalGaussianHead(5, PAIR, min_variance=0.25)
    torch.nn.init.constant_(spherical.raw_variance.bias, -100)
    torch.testing.assert_close(spherical(torch.randn(3, 5)).stddev, torch.full((3, 2), 0.5))


@pytest.mark.parametrize("space", [PAIR, MultiDiscrete([2, 2]), MultiBinary(2), Dict({"a": Discrete(2)})])
def test_categorical_refuses_other_spaces(space: Space) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match="CategoricalHead needs Discrete actions, and the environment has"):
        CategoricalHead(5, space)


@pytest.mark.parametrize("space", [Discrete(2), MultiDiscrete([2, 2]), MultiBinary(2)])
@pytest.mark.parametrize("head", BOX_HEADS)
def test_gaussians_refuse_other_spaces(head: type[ActionHead], space: Space) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match=f"{head.__name__} needs Box actions"):
        head(5, space)


@pytest.mark.parametrize("space", [Discrete(2), PAIR, MultiDiscrete([2, 2])])
def test_bernoulli_refuses_other_spaces(space: Space) -> None:
    """The message has the space."""
    with pytest.raises(ConfigError, match="BernoulliHead needs MultiBinary actions, and the environment has"):
        BernoulliHead(5, space)


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), (0, np.inf), (-np.inf, 0)])
@pytest.mark.parametrize("head", [SquashedGaussianHead, BetaHead])
def test_bounded_heads_refuse_spaces_without_bounds(head: type[ActionHead], bounds: tuple[float, float]) -> None:
    """By their own names; one component is enough."""
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
def test_heads_refuse_bad_numbers(head: type[ActionHead], name: str, value: float) -> None:
    """By the name of the flag."""
    with pytest.raises(ConfigError, match=rf"model\.head\.{name} {value}"):
        head(5, PAIR, **{name: value})


@pytest.mark.parametrize(
    ("space", "kind"),
    [
        (Discrete(2), CategoricalHead),
        (PAIR, GaussianHead),
        (MultiBinary(2), BernoulliHead),
        (MultiDiscrete([2, 3]), JointHead),
        (Tuple([Discrete(2), PAIR]), JointHead),
        (Dict({"a": Discrete(2)}), JointHead),
    ],
)
def test_default_head_follows_the_space(space: Space, kind: type[ActionHead]) -> None:
    """One head by the kind, or one for each component."""
    assert type(default_head(5, space)) is kind
