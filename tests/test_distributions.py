from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal

from lit_a3c.distributions import (
    CensoredGaussian,
    DiagonalGaussian,
    GaussianMixture,
    Joint,
    ScaledBeta,
    SquashedGaussian,
)

DRAWS = 200_000
LEADS = [(), (5,), (4, 3)]
EVENTS = [(), (2,), (2, 3)]


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def uniform(low: float, high: float, *shape: int) -> Tensor:
    return low + (high - low) * torch.rand(shape, dtype=torch.float64)


def mixture(logits: Tensor, means: Tensor, stds: Tensor) -> GaussianMixture:
    """Of batch shape ``logits.shape[:-1]``."""
    components = Independent(Normal(means, stds), means.ndim - logits.ndim)
    return GaussianMixture(Categorical(logits=logits), components, validate_args=False)


def squashed_density(a: np.ndarray, mean: np.ndarray, std: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """By the change of variables: that of x over |da/dx|."""
    half_width = (high - low) / 2
    y = (a - (low + high) / 2) / half_width
    return stats.norm.pdf(np.arctanh(y), mean, std) / (half_width * (1 - y**2))


# Every distribution in many shapes.


class Case(NamedTuple):
    """A distribution, and what scipy says of it."""

    distribution: Distribution
    log_density: Callable[[np.ndarray], np.ndarray]
    low: Tensor
    high: Tensor


def squashed_case(lead: tuple[int, ...], event: tuple[int, ...]) -> Case:
    low, high = uniform(-3, -1, *event), uniform(0, 2, *event)
    mean, std = uniform(-1, 1, *lead, *event), uniform(0.3, 1.5, *lead, *event)

    def log_density(a: np.ndarray) -> np.ndarray:
        density = squashed_density(a, mean.numpy(), std.numpy(), low.numpy(), high.numpy())
        return np.log(density).sum(tuple(range(-len(event), 0)))

    return Case(SquashedGaussian(mean, std, low, high), log_density, low, high)


def beta_case(lead: tuple[int, ...], event: tuple[int, ...]) -> Case:
    low, high = uniform(-3, -1, *event), uniform(0, 2, *event)
    alpha, beta = uniform(1.1, 5, *lead, *event), uniform(1.1, 5, *lead, *event)

    def log_density(a: np.ndarray) -> np.ndarray:
        density = stats.beta.logpdf(a, alpha.numpy(), beta.numpy(), loc=low.numpy(), scale=(high - low).numpy())
        return density.sum(tuple(range(-len(event), 0)))

    return Case(ScaledBeta(alpha, beta, low, high), log_density, low, high)


def mixture_case(lead: tuple[int, ...], event: tuple[int, ...]) -> Case:
    logits = uniform(-1, 1, *lead, 3)
    means, stds = uniform(-2, 2, *lead, 3, *event), uniform(0.3, 1.5, *lead, 3, *event)

    def log_density(a: np.ndarray) -> np.ndarray:
        weights = special.softmax(logits.numpy(), axis=-1)
        total = np.zeros(lead)
        for k in range(3):
            normal = stats.norm(means.select(len(lead), k).numpy(), stds.select(len(lead), k).numpy())
            total = total + weights[..., k] * normal.pdf(a).prod(tuple(range(-len(event), 0)))
        return np.log(total)

    return Case(mixture(logits, means, stds), log_density, uniform(-3, -3, *event), uniform(3, 3, *event))


CASES = [squashed_case, beta_case, mixture_case]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_densities_of_any_shape_equal_scipys(
    case: Callable[..., Case], lead: tuple[int, ...], event: tuple[int, ...]
) -> None:
    """One density per batch element, over all components of the action, each with bounds of its own."""
    distribution, log_density, low, high = case(lead, event)
    action = low + (high - low) * uniform(0.01, 0.99, *lead, *event)
    np.testing.assert_allclose(distribution.log_prob(action), log_density(action.numpy()), rtol=1e-9)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_shapes(case: Callable[..., Case], lead: tuple[int, ...], event: tuple[int, ...]) -> None:
    """Actions have batch and event shape, with sample shape in front; densities and entropies the batch's."""
    distribution = case(lead, event).distribution
    assert (distribution.batch_shape, distribution.event_shape) == (lead, event)
    assert distribution.sample().shape == distribution.mode.shape == (*lead, *event)
    draws = distribution.sample(torch.Size([7]))
    assert draws.shape == (7, *lead, *event)
    assert distribution.log_prob(draws).shape == (7, *lead)
    assert distribution.entropy().shape == lead


# Single numbers, where integrals are easy.


class Family(NamedTuple):
    """Distributions of one number."""

    make: Callable[..., Distribution]
    density: Callable[..., np.ndarray]
    """Of an action and the parameters, by scipy."""
    parameters: list[Tensor]
    low: float
    high: float

    def one(self) -> Distribution:
        """Of batch shape ``[1]``."""
        return self.make(*(parameter.unsqueeze(0) for parameter in self.parameters))

    def grid(self) -> tuple[np.ndarray, float]:
        """Middles of small intervals over the support, and their length."""
        step = (self.high - self.low) / 20_000
        return self.low + step * (np.arange(20_000) + 0.5), step

    def entropy(self, parameters: list[Tensor]) -> float:
        """Minus the integral of p log p."""
        a, step = self.grid()
        p = self.density(a, *(parameter.numpy() for parameter in parameters))
        return float(special.entr(p).sum() * step)


LOW, HIGH = torch.tensor(-1.0, dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)


def make_squashed(mean: Tensor, std: Tensor) -> Distribution:
    return SquashedGaussian(mean, std, LOW, HIGH)


def make_beta(alpha: Tensor, beta: Tensor) -> Distribution:
    return ScaledBeta(alpha, beta, LOW, HIGH)


def density_of_squashed(a: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return squashed_density(a, mean, std, np.array(-1.0), np.array(2.0))


def density_of_beta(a: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    return stats.beta.pdf(a, alpha, beta, loc=-1, scale=3)


def density_of_mixture(a: np.ndarray, logits: np.ndarray, means: np.ndarray, stds: np.ndarray) -> np.ndarray:
    return stats.norm.pdf(a[:, None], means, stds) @ special.softmax(logits)


def scalar(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


SQUASHED = {
    "squashed": Family(make_squashed, density_of_squashed, [scalar(0.4), scalar(0.6)], -1, 2),
    "squashed with two peaks": Family(make_squashed, density_of_squashed, [scalar(-0.3), scalar(1.0)], -1, 2),
}
BETA = {"beta": Family(make_beta, density_of_beta, [scalar(2.5), scalar(1.7)], -1, 2)}
MIXTURES = {
    "mixture": Family(
        mixture, density_of_mixture, [double(0.5, -0.5, 0), double(-2, 0.3, 1.5), double(0.4, 0.8, 0.5)], -8, 8
    ),
    "mixture of far parts": Family(mixture, density_of_mixture, [double(1, 0), double(-6, 6), double(1, 0.2)], -15, 15),
    "mixture of equals": Family(mixture, density_of_mixture, [double(0, 0), double(1, 1), double(0.7, 0.7)], -8, 8),
}
ESTIMATED = SQUASHED | MIXTURES
FAMILIES = ESTIMATED | BETA


@pytest.mark.parametrize("name", FAMILIES)
def test_densities_integrate_to_one(name: str) -> None:
    """And are scipy's everywhere."""
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
    """Kolmogorov's test against the integrated density; mean and standard deviation."""
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


def assert_mean(draws: Tensor, expected: float) -> None:
    """The mean of draws is the expected one, up to five standard errors, which are small."""
    error = draws.std().item() / len(draws) ** 0.5
    assert error < 0.01
    assert draws.mean().item() == pytest.approx(expected, abs=5 * error + 1e-6)


@pytest.mark.parametrize("name", ESTIMATED)
def test_estimated_entropies_are_right_on_average(name: str) -> None:
    """Unbiased, in value and in the gradient by every parameter: finite differences of the integrated entropy."""
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
    """Scipy's, the integral's, and over many components their sum; log(width) alone for the uniform one."""
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
    """Each with its own mean, sigma and width."""
    mean, std = double(0.4, -0.3), double(0.6, 1.0)
    low, high = double(-1, -1), double(2, 5)
    entropy = SquashedGaussian(mean.expand(DRAWS, 2), std.expand(DRAWS, 2), low, high).entropy()
    first, second = (family.entropy(family.parameters) for family in SQUASHED.values())
    assert_mean(entropy, first + second + math.log(2))  # the second is twice as wide here


def test_the_entropy_of_a_mixture_of_vectors() -> None:
    """Far apart, it is that of the choice and of the component: log 2 + (2/2) log(2 pi e) + log(0.5 * 2)."""
    means, stds = double(-50, 50, 50, -50).view(2, 2), double(0.5, 2, 0.5, 2).view(2, 2)
    entropy = mixture(torch.zeros(DRAWS, 2), means.expand(DRAWS, 2, 2), stds.expand(DRAWS, 2, 2)).entropy()
    assert_mean(entropy, math.log(2) + math.log(2 * math.pi * math.e))


@pytest.mark.parametrize("event", EVENTS)
def test_gradients_of_densities(event: tuple[int, ...]) -> None:
    """By every parameter and by the action; finite differences."""
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


# Gaussians.


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_a_diagonal_gaussian_is_torchs(lead: tuple[int, ...], event: tuple[int, ...]) -> None:
    """Densities, entropies, their gradients, moments, and the draws of one seed."""
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


# What the environment clips.


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("event", EVENTS)
def test_clipped_actions_have_the_probability_of_a_tail(lead: tuple[int, ...], event: tuple[int, ...]) -> None:
    """Scipy's: a density inside, the tail's probability at a bound and beyond; bounds may be infinite."""
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
    """Of any reward of the action as the environment takes it, by mean and sigma (Fujita & Maeda 2018, section 4)."""
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
    """The plain Gaussian's gradient would drive the mean still further out: here by 3, for an action that was bad."""
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
    """In single precision, with a sigma of 0.05."""
    parameters = torch.full((2,), mean, requires_grad=True), torch.full((2,), 0.05, requires_grad=True)
    bounds = torch.full((2,), bound)
    log_prob = CensoredGaussian(*parameters, -bounds, bounds).log_prob(torch.full((2,), value))
    assert all(x.isfinite().all() for x in (log_prob, *torch.autograd.grad(log_prob, parameters)))


# Bounds.

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
    """Where rounding may put a draw; in single precision."""
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
    """A millionth of the width."""
    family = FAMILIES[name]
    inside = np.array([-1 + 3e-6, 2 - 3e-6])
    expected = np.log(family.density(inside, *(parameter.numpy() for parameter in family.parameters)))
    np.testing.assert_allclose(family.one().log_prob(double(-1, 2)), expected, rtol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 0.5), (-20, 3), (-0.1, 0.7)])
def test_draws_are_within_the_bounds(low: float, high: float) -> None:
    """However far out the parameters are, up to rounding; their densities are finite."""
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


# Modes.


def test_the_squashed_mode_is_the_median() -> None:
    """The middle plus half a width times tanh(mean), whatever sigma; half of all draws are above."""
    mean = double(0, 100, math.atanh(0.5), -100)
    distribution = SquashedGaussian(mean, torch.full((4,), 3.0).double(), double(-2, 0, 0, -1), double(2, 1, 8, 3))
    assert distribution.mode.tolist() == pytest.approx([0, 1, 6, -1])
    below = (distribution.sample(torch.Size([DRAWS])) < distribution.mode).double().mean(0)
    assert below[[0, 2]].tolist() == pytest.approx([0.5, 0.5], abs=0.005)


def test_the_betas_mode_is_its_peak() -> None:
    """(alpha - 1) / (alpha + beta - 2) of the way: 3/4 and 1/3; nothing is likelier."""
    distribution = ScaledBeta(double(4, 2), double(2, 3), double(-2, 0), double(2, 0.3))
    assert distribution.mode.tolist() == pytest.approx([1, 0.1])
    elsewhere = distribution.low + (distribution.high - distribution.low) * uniform(0, 1, 1000, 2)
    assert (distribution.log_prob(elsewhere) < distribution.log_prob(distribution.mode)).all()


def test_the_mixtures_mode_is_the_mean_of_its_weightiest_component() -> None:
    """In every batch element its own, and whole actions."""
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    means = torch.arange(12.0).view(2, 3, 2)
    assert mixture(logits, means, torch.ones(2, 3, 2)).mode.tolist() == [[2, 3], [6, 7]]
    assert mixture(logits, means[..., 0], torch.ones(2, 3)).mode.tolist() == [2, 6]
    assert mixture(logits[1], means[1], torch.ones(3, 2)).mode.tolist() == [6, 7]


def test_a_draw_of_a_mixture_is_of_one_component() -> None:
    """All its numbers, as often as the weight says."""
    means = torch.tensor([[-5.0, 5.0], [5.0, -5.0]])
    draws = mixture(torch.tensor([0.2, 0.8]).log(), means, torch.ones(2, 2)).sample(torch.Size([10_000]))
    assert (draws[:, 0].sign() == -draws[:, 1].sign()).all()
    assert (draws[:, 0] > 0).float().mean().item() == pytest.approx(0.8, abs=0.016)


# Several parts.


def test_a_joint_action_has_its_parts_side_by_side() -> None:
    """In their order, each flattened by rows; whole numbers are exact."""
    spike = torch.full((70_000,), -1e9)
    spike[65_537] = 0
    coins = Independent(Bernoulli(torch.tensor([1.0, 0.0])), 1)
    table = Independent(Normal(torch.arange(4.0).view(2, 2), torch.full((2, 2), 1e-9)), 2)
    joint = Joint([Categorical(logits=spike), coins, table, Normal(torch.tensor(-7.0), torch.tensor(1e-9))])
    expected = [65_537, 1, 0, 0, 1, 2, 3, -7]
    assert joint.event_shape == (8,)
    assert joint.sample().tolist() == pytest.approx(expected, abs=1e-6)
    assert joint.sample()[0] == 65_537
    assert joint.mode.tolist() == expected
    assert joint.sample().dtype == joint.mode.dtype == torch.float32


def test_the_density_of_a_joint_action_is_the_product_of_its_parts() -> None:
    """P(2) P(1, 0) p(0.5): 0.5 * 0.9 * 0.7 * N(0.5)."""
    choice = Categorical(probs=torch.tensor([[0.2, 0.3, 0.5]]))
    coins = Independent(Bernoulli(torch.tensor([[0.9, 0.3]])), 1)
    joint = Joint([choice, coins, Normal(torch.zeros(1), torch.ones(1))])
    density = joint.log_prob(torch.tensor([[2, 1, 0, 0.5]])).exp().item()
    assert density == pytest.approx(0.5 * 0.9 * 0.7 * stats.norm.pdf(0.5), rel=1e-5)


def test_the_entropy_of_a_joint_action_is_the_sum_of_its_parts() -> None:
    """Three choices, two fair coins, and a Gaussian pair."""
    choice, coins = Categorical(torch.ones(3)), Independent(Bernoulli(torch.full((2,), 0.5)), 1)
    pair = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    expected = math.log(3) + 2 * math.log(2) + math.log(2 * math.pi * math.e)
    assert Joint([choice, coins, pair]).entropy().item() == pytest.approx(expected)


@pytest.mark.parametrize("lead", LEADS)
def test_joint_shapes(lead: tuple[int, ...]) -> None:
    """Parts of any event shape; drawn actions have finite densities of each batch element's own."""
    continuous = [case(lead, event).distribution for case in CASES for event in EVENTS]
    joint = Joint([Categorical(torch.ones(*lead, 3)), *continuous])
    assert (joint.batch_shape, joint.event_shape) == (lead, (1 + 3 * (1 + 2 + 6),))
    assert joint.mode.shape == (*lead, 28)
    draws = joint.sample(torch.Size([7]))
    assert draws.shape == (7, *lead, 28)
    log_prob = joint.log_prob(draws)
    assert log_prob.shape == (7, *lead)
    assert log_prob.isfinite().all()
    assert log_prob.unique().numel() == log_prob.numel()
    assert joint.entropy().shape == lead


def test_gradients_reach_every_part_of_a_joint_action() -> None:
    """From the density to all parameters, from the entropy to all but the mean."""
    logits, mean, std = (torch.rand(4, 3).add(0.5).requires_grad_() for _ in range(3))
    joint = Joint([Categorical(logits=logits), Independent(Normal(mean, std), 1)])
    log_prob, entropy = joint.log_prob(joint.sample()).sum(), joint.entropy().sum()
    assert all(x.all() for x in torch.autograd.grad(log_prob, [logits, mean, std], retain_graph=True))
    assert all(x.all() for x in torch.autograd.grad(entropy, [logits, std]))


def test_one_joint_action_without_a_batch_has_a_density() -> None:
    """Of shape []: two choices of 3 and of 4."""
    joint = Joint([Categorical(torch.ones(3)), Categorical(torch.ones(4))])
    assert joint.log_prob(joint.sample()).item() == pytest.approx(-math.log(12))
