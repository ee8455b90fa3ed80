from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_a3c.bodies import A3CBody, MLPBody
from lit_a3c.envs import EnvSpec
from lit_a3c.memory import GRU, LSTM
from lit_a3c.policy import ActorCritic, Agent
from tests.cells import Kind

shares = pytest.mark.parametrize("share_body", [True, False])
kinds = pytest.mark.parametrize("kind", [LSTM, GRU])


def recurrent(spec: EnvSpec, kind: Kind = LSTM, share_body: bool = True) -> ActorCritic:
    """Four units of memory, and weights that make them count."""
    policy = ActorCritic(
        spec,
        body=functools.partial(MLPBody, hidden=[8], normalize=False),
        memory=functools.partial(kind, hidden_size=4),
        share_body=share_body,
    )
    for parameter in policy.parameters():
        torch.nn.init.normal_(parameter)
    return policy


def test_atari_network_has_the_papers_size(image_spec: EnvSpec) -> None:
    """The body's 676,144 parameters, 6 logits and one value on 256 features."""
    policy = ActorCritic(image_spec)
    assert isinstance(policy.trunk.body, A3CBody)
    assert sum(p.numel() for p in policy.parameters()) == 676_144 + 257 * 6 + 257


@pytest.mark.parametrize("lead", [(), (4,), (3, 4)])
@pytest.mark.parametrize("name", ["discrete_spec", "continuous_spec", "image_spec"])
def test_leading_dimensions_pass_through(request: pytest.FixtureRequest, name: str, lead: tuple[int, ...]) -> None:
    """A ``[T, B]`` batch gives the numbers of its observations one by one."""
    spec: EnvSpec = request.getfixturevalue(name)
    policy = ActorCritic(spec)
    assert spec.observation_space.shape is not None
    observation = torch.rand(*lead, *spec.observation_space.shape)
    distribution, value, _ = policy(observation)
    assert value.shape == distribution.entropy().shape == lead
    action = distribution.sample()
    assert action.shape == (*lead, *(spec.action_space.shape or ()))
    assert distribution.log_prob(action).shape == lead
    assert value.dtype == torch.float32
    if lead:
        torch.testing.assert_close(policy.values(observation), value)
        torch.testing.assert_close(policy.act(observation)[0].entropy(), distribution.entropy())
    for i, single in enumerate(observation.reshape(-1, 1, *spec.observation_space.shape)):
        torch.testing.assert_close(value.flatten()[i], policy.values(single)[0])


class Pointing(MLPBody):
    """Remembers where in memory its observations lay."""

    def forward(self, observation: Tensor) -> Tensor:
        self.read = observation.data_ptr()
        return super().forward(observation)

    def observe(self, observation: Tensor) -> None:
        self.seen = observation.data_ptr()
        super().observe(observation)


def test_a_collectors_memory_is_read_in_place(discrete_spec: EnvSpec) -> None:
    """A ``[T, B]`` view of ``[B, T]`` memory, or of some of its environments: the same numbers, and no copy."""
    policy = ActorCritic(discrete_spec, body=Pointing)
    policy.value.weight.data.fill_(1)
    memory = torch.rand(6, 3, *discrete_spec.observation_shape)
    policy.observe(memory)
    view = memory[2:].transpose(0, 1)
    torch.testing.assert_close(policy(view).value, policy(view.contiguous()).value)
    policy(view)
    policy.observe(view)
    body = policy.trunk.body
    assert isinstance(body, Pointing)
    assert body.read == body.seen == view.data_ptr()


def test_act_draws_or_takes_the_mode(discrete_spec: EnvSpec) -> None:
    """Deterministic acting is the most likely action; drawing follows the probabilities."""
    policy = ActorCritic(discrete_spec)
    with torch.no_grad():
        policy.head.logits.weight.zero_()
        policy.head.logits.bias.copy_(torch.tensor([0.75, 0.25]).log())
    observation = torch.zeros(4000, 3)
    begun = torch.ones(4000, dtype=torch.bool)
    assert not Agent(policy, 4000, deterministic=True)(observation, begun).any()
    assert float(Agent(policy, 4000)(observation, begun).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_act_has_no_gradient_and_forward_has(continuous_spec: EnvSpec) -> None:
    """Acting records nothing; the losses reach every parameter through forward."""
    policy = ActorCritic(continuous_spec)
    observation = torch.randn(5, 3)
    acting: Any = policy.act(observation).distribution
    action = acting.sample()
    assert not acting.mean.requires_grad
    distribution, value, _ = policy(observation)
    (distribution.log_prob(action + 0.1) + value).sum().backward()
    assert all(p.grad is not None for p in policy.parameters())


def test_observe_updates_the_normaliser_and_nothing_else_does(discrete_spec: EnvSpec) -> None:
    """``[T, B, ...]`` observations count once each; forward, values and act count none."""
    policy = ActorCritic(discrete_spec)
    assert isinstance(policy.trunk.body, MLPBody)
    norm = policy.trunk.body.norm
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


@shares
def test_a_policy_of_the_present_has_no_memory(discrete_spec: EnvSpec, share_body: bool) -> None:
    """States of size 0 everywhere, and an agent that remembers nothing."""
    policy = ActorCritic(discrete_spec, share_body=share_body)
    assert policy.memory_size == 0
    assert policy(torch.randn(6, 4, 3)).memory.shape == (6, 4, 0)
    agent = Agent(policy, 4)
    for begun in (True, False):
        agent(torch.randn(4, 3), torch.full((4,), begun))
        assert agent.memory.shape == (4, 0)


@pytest.mark.parametrize(
    ("kind", "share_body", "size"), [(LSTM, True, 8), (LSTM, False, 16), (GRU, True, 4), (GRU, False, 8)]
)
def test_memory_size_is_that_of_all_trunks(discrete_spec: EnvSpec, kind: Kind, share_body: bool, size: int) -> None:
    """One trunk for both heads, or one each."""
    policy = recurrent(discrete_spec, kind, share_body)
    assert policy.memory_size == size
    assert policy(torch.randn(6, 2, 3)).memory.shape == (6, 2, size)
    assert policy.act(torch.randn(2, 3))[1].shape == (2, size)


@pytest.mark.parametrize("memory", [None, functools.partial(LSTM, hidden_size=4)])
@shares
def test_what_policy_and_value_share(
    discrete_spec: EnvSpec, memory: functools.partial[LSTM] | None, share_body: bool
) -> None:
    """The gradients of the two losses meet in the whole of one trunk, or nowhere; together they reach everything."""
    policy = ActorCritic(discrete_spec, memory=memory, share_body=share_body)
    weights = dict(policy.named_parameters())

    def reached(loss: Tensor) -> set[str]:
        gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=True, allow_unused=True)
        return {name for name, gradient in zip(weights, gradients, strict=True) if gradient is not None}

    distribution, value, _ = policy(torch.randn(6, 2, 3))
    by_policy = reached(distribution.log_prob(torch.zeros(6, 2)).sum())
    by_value = reached(value.square().sum())
    trunk = {name for name in weights if name.startswith("trunk.")}
    assert by_policy == trunk | {"head.logits.weight", "head.logits.bias"}
    assert by_policy & by_value == (trunk if share_body else set())
    assert by_policy | by_value == set(weights)


def test_separate_trunks_are_no_copies(discrete_spec: EnvSpec) -> None:
    """They begin with other weights, and each counts the training's observations."""
    policy = ActorCritic(discrete_spec, share_body=False)
    policy.observe(torch.randn(6, 4, 3))
    one, other = (trunk.body for trunk in policy.trunks)
    for body in (one, other):
        assert isinstance(body, MLPBody)
        assert body.norm is not None
        assert body.norm.count == 24
    assert not torch.equal(next(one.parameters()), next(other.parameters()))


@shares
@kinds
def test_acting_step_by_step_is_forward(discrete_spec: EnvSpec, kind: Kind, share_body: bool) -> None:
    """The same distributions, values and memories, if the actor forgets where an episode has ended."""
    policy = recurrent(discrete_spec, kind, share_body)
    observation, memory = torch.randn(7, 3, 3), torch.randn(3, policy.memory_size)
    end = torch.zeros(7, 3, dtype=torch.bool)
    end[0, 0] = end[2, 1] = end[3, 1] = end[4, 0] = end[4, 2] = end[6, 1] = True
    output = policy(observation, memory, end)
    acting: Any
    for t in range(7):
        torch.testing.assert_close(policy.values(observation[t], memory), output.value[t])
        acting, memory, _ = policy.act(observation[t], memory)
        torch.testing.assert_close(acting.logits, output.distribution.logits[t])
        if end[t].any() or t == 6:
            torch.testing.assert_close(memory, output.memory[t])
        memory[end[t]] = 0


@shares
def test_policy_and_value_remember_for_themselves(discrete_spec: EnvSpec, share_body: bool) -> None:
    """Another second half of the memory: another value, and another policy only where both use all of it."""
    policy = recurrent(discrete_spec, GRU, share_body)
    observation, half = torch.randn(1, 2, 3), policy.memory_size // 2
    memory = torch.zeros(2, policy.memory_size)
    one = policy(observation, memory)
    memory[:, half:] = 1
    other = policy(observation, memory)
    assert not (one.value == other.value).any()
    assert (one.distribution.logits != other.distribution.logits).all() == share_body
    acting: Any = policy.act(observation[0], memory)[0]
    assert (acting.logits != one.distribution.logits[0]).all() == share_body


@shares
def test_no_memory_given_is_zeros(discrete_spec: EnvSpec, share_body: bool) -> None:
    """Of forward, values and act."""
    policy = recurrent(discrete_spec, LSTM, share_body)
    observation, zeros = torch.randn(5, 2, 3), torch.zeros(2, policy.memory_size)
    assert torch.equal(policy(observation).value, policy(observation, zeros).value)
    assert torch.equal(policy.values(observation[0]), policy.values(observation[0], zeros))
    assert torch.equal(policy.act(observation[0])[1], policy.act(observation[0], zeros)[1])


def test_an_agent_forgets_where_an_episode_begins(discrete_spec: EnvSpec) -> None:
    """There the same observation leaves the same memory again, elsewhere the step goes on from the one before."""
    policy = recurrent(discrete_spec)
    agent = Agent(policy, 3)
    observation = torch.randn(3, 3)
    nobody = torch.zeros(3, dtype=torch.bool)
    agent(observation, ~nobody)
    fresh = agent.memory.clone()
    assert fresh.all()
    agent(observation, nobody)
    second = agent.memory.clone()
    torch.testing.assert_close(second, policy.act(observation, fresh)[1])
    agent(observation, torch.tensor([False, True, False]))
    third = policy.act(observation, second)[1]
    third[1] = fresh[1]
    torch.testing.assert_close(agent.memory, third)


def test_to_begin_is_to_forget_and_no_step(discrete_spec: EnvSpec) -> None:
    """Zeros where an episode begins, everything else to the bit as it was; twice is the same as once."""
    agent = Agent(recurrent(discrete_spec), 3)
    agent.distribution(torch.randn(3, 3))
    before = agent.memory.clone()
    for _ in range(2):
        agent.begin(torch.tensor([True, False, False]))
        assert not agent.memory[0].any()
        assert torch.equal(agent.memory[1:], before[1:])
