"""The head of several components, and the distribution that it gives."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch
from gymnasium.spaces import Dict, Discrete, MultiBinary, MultiDiscrete, Space, Tuple
from scipy import stats
from torch.distributions import Bernoulli, Categorical, Independent, Normal

from lit_a3c.networks.heads import (
    ActionHead,
    BernoulliHead,
    CategoricalHead,
    GaussianHead,
    JointHead,
    MixtureHead,
    default_head,
)
from lit_a3c.networks.heads.composite import Joint
from tests.networks.distributions.cases import CASES, EVENTS, LEADS
from tests.networks.heads.cases import PAIR, ROBOT, randomized


def test_a_joint_head_has_a_head_for_each_component() -> None:
    """They follow the kinds and the order of the flat vector: two choices, the arm, four switches.

    Their densities are multiplied.
    """
    head, features = randomized(JointHead(5, ROBOT)), torch.randn(6, 5)
    assert isinstance(head, JointHead)
    assert [type(part) for part in head.heads] == [CategoricalHead, CategoricalHead, GaussianHead, BernoulliHead]
    distribution = head(features)
    action = distribution.sample()
    pieces = [action[:, 0], action[:, 1], action[:, 2:4], action[:, 4:]]
    parts = [part(features) for part in head.heads]
    log_probs = [part.log_prob(piece) for part, piece in zip(parts, pieces, strict=True)]
    torch.testing.assert_close(distribution.log_prob(action), torch.stack(log_probs).sum(0))
    torch.testing.assert_close(distribution.entropy(), torch.stack([part.entropy() for part in parts]).sum(0))


def test_a_joint_head_takes_a_head_for_boxes() -> None:
    """The box gets it. The other parts have heads by their kind."""
    head = JointHead(5, ROBOT, box=functools.partial(MixtureHead, num_components=4))
    assert [type(part) for part in head.heads] == [CategoricalHead, CategoricalHead, MixtureHead, BernoulliHead]
    mixture = head.heads[2]
    assert isinstance(mixture, MixtureHead)
    assert mixture.log_std.shape == (4, 2)


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
def test_default_head_follows_the_space(space: Space[Any], kind: type[ActionHead]) -> None:
    """It is one head by the kind, or one for each component."""
    assert type(default_head(5, space)) is kind


def test_a_joint_action_has_its_parts_side_by_side() -> None:
    """The parts are in order, each flattened by rows. Whole numbers are exact."""
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
    """It is P(2) P(1, 0) p(0.5) = 0.5 * 0.9 * 0.7 * N(0.5)."""
    choice = Categorical(probs=torch.tensor([[0.2, 0.3, 0.5]]))
    coins = Independent(Bernoulli(torch.tensor([[0.9, 0.3]])), 1)
    joint = Joint([choice, coins, Normal(torch.zeros(1), torch.ones(1))])
    density = joint.log_prob(torch.tensor([[2, 1, 0, 0.5]])).exp().item()
    assert density == pytest.approx(0.5 * 0.9 * 0.7 * stats.norm.pdf(0.5), rel=1e-5)


def test_the_entropy_of_a_joint_action_is_the_sum_of_its_parts() -> None:
    """The parts are three choices, two fair coins, and a Gaussian pair."""
    choice, coins = Categorical(torch.ones(3)), Independent(Bernoulli(torch.full((2,), 0.5)), 1)
    pair = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    expected = math.log(3) + 2 * math.log(2) + math.log(2 * math.pi * math.e)
    assert Joint([choice, coins, pair]).entropy().item() == pytest.approx(expected)


@pytest.mark.parametrize("lead", LEADS)
def test_joint_shapes(lead: tuple[int, ...]) -> None:
    """Parts may have any event shape. Each batch element's action has a finite density of its own."""
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
    """They reach all parameters from the density, and all but the mean from the entropy."""
    logits, mean, std = (torch.rand(4, 3).add(0.5).requires_grad_() for _ in range(3))
    joint = Joint([Categorical(logits=logits), Independent(Normal(mean, std), 1)])
    log_prob, entropy = joint.log_prob(joint.sample()).sum(), joint.entropy().sum()
    assert all(x.all() for x in torch.autograd.grad(log_prob, [logits, mean, std], retain_graph=True))
    assert all(x.all() for x in torch.autograd.grad(entropy, [logits, std]))


def test_one_joint_action_without_a_batch_has_a_density() -> None:
    """Its batch shape is []; the parts are choices of 3 and of 4."""
    joint = Joint([Categorical(torch.ones(3)), Categorical(torch.ones(4))])
    assert joint.log_prob(joint.sample()).item() == pytest.approx(-math.log(12))
