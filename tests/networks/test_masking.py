"""Masked policies: forbidden actions are never drawn, and the rest is as if they did not exist."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, Distribution, Normal
from torchrl.modules import MaskedCategorical

from lit_a3c.envs import EnvConfig
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.heads.composite import Joint
from lit_a3c.networks.masking import masked
from lit_a3c.networks.recurrent import LSTM
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import dummy

MILLION = 1_000_000


def random_mask(*shape: int) -> torch.Tensor:
    mask = torch.rand(shape) < 0.4
    return mask.scatter(-1, torch.randint(shape[-1], (*shape[:-1], 1)), True)


def test_no_forbidden_action_in_a_million_draws() -> None:
    """A thousand masks and policies, some of which would take a forbidden action nearly always."""
    torch.manual_seed(0)
    logits, mask = 20 * torch.randn(1000, 9), random_mask(1000, 9)
    draws = masked(Categorical(logits=logits), mask).sample(torch.Size([MILLION // 1000]))
    assert draws.numel() == MILLION
    assert mask.gather(-1, draws.T).all()


def test_no_forbidden_action_in_a_million_joint_draws() -> None:
    torch.manual_seed(0)
    parts: list[Distribution] = [Categorical(logits=9 * torch.randn(1000, n)) for n in (3, 5)]
    masks = [random_mask(1000, n) for n in (3, 5)]
    draws = masked(Joint(parts), torch.cat(masks, -1)).sample(torch.Size([MILLION // 1000])).long()
    for i, mask in enumerate(masks):
        assert mask.gather(-1, draws[..., i].T).all()


def test_it_is_the_distribution_given_that_the_action_is_allowed() -> None:
    """By enumeration: probabilities, entropy and mode."""
    torch.manual_seed(1)
    logits, mask = torch.randn(50, 6), random_mask(50, 6)
    distribution = masked(Categorical(logits=logits), mask)
    for row in range(50):
        weights = [math.exp(logits[row, a]) if mask[row, a] else 0.0 for a in range(6)]
        p = [weight / sum(weights) for weight in weights]
        assert distribution.probs[row].tolist() == pytest.approx(p, abs=1e-6)
        entropy = -sum(x * math.log(x) for x in p if x)
        assert distribution.entropy()[row].item() == pytest.approx(entropy, abs=1e-5)
        assert distribution.mode[row].item() == p.index(max(p))
        for action in range(6):
            log_prob = distribution.log_prob(torch.full((50,), action))[row].exp().item()
            assert log_prob == pytest.approx(p[action], abs=1e-6)


def test_it_is_torchrl_s_masked_categorical() -> None:
    """With its gradients, too."""
    torch.manual_seed(2)
    mask, actions = random_mask(50, 6), torch.zeros(50, dtype=torch.long)
    mask[:, 0] = True
    results = []
    for make in (
        lambda z: masked(Categorical(logits=z), mask),
        lambda z: MaskedCategorical(logits=z, mask=mask, neg_inf=-1e20),
    ):
        logits = torch.randn(50, 6, generator=torch.Generator().manual_seed(3), requires_grad=True)
        distribution = make(logits)
        values = torch.stack([distribution.log_prob(actions), distribution.entropy()])
        values[0].sum().backward(retain_graph=True)
        (gradient,) = torch.autograd.grad(values[1].sum(), logits)
        results.append(torch.cat([values.T, logits.grad, gradient], -1).detach())
    torch.testing.assert_close(*results)


def test_gradients_are_finite_and_none_goes_to_forbidden_actions() -> None:
    """Also where one action alone is allowed, which the policy would hardly ever take."""
    logits = torch.tensor([[50.0, -50.0, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    mask = torch.tensor([[False, True, False], [True, True, False]])
    distribution = masked(Categorical(logits=logits), mask)
    assert distribution.entropy().tolist() == pytest.approx([0, math.log(2)])
    (distribution.log_prob(torch.tensor([1, 0])).sum() + distribution.entropy().sum()).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad[~mask] == 0).all()


def test_parts_without_a_choice_stay() -> None:
    parts: list[Distribution] = [Categorical(logits=torch.zeros(2, 3)), Normal(torch.zeros(2), torch.ones(2))]
    joint = masked(Joint(parts), torch.ones(2, 3, dtype=torch.bool))
    assert isinstance(joint, Joint)
    assert joint.parts[1] is parts[1]


def test_a_distribution_that_cannot_be_masked_is_refused() -> None:
    with pytest.raises(ConfigError, match="gives a Normal, to which the environment's action mask cannot be applied"):
        masked(Normal(torch.zeros(2), torch.ones(2)), torch.ones(2, 3, dtype=torch.bool))


@pytest.mark.parametrize("share_body", [True, False])
@pytest.mark.parametrize("recurrent", [None, LSTM])
@pytest.mark.parametrize("name", ["Doors", "DoorsSeen", "Dials"])
def test_a_network_masks_and_its_body_sees_no_mask(name: str, recurrent: type[LSTM] | None, share_body: bool) -> None:
    """Acting and learning give the same distribution. Another mask changes neither features nor value."""
    spaces = EnvConfig(dummy(name)).spaces()
    policy = ActorCritic(spaces, recurrent=recurrent, share_body=share_body)
    observation = torch.rand(5, 4, *spaces.observation_shape)
    observation[..., -spaces.mask_size :] = 1
    other = observation.clone()
    other[..., -spaces.mask_size :] = torch.arange(spaces.mask_size) % 2 == 1
    free, bound = policy(observation), policy(other)
    torch.testing.assert_close(free.value, bound.value)
    torch.testing.assert_close(policy.values(observation[0]), policy.values(other[0]))
    assert (bound.distribution.entropy() < free.distribution.entropy()).all()
    output = policy.act(other[0])
    action = output.distribution.sample()
    torch.testing.assert_close(output.distribution.log_prob(action), bound.distribution.log_prob(action)[0])
    again = policy.distribution(output.features, other[0])
    torch.testing.assert_close(output.distribution.log_prob(action), again.log_prob(action))
    policy.observe(observation)
