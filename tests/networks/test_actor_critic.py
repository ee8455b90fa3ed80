from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.bodies import A3CBody, MLPBody
from lit_a3c.networks.recurrent import GRU, LSTM
from tests.networks.policies import recurrent_policy
from tests.rnn_reference import Kind

shares = pytest.mark.parametrize("share_body", [True, False])
kinds = pytest.mark.parametrize("kind", [LSTM, GRU])


def test_atari_network_has_the_papers_size(image_spaces: EnvSpaces) -> None:
    """It has the body's 676,144 parameters, and 6 logits and one value on 256 features."""
    policy = ActorCritic(image_spaces)
    assert isinstance(policy.encoder.body, A3CBody)
    assert sum(p.numel() for p in policy.parameters()) == 676_144 + 257 * 6 + 257


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
@pytest.mark.parametrize("name", ["discrete_spaces", "continuous_spaces", "image_spaces"])
def test_leading_dimensions_pass_through(request: pytest.FixtureRequest, name: str, lead: tuple[int, ...]) -> None:
    """A ``[T, B]`` batch gives the numbers of its observations one by one."""
    spaces: EnvSpaces = request.getfixturevalue(name)
    policy = ActorCritic(spaces)
    observation = torch.rand(*lead, *spaces.observation_shape)
    distribution, value, _ = policy(observation)
    assert value.shape == distribution.entropy().shape == lead
    action = distribution.sample()
    assert action.shape == (*lead, *spaces.action_shape)
    assert distribution.log_prob(action).shape == lead
    assert value.dtype == torch.float32
    if lead:
        torch.testing.assert_close(policy.values(observation), value)
        torch.testing.assert_close(policy.act(observation).distribution.entropy(), distribution.entropy())
    for i, single in enumerate(observation.reshape(-1, 1, *spaces.observation_shape)):
        torch.testing.assert_close(value.flatten()[i], policy.values(single)[0])


def test_act_has_no_gradient_and_forward_has(continuous_spaces: EnvSpaces) -> None:
    """Acting records no graph. The losses reach every parameter through forward."""
    policy = ActorCritic(continuous_spaces)
    observation = torch.randn(5, 3)
    acting: Any = policy.act(observation).distribution
    action = acting.sample()
    assert not acting.mean.requires_grad
    distribution, value, _ = policy(observation)
    (distribution.log_prob(action + 0.1) + value).sum().backward()
    assert all(p.grad is not None for p in policy.parameters())


def test_observe_updates_the_normaliser_and_nothing_else_does(discrete_spaces: EnvSpaces) -> None:
    """``[T, B, ...]`` observations count once each. Forward, values and act count none."""
    policy = ActorCritic(discrete_spaces)
    assert isinstance(policy.encoder.body, MLPBody)
    norm = policy.encoder.body.norm
    assert norm is not None
    observation = torch.randn(6, 4, 3) * 3 + 1
    policy(observation)
    policy.values(observation)
    policy.act(observation)
    assert norm.count == 0
    before = policy.values(observation)
    policy.observe(observation)
    assert norm.count == 24
    torch.testing.assert_close(norm.mean, observation.flatten(0, 1).mean(0))
    assert not torch.allclose(policy.values(observation), before)


def test_observe_of_a_body_without_statistics_does_nothing(image_spaces: EnvSpaces) -> None:
    """A body of images has none by default."""
    policy = ActorCritic(image_spaces)
    before = {key: value.clone() for key, value in policy.state_dict().items()}
    policy.observe(torch.zeros(2, 1, 4, 84, 84, dtype=torch.uint8))
    assert all(torch.equal(value, before[key]) for key, value in policy.state_dict().items())


def test_factories_are_used(discrete_spaces: EnvSpaces) -> None:
    """The body's size reaches both heads."""
    policy: Any = ActorCritic(discrete_spaces, body=functools.partial(MLPBody, hidden=[9], normalize=False))
    assert policy.head.logits.in_features == policy.value.in_features == 9
    assert list(policy.buffers()) == []


@shares
def test_a_policy_without_a_recurrent_core_has_no_state(discrete_spaces: EnvSpaces, share_body: bool) -> None:
    """Its states have size 0, in forward and in act."""
    policy = ActorCritic(discrete_spaces, share_body=share_body)
    assert policy.recurrent_state_size == 0
    assert policy(torch.randn(6, 4, 3)).recurrent_state.shape == (6, 4, 0)
    assert policy.act(torch.randn(4, 3)).recurrent_state.shape == (4, 0)


@pytest.mark.parametrize(
    ("kind", "share_body", "size"), [(LSTM, True, 8), (LSTM, False, 16), (GRU, True, 4), (GRU, False, 8)]
)
def test_the_state_is_that_of_all_encoders(discrete_spaces: EnvSpaces, kind: Kind, share_body: bool, size: int) -> None:
    """There is one encoder for both heads, or one for each."""
    policy = recurrent_policy(discrete_spaces, kind, share_body)
    assert policy.recurrent_state_size == size
    assert policy(torch.randn(6, 2, 3)).recurrent_state.shape == (6, 2, size)
    assert policy.act(torch.randn(2, 3)).recurrent_state.shape == (2, size)


@pytest.mark.parametrize("recurrent", [None, functools.partial(LSTM, hidden_size=4)])
@shares
def test_what_policy_and_value_share(
    discrete_spaces: EnvSpaces, recurrent: functools.partial[LSTM] | None, share_body: bool
) -> None:
    """The gradients of the two losses meet in the whole of one encoder, or nowhere; together they reach everything."""
    policy = ActorCritic(discrete_spaces, recurrent=recurrent, share_body=share_body)
    weights = dict(policy.named_parameters())

    def reached(loss: Tensor) -> set[str]:
        gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=True, allow_unused=True)
        return {name for name, gradient in zip(weights, gradients, strict=True) if gradient is not None}

    distribution, value, _ = policy(torch.randn(6, 2, 3))
    by_policy = reached(distribution.log_prob(torch.zeros(6, 2)).sum())
    by_value = reached(value.square().sum())
    encoder = {name for name in weights if name.startswith("encoder.")}
    assert by_policy == encoder | {"head.logits.weight", "head.logits.bias"}
    assert by_policy & by_value == (encoder if share_body else set())
    assert by_policy | by_value == set(weights)


def test_separate_encoders_are_no_copies(discrete_spaces: EnvSpaces) -> None:
    """They begin with other weights, and each counts the training's observations."""
    policy = ActorCritic(discrete_spaces, share_body=False)
    policy.observe(torch.randn(6, 4, 3))
    one, other = (encoder.body for encoder in policy.encoders)
    for body in (one, other):
        assert isinstance(body, MLPBody)
        assert body.norm is not None
        assert body.norm.count == 24
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


@shares
@kinds
def test_acting_step_by_step_is_forward(discrete_spaces: EnvSpaces, kind: Kind, share_body: bool) -> None:
    """Distributions, values and states are the same, if the actor starts from zeros where an episode has ended."""
    policy = recurrent_policy(discrete_spaces, kind, share_body)
    observation, state = torch.randn(7, 3, 3), torch.randn(3, policy.recurrent_state_size)
    done = torch.zeros(7, 3, dtype=torch.bool)
    done[0, 0] = done[2, 1] = done[3, 1] = done[4, 0] = done[4, 2] = done[6, 1] = True
    output = policy(observation, state, done)
    acting: Any
    for t in range(7):
        torch.testing.assert_close(policy.values(observation[t], state), output.value[t])
        acting, state, _ = policy.act(observation[t], state)
        torch.testing.assert_close(acting.logits, output.distribution.logits[t])
        if done[t].any() or t == 6:
            torch.testing.assert_close(state, output.recurrent_state[t])
        state[done[t]] = 0


@shares
def test_policy_and_value_have_states_of_their_own(discrete_spaces: EnvSpaces, share_body: bool) -> None:
    """Another second half of the state changes the value, and changes the policy only where both use all of it."""
    policy = recurrent_policy(discrete_spaces, GRU, share_body)
    observation, half = torch.randn(1, 2, 3), policy.recurrent_state_size // 2
    state = torch.zeros(2, policy.recurrent_state_size)
    one = policy(observation, state)
    state[:, half:] = 1
    other = policy(observation, state)
    assert not (one.value == other.value).any()
    assert (one.distribution.logits != other.distribution.logits).all() == share_body
    acting: Any = policy.act(observation[0], state).distribution
    assert (acting.logits != one.distribution.logits[0]).all() == share_body


@shares
def test_no_state_given_is_zeros(discrete_spaces: EnvSpaces, share_body: bool) -> None:
    """This holds for forward, values and act."""
    policy = recurrent_policy(discrete_spaces, LSTM, share_body)
    observation, zeros = torch.randn(5, 2, 3), torch.zeros(2, policy.recurrent_state_size)
    assert torch.equal(policy(observation).value, policy(observation, zeros).value)
    assert torch.equal(policy.values(observation[0]), policy.values(observation[0], zeros))
    acted = [policy.act(observation[0], *given).recurrent_state for given in ((), (zeros,))]
    assert torch.equal(*acted)
