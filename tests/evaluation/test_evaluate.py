"""``evaluate``: the score of an agent from Python."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import TransformReward

from lit_a3c import A3C, EnvConfig, evaluate
from lit_a3c.evaluation.play import EpisodeLoader, play
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import LIMIT, dummy
from tests.dummy_envs.base import DummyEnv


def test_it_counts_whole_episodes() -> None:
    """Of a known return and length."""
    agent = A3C(EnvConfig(dummy("TimeLimit")).spaces())
    score = evaluate(agent, dummy("TimeLimit"), 23)
    assert (score.mean, score.sd, score.interval) == (LIMIT, 0, (LIMIT, LIMIT))
    assert score.returns.tolist() == score.lengths.tolist() == [LIMIT] * 23


def test_it_is_the_mean_of_the_episodes_that_are_played() -> None:
    """The same seed gives the same episodes. Nothing of the agent, and no draw around it, is changed."""
    config = EnvConfig("CartPole-v1")
    agent = A3C(config.spaces())
    torch.manual_seed(3)
    before = torch.get_rng_state()
    score = evaluate(agent, "CartPole-v1", 25, deterministic=True, seed=4)
    assert torch.equal(before, torch.get_rng_state())
    again = evaluate(agent, config, 25, deterministic=True, seed=4)
    assert np.array_equal(score.returns, again.returns)
    loader = EpisodeLoader(config, 25, 4)
    acting = agent.agent
    agent.hparams["deterministic_eval"] = True
    returns = [episode.episode_return for batch in loader for episode in play(acting(batch.num_envs), batch)]
    assert score.returns.tolist() == returns
    assert score.mean == pytest.approx(np.mean(returns))
    assert score.sd == pytest.approx(np.std(returns, ddof=1))
    assert score.interval[0] < score.mean < score.interval[1]
    drawn = evaluate(agent, "CartPole-v1", 25, deterministic=False, seed=4)
    assert not np.array_equal(drawn.returns, score.returns)


@pytest.mark.parametrize("env", [DummyEnv, lambda **kwargs: DummyEnv(**kwargs)])
def test_it_takes_classes_functions_and_wrappers(env: Any) -> None:
    """Wrapped rewards do not count. An episode that does not end is cut."""
    doubled = functools.partial(TransformReward, func=lambda reward: 2 * reward)
    score = evaluate(A3C(EnvConfig.of(env).spaces()), env, 2, wrappers=[doubled], max_steps=5)
    assert score.returns.tolist() == [5, 5]


def test_masks_count_as_they_did_in_the_training() -> None:
    """A closed door would end the episode."""
    masked = A3C(EnvConfig(dummy("Doors")).spaces())
    assert evaluate(masked, dummy("Doors"), 10).lengths.tolist() == [10] * 10
    plain = A3C(EnvConfig(dummy("Doors"), action_mask=False).spaces())
    assert evaluate(plain, dummy("Doors"), 10, deterministic=False).lengths.mean() < 3


def test_what_cannot_be_scored_is_refused() -> None:
    agent = A3C(EnvConfig("CartPole-v1").spaces())
    with pytest.raises(ConfigError, match=r"the agent is of 'CartPole-v1' .*'Pendulum-v1'"):
        evaluate(agent, "Pendulum-v1")
    with pytest.raises(ConfigError, match="makes copies of the environment"):
        evaluate(agent, gymnasium.make("CartPole-v1"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="episodes 0 must be"):
        evaluate(agent, "CartPole-v1", 0)
    with pytest.raises(ConfigError, match="is not a registered environment"):
        evaluate(agent, "CartPool-v1")
