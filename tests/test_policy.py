from __future__ import annotations

import functools

import pytest
import torch

from lit_a3c.bodies import A3CBody, MLPBody
from lit_a3c.envs import EnvSpec
from lit_a3c.policy import ActorCritic


def test_atari_network_has_the_papers_size(image_spec: EnvSpec) -> None:
    """The body's 676,144 parameters, 6 logits and one value on 256 features."""
    policy = ActorCritic(image_spec)
    assert isinstance(policy.body, A3CBody)
    assert sum(p.numel() for p in policy.parameters()) == 676_144 + 257 * 6 + 257


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
@pytest.mark.parametrize("name", ["discrete_spec", "continuous_spec", "image_spec"])
def test_leading_dimensions_pass_through(request: pytest.FixtureRequest, name: str, lead: tuple[int, ...]) -> None:
    """A ``[T, B]`` batch gives the numbers of its observations one by one."""
    spec: EnvSpec = request.getfixturevalue(name)
    policy = ActorCritic(spec)
    assert spec.observation_space.shape is not None
    observation = torch.rand(*lead, *spec.observation_space.shape)
    distribution, value = policy(observation)
    assert value.shape == distribution.entropy().shape == lead
    action = policy.act(observation)
    assert action.shape == (*lead, *(spec.action_space.shape or ()))
    assert distribution.log_prob(action).shape == lead
    assert value.dtype == torch.float32
    torch.testing.assert_close(policy.values(observation), value)
    for i, single in enumerate(observation.reshape(-1, 1, *spec.observation_space.shape)):
        torch.testing.assert_close(value.flatten()[i], policy.values(single)[0])


def test_act_draws_or_takes_the_mode(discrete_spec: EnvSpec) -> None:
    """Deterministic acting is the most likely action; drawing follows the probabilities."""
    policy = ActorCritic(discrete_spec)
    with torch.no_grad():
        policy.head.logits.weight.zero_()
        policy.head.logits.bias.copy_(torch.tensor([0.75, 0.25]).log())
    observation = torch.zeros(4000, 3)
    assert not policy.act(observation, deterministic=True).any()
    assert float(policy.act(observation).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_act_has_no_gradient_and_forward_has(continuous_spec: EnvSpec) -> None:
    """Acting records nothing; the losses reach every parameter through forward."""
    policy = ActorCritic(continuous_spec)
    observation = torch.randn(5, 3)
    action = policy.act(observation)
    assert not action.requires_grad
    assert not policy.act(observation, deterministic=True).requires_grad
    distribution, value = policy(observation)
    (distribution.log_prob(action + 0.1) + value).sum().backward()
    assert all(p.grad is not None for p in policy.parameters())


def test_observe_updates_the_normaliser_and_nothing_else_does(discrete_spec: EnvSpec) -> None:
    """``[T, B, ...]`` observations count once each; forward, values and act count none."""
    policy = ActorCritic(discrete_spec)
    assert isinstance(policy.body, MLPBody)
    assert policy.body.norm is not None
    observation = torch.randn(6, 4, 3) * 3 + 1
    policy(observation)
    policy.values(observation)
    policy.act(observation)
    assert policy.body.norm.count == 0
    before = policy.values(observation)
    policy.observe(observation)
    assert policy.body.norm.count == 24
    torch.testing.assert_close(policy.body.norm.mean, observation.flatten(0, 1).mean(0))
    assert not torch.allclose(policy.values(observation), before)


def test_observe_of_a_body_without_statistics_does_nothing(image_spec: EnvSpec) -> None:
    """Pictures need none."""
    policy = ActorCritic(image_spec)
    before = {key: value.clone() for key, value in policy.state_dict().items()}
    policy.observe(torch.zeros(2, 1, 4, 84, 84, dtype=torch.uint8))
    assert all(torch.equal(value, before[key]) for key, value in policy.state_dict().items())


def test_factories_are_used(discrete_spec: EnvSpec) -> None:
    """The body's size reaches both heads."""
    policy = ActorCritic(discrete_spec, body=functools.partial(MLPBody, hidden=[9], normalize=False))
    assert policy.head.logits.in_features == policy.value.in_features == 9
    assert list(policy.buffers()) == []
