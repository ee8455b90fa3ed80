"""The three terms of the loss against hand-made numbers, and the direction in which each one drives a policy."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Normal
from torch.distributions import kl_divergence as exact_kl

from lit_a3c.losses import (
    entropy_loss,
    has_moved_enough,
    kl_divergence,
    policy_gradient_loss,
    standardize,
    value_loss,
)


def test_numbers_by_hand() -> None:
    """Each term is given per step, without a reduction, with the sign of a term to minimise."""
    log_prob, advantage = torch.tensor([[-1.0, -2.0]]), torch.tensor([[3.0, -0.5]])
    assert policy_gradient_loss(log_prob, advantage).tolist() == [[3.0, -1.0]]
    assert value_loss(torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 1.5]])).tolist() == [[9.0, 0.25]]
    assert entropy_loss(torch.tensor([[0.5, -1.0]])).tolist() == [[-0.5, 1.0]]


def test_policy_gradient_is_that_of_a_softmax() -> None:
    """``d/dz_j -log softmax(z)_a * A = -A (1[j=a] - p_j)``, derived by hand."""
    logits = torch.tensor([0.2, -0.4, 1.0], dtype=torch.float64, requires_grad=True)
    advantage, action = 1.7, 2
    log_prob = Categorical(logits=logits).log_prob(torch.tensor(action))
    policy_gradient_loss(log_prob, torch.tensor(advantage)).backward()
    expected = -advantage * (torch.eye(3)[action] - logits.detach().softmax(0))
    torch.testing.assert_close(logits.grad, expected)


def test_a_good_action_becomes_likelier() -> None:
    """A step down the loss raises the probability of an action with a positive advantage, else it lowers it."""
    for advantage in (1.0, -1.0):
        logits = torch.zeros(3, requires_grad=True)
        policy_gradient_loss(Categorical(logits=logits).log_prob(torch.tensor(0)), torch.tensor(advantage)).backward()
        assert logits.grad is not None
        stepped = (logits - 0.1 * logits.grad).softmax(0)[0]
        assert (stepped > 1 / 3) == (advantage > 0)


def test_value_gradient_is_twice_the_error() -> None:
    """``d (G - v)^2 / dv = 2 (v - G)``, which finite differences confirm."""
    v = torch.tensor([1.0, 5.0], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([4.0, 3.0], dtype=torch.float64)
    value_loss(v, target).sum().backward()
    assert v.grad is not None
    assert v.grad.tolist() == [-6.0, 4.0]
    h = 1e-6
    for i in range(2):
        step = h * torch.eye(2, dtype=torch.float64)[i]
        slope = (value_loss(v + step, target) - value_loss(v - step, target)).sum() / (2 * h)
        assert float(slope.detach()) == pytest.approx(float(v.grad[i]), abs=1e-6)


def test_entropy_loss_flattens_the_policy() -> None:
    """A step down the loss raises the entropy."""
    logits = torch.tensor([2.0, 0.0, -1.0], requires_grad=True)
    entropy = Categorical(logits=logits).entropy()
    entropy_loss(entropy).backward()
    assert logits.grad is not None
    assert Categorical(logits=logits.detach() - 0.1 * logits.grad).entropy() > entropy


def test_no_gradient_through_advantage_or_target() -> None:
    """The loss takes both as numbers, even where they depend on parameters."""
    log_prob, v = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    given = torch.randn(2, 3, requires_grad=True)
    (policy_gradient_loss(log_prob, given) + value_loss(v, given)).sum().backward()
    assert given.grad is None
    assert log_prob.grad is not None
    assert v.grad is not None


def test_standardized_advantages() -> None:
    """By hand: -1, 1, 3 have the mean 1 and the variance 8/3. The unit of the rewards does not matter."""
    advantage = torch.tensor([[-1.0, 1.0, 3.0]])
    expected = torch.tensor([[-1.0, 0.0, 1.0]]) * 1.5**0.5
    torch.testing.assert_close(standardize(advantage), expected)
    torch.testing.assert_close(standardize(1000 * advantage), expected)
    assert standardize(torch.ones(1, 3)).tolist() == [[0.0, 0.0, 0.0]]


def test_steps_that_have_moved_enough_are_those_without_a_gradient_of_ppo() -> None:
    """PPO's objective is ``min(r A, clip(r, 1 - e, 1 + e) A)``; its gradient by ``r`` is found here by autograd."""
    ratio = torch.rand(1000, generator=torch.Generator().manual_seed(0)).mul(2).requires_grad_()
    advantage = torch.randn(1000, generator=torch.Generator().manual_seed(1))
    torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).sum().backward()
    assert ratio.grad is not None
    moved = has_moved_enough(ratio.detach(), advantage, 0.2)
    assert torch.equal(moved, ratio.grad == 0)
    assert 0.2 < moved.float().mean() < 0.6


def test_the_estimate_of_the_divergence_has_its_expectation() -> None:
    """Of two Gaussians whose divergence is known; by hand it is 0, and e - 2, for the log-ratios 0 and 1."""
    assert kl_divergence(torch.tensor([0.0])).item() == 0
    assert kl_divergence(torch.tensor([1.0])).item() == pytest.approx(math.e - 2)
    mu, pi = Normal(0.0, 1.0), Normal(0.3, 1.1)
    action = mu.sample(torch.Size([400_000]))
    estimate = kl_divergence(pi.log_prob(action) - mu.log_prob(action))
    assert estimate.min() >= -1e-6
    assert estimate.mean().item() == pytest.approx(exact_kl(mu, pi).item(), rel=0.02)
