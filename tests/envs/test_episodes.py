from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lit_a3c.envs import EnvConfig, Episode, VectorEnv
from tests.toys import LIMIT, toy


def steps(env: VectorEnv, state: Any, count: int) -> Any:
    """That many steps of action 0 everywhere."""
    for _ in range(count):
        state["action"] = torch.zeros(env.gym.num_envs, dtype=torch.int64)
        _, state = env.torchrl.step_and_maybe_reset(state)
    return state


def test_every_episode_is_counted_once() -> None:
    """Return and length start again at each end; drain hands out and forgets."""
    env = EnvConfig(toy("TimeLimit")).make(2, seed=0, training=True)
    state = steps(env, env.torchrl.reset(), 2 * LIMIT + 3)
    whole = [Episode(env=i, ret=float(LIMIT), length=LIMIT) for _ in range(2) for i in range(2)]
    assert env.drain() == whole
    assert env.drain() == []
    assert env.recorder.unfinished(1) == Episode(1, 3.0, 3)
    steps(env, state, LIMIT - 3)
    assert env.drain() == whole[:2]
    env.close()


def test_a_full_reset_drops_what_is_unfinished() -> None:
    """The next episode starts from zero."""
    env = EnvConfig(toy("TimeLimit")).make(2, seed=0, training=True)
    steps(env, env.torchrl.reset(), 3)
    steps(env, env.torchrl.reset(), LIMIT)
    assert env.drain() == [Episode(i, float(LIMIT), LIMIT) for i in range(2)]
    env.close()


def test_episodes_of_different_lengths_do_not_mix() -> None:
    """Where one environment ends the others count on."""
    env = EnvConfig(toy("Lengths")).make(8, seed=0, training=True)
    steps(env, env.torchrl.reset(), 60)
    episodes = env.drain()
    assert {e.length for e in episodes} == {1, 20}
    assert all(e.ret == e.length for e in episodes)
    played = np.bincount([e.env for e in episodes], weights=[e.length for e in episodes], minlength=8)
    unfinished = [env.recorder.unfinished(i).length for i in range(8)]
    assert (played + unfinished == 60).all()
    env.close()


def test_rewards_of_a_real_task_add_up() -> None:
    """CartPole pays 1 a step until it falls."""
    env = EnvConfig("CartPole-v1").make(3, seed=0, training=True)
    steps(env, env.torchrl.reset(), 100)
    episodes = env.drain()
    assert len(episodes) > 10
    assert all(e.ret == e.length and 5 < e.length < 20 for e in episodes)
    env.close()
