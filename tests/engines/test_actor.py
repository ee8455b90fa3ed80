"""One collector with its own copy of the policy."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import torch

from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import tensors_of
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.recurrent import LSTM
from lit_a3c.networks.temperature import temperatures
from lit_a3c.utils.errors import EnvError
from lit_a3c.utils.shared_counter import SharedCounter
from tests.dummy_envs import dummy
from tests.engines.sources import always, assert_same_tensors, copied, setting


@contextmanager
def acting(
    env_id: str = "CartPole-v1", share_weights: bool = False, **kwargs: Any
) -> Iterator[tuple[Actor, ActorCritic, SharedCounter]]:
    """An actor, the policy that it was made from, and the counter of its steps."""
    config, policy = setting(env_id, "serial", **kwargs)
    collected = SharedCounter()
    with closing(Actor(config, policy, 0, collected, share_weights=share_weights)) as actor:
        yield actor, policy, collected


def test_a_rollout_is_stamped_once_with_the_version_that_is_given() -> None:
    """The actor does not count versions itself."""
    with acting() as (actor, *_):
        assert [actor.rollout(version).policy_version for version in (0, 7, 7, 3)] == [0, 7, 7, 3]


def test_a_rollout_says_how_it_lies_in_memory() -> None:
    """Its tensors are views of ``[E, T, ...]`` memory."""
    with acting(envs=3, length=4) as (actor, *_):
        rollout = actor.rollout(0)
    assert rollout.batch_first
    assert rollout.observation.shape == (4, 3, 4)
    assert rollout.observation.transpose(0, 1).is_contiguous()


def test_weights_are_the_actors_own_until_they_are_written() -> None:
    """A change of the policy does not reach the actor. What is written into ``weights`` acts at the next rollout."""
    with acting(envs=4, length=8) as (actor, policy, _):
        always(policy, 1)
        assert set(actor.rollout(0).action.unique().tolist()) == {0, 1}
        for own, new in zip(actor.weights, tensors_of(policy), strict=True):
            own.copy_(new)
        assert (actor.rollout(1).action == 1).all()


def test_shared_weights_stand_on_the_memory_of_the_policy() -> None:
    """Parameters and buffers. A change of the policy acts at once, and the actor computes no gradients for it."""
    with acting(share_weights=True, envs=4, length=8) as (actor, policy, _):
        for own, learned in zip(actor.weights, tensors_of(policy), strict=True):
            assert own.data_ptr() == learned.data_ptr()
        for action in (0, 1):
            always(policy, action)
            assert (actor.rollout(0).action == action).all()
        assert all(p.requires_grad for p in policy.parameters())
        assert not any(tensor.requires_grad for tensor in actor.weights)


def test_steps_are_counted_as_they_are_taken() -> None:
    """Those before a failure as well: two of two environments, and not the third."""
    with acting(envs=2, length=5) as (actor, _, collected):
        for rollouts in (1, 2, 3):
            actor.rollout(0)
            assert collected.total == rollouts * 2 * 5
    with acting(dummy("Broken"), envs=2, length=5) as (actor, _, collected):
        with pytest.raises(EnvError, match="ZeroDivisionError"):
            actor.rollout(0)
        assert collected.total == 2 * 2


def test_a_state_goes_on_exactly() -> None:
    """From the middle of episodes, with the recurrent states, in environments that were made anew."""
    config, _ = setting("CartPole-v1", "serial", envs=3, length=7)
    config = dataclasses.replace(config, resumable=True)
    policy = ActorCritic(config.spaces, recurrent=functools.partial(LSTM, hidden_size=4))
    with closing(Actor(config, policy, 0, SharedCounter())) as actor:
        for _ in range(4):
            actor.rollout(0)
        state, draws = actor.state_dict(), torch.get_rng_state()
        expected = [copied(actor.rollout(0)) for _ in range(4)]
    assert any(r.terminated.any() for r in expected)
    with closing(Actor(config, policy, 0, SharedCounter())) as actor:
        actor.load_state_dict(state)
        torch.set_rng_state(draws)
        for rollout in expected:
            again = actor.rollout(0)
            assert_same_tensors(again, rollout)
            assert again.episodes == rollout.episodes


def test_environments_act_at_temperatures_of_their_own() -> None:
    """What is stamped is the probability of the policy at the environment's temperature, by the worker's number."""
    config, policy = setting("CartPole-v1", "serial", envs=4, length=50)
    config = dataclasses.replace(config, behaviour_log_prob=True, temperature_spread=4.0)
    with torch.no_grad():
        policy.head.logits.bias.copy_(torch.tensor([0.0, 2.0]))
    for worker in (0, 1):
        with closing(Actor(config, policy, worker, SharedCounter())) as actor:
            rollout = actor.rollout(0)
        logits = policy(rollout.observation).distribution.logits
        stamped = rollout.behaviour_log_prob
        assert stamped is not None
        for env in range(4):
            temperature = float(temperatures(4.0, 4 * worker + env, 1))
            expected = torch.log_softmax(logits[:, env] / temperature, -1)
            taken = expected.gather(-1, rollout.action[:, env, None]).squeeze(-1)
            torch.testing.assert_close(stamped[:, env], taken)
