from __future__ import annotations

import pytest
import torch

from lit_a3c.envs import EnvSpaces
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.agent import Agent, generator_from_global_state
from tests.networks.policies import recurrent_policy

NOWHERE, EVERYWHERE = torch.zeros(3, dtype=torch.bool), torch.ones(3, dtype=torch.bool)


def biased(policy: ActorCritic, probability: float) -> ActorCritic:
    """The policy with weights that give the second of two actions this probability, whatever it observes."""
    with torch.no_grad():
        policy.head.logits.weight.zero_()
        policy.head.logits.bias.copy_(torch.tensor([1 - probability, probability]).log())
    return policy


def test_actions_are_drawn_or_the_most_likely_ones(discrete_spaces: EnvSpaces) -> None:
    """A deterministic agent takes the most likely action. Draws follow the probabilities."""
    policy = biased(ActorCritic(discrete_spaces), 0.25)
    observation = torch.zeros(4000, 3)
    is_init = torch.ones(4000, dtype=torch.bool)
    assert not Agent(policy, 4000, deterministic=True)(observation, is_init).any()
    assert float(Agent(policy, 4000)(observation, is_init).float().mean()) == pytest.approx(0.25, abs=0.03)


def test_a_generator_leaves_the_global_one_alone(discrete_spaces: EnvSpaces) -> None:
    """The draws go on from step to step, are the same for the same state, and are those of torch's own generator."""
    policy = biased(ActorCritic(discrete_spaces), 0.5)
    observation, is_init = torch.zeros(50, 3), torch.ones(50, dtype=torch.bool)
    actions = []
    for _ in range(2):
        before = torch.get_rng_state()
        agent = Agent(policy, 50, generator=generator_from_global_state())
        actions.append([agent(observation, is_init) for _ in range(3)])
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(*pair) for pair in zip(*actions, strict=True))
    assert not torch.equal(actions[0][0], actions[0][1])
    plain = Agent(policy, 50)
    assert all(torch.equal(plain(observation, is_init), action) for action in actions[0])


def test_without_a_recurrent_core_there_is_no_state(discrete_spaces: EnvSpaces) -> None:
    """It has size 0, before and after each step."""
    agent = Agent(ActorCritic(discrete_spaces), 3)
    for is_init in (EVERYWHERE, NOWHERE):
        assert agent.recurrent_state.shape == (3, 0)
        agent(torch.randn(3, 3), is_init)
    assert agent.recurrent_state.shape == (3, 0)


def test_the_state_starts_again_where_an_episode_begins(discrete_spaces: EnvSpaces) -> None:
    """There the same observation leaves the same state again. Elsewhere the step goes on from the one before."""
    policy = recurrent_policy(discrete_spaces)
    agent = Agent(policy, 3)
    observation = torch.randn(3, 3)
    agent(observation, EVERYWHERE)
    fresh = agent.recurrent_state.clone()
    assert fresh.all()
    agent(observation, NOWHERE)
    second = agent.recurrent_state.clone()
    torch.testing.assert_close(second, policy.act(observation, fresh).recurrent_state)
    agent(observation, torch.tensor([False, True, False]))
    third = policy.act(observation, second).recurrent_state
    third[1] = fresh[1]
    torch.testing.assert_close(agent.recurrent_state, third)


def test_a_reset_is_no_step(discrete_spaces: EnvSpaces) -> None:
    """The state becomes zeros where an episode begins, and stays equal to the bit elsewhere, once or twice."""
    agent = Agent(recurrent_policy(discrete_spaces), 3)
    agent.distribution(torch.randn(3, 3))
    before = agent.recurrent_state.clone()
    for _ in range(2):
        agent.reset(torch.tensor([True, False, False]))
        assert not agent.recurrent_state[0].any()
        assert torch.equal(agent.recurrent_state[1:], before[1:])


def test_the_head_gives_the_distribution_of_the_features(discrete_spaces: EnvSpaces) -> None:
    """An actor computes the log-probabilities of a whole rollout from the features that it kept."""
    policy = recurrent_policy(discrete_spaces)
    agent = Agent(policy, 3)
    for _ in range(2):
        distribution = agent.distribution(torch.randn(3, 3))
        action = distribution.sample()
        torch.testing.assert_close(policy.head(agent.features).log_prob(action), distribution.log_prob(action))
