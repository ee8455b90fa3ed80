"""Every episode is recorded once, with its raw return and its length."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lit_a3c.envs import BatchedEnv, EnvConfig
from lit_a3c.rollout import Episode
from tests.dummy_envs import LIMIT, dummy


def steps(env: BatchedEnv, state: Any, count: int) -> Any:
    """Take so many steps with action 0 everywhere."""
    for _ in range(count):
        state["action"] = torch.zeros(env.gym.num_envs, dtype=torch.int64)
        _, state = env.torchrl.step_and_maybe_reset(state)
    return state


def test_every_episode_is_counted_once() -> None:
    """Return and length start again at each end. pop_finished gives each episode once."""
    env = EnvConfig(dummy("TimeLimit")).make(2, seed=0, training=True)
    state = steps(env, env.torchrl.reset(), 2 * LIMIT + 3)
    whole = [Episode(env=i, episode_return=float(LIMIT), length=LIMIT) for _ in range(2) for i in range(2)]
    assert env.pop_finished() == whole
    assert env.pop_finished() == []
    unfinished = env.recorder.state_dict()
    assert (unfinished["returns"].tolist(), unfinished["lengths"].tolist()) == ([3.0, 3.0], [3, 3])
    steps(env, state, LIMIT - 3)
    assert env.pop_finished() == whole[:2]
    env.close()


def test_a_full_reset_drops_what_is_unfinished() -> None:
    """The next episode counts from zero."""
    env = EnvConfig(dummy("TimeLimit")).make(2, seed=0, training=True)
    steps(env, env.torchrl.reset(), 3)
    steps(env, env.torchrl.reset(), LIMIT)
    assert env.pop_finished() == [Episode(i, float(LIMIT), LIMIT) for i in range(2)]
    env.close()


def test_episodes_of_different_lengths_do_not_mix() -> None:
    """Where the episode of one environment ends, the others count on."""
    env = EnvConfig(dummy("Lengths")).make(8, seed=0, training=True)
    steps(env, env.torchrl.reset(), 60)
    episodes = env.pop_finished()
    assert {e.length for e in episodes} == {1, 20}
    assert all(e.episode_return == e.length for e in episodes)
    played = np.bincount([e.env for e in episodes], weights=[e.length for e in episodes], minlength=8)
    assert (played + env.recorder.state_dict()["lengths"].numpy() == 60).all()
    env.close()


def test_rewards_of_a_real_task_add_up() -> None:
    """CartPole gives 1 for each step until the pole falls."""
    env = EnvConfig("CartPole-v1").make(3, seed=0, training=True)
    steps(env, env.torchrl.reset(), 100)
    episodes = env.pop_finished()
    assert len(episodes) > 10
    assert all(e.episode_return == e.length and 5 < e.length < 20 for e in episodes)
    env.close()
