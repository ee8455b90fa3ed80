"""A policy that acts on numpy: the same as in an evaluation, with its recurrent states."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from lit_a3c import A3C, GRU, LSTM, EnvConfig
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import dummy


def agent(env_id: str, **options: Any) -> A3C:
    torch.manual_seed(0)
    module = A3C(EnvConfig(env_id).spaces(), **options)
    for parameter in module.policy.parameters():
        torch.nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("share_body", [True, False])
@pytest.mark.parametrize(
    "recurrent", [None, functools.partial(LSTM, hidden_size=8), functools.partial(GRU, hidden_size=8)]
)
def test_it_acts_as_in_an_evaluation(recurrent: Any, share_body: bool) -> None:
    """Over two episodes, one environment and three. What it says of values does not move the recurrent states."""
    module = agent(dummy("Junction"), recurrent=recurrent, share_body=share_body, deterministic_eval=True)
    for num_envs in (1, 3):
        acting = module.agent(num_envs)
        observations = np.random.default_rng(1).normal(size=(12, num_envs, 2)).astype(np.float32)
        for t, observation in enumerate(observations):
            start = np.full(num_envs, t in (0, 7))
            expected = acting(torch.from_numpy(observation), torch.from_numpy(start))
            given = observation if num_envs > 1 else observation[0]
            for _ in range(2):
                module.value(given, episode_start=start)
                module.distribution(given, episode_start=start)
            action = module.predict(given, episode_start=start)
            assert np.array_equal(np.atleast_1d(action), expected.numpy())


def test_another_number_of_environments_begins_anew() -> None:
    module = agent(dummy("Junction"), recurrent=functools.partial(LSTM, hidden_size=8))
    one, two = np.ones(2, np.float32), np.ones((2, 2), np.float32)
    first = module.value(one)
    module.predict(one)
    assert module.value(one) != first
    module.predict(two)
    assert module.value(one) == pytest.approx(first)
    module.predict(one)
    assert module.value(one, episode_start=True) == pytest.approx(first)


def test_draws_follow_the_distribution() -> None:
    """Of which the most likely action is the deterministic one."""
    module = agent("CartPole-v1")
    observation = np.array([0.1, 0.2, 0.0, 0.1], np.float32)
    distribution = module.distribution(observation)
    assert distribution.batch_shape == (1,)
    many = np.repeat(observation[None], 4000, 0)
    drawn = module.predict(many, deterministic=False)
    assert drawn.mean() == pytest.approx(distribution.probs[0, 1].item(), abs=0.03)  # type: ignore[attr-defined]
    assert module.predict(observation) == distribution.mode.item()


def test_values_are_in_units_of_rewards() -> None:
    module = agent("CartPole-v1", normalize_returns=True)
    assert module.return_scale is not None
    observation = np.zeros(4, np.float32)
    own = module.policy.values(torch.zeros(1, 4)).item()
    module.return_scale.update(torch.tensor([0.0, 20.0]))
    assert module.value(observation) == pytest.approx(10 * own, rel=1e-4)
    assert module.value(np.zeros((2, 4), np.float32)).tolist() == pytest.approx([10 * own] * 2, rel=1e-4)


@pytest.mark.parametrize("name", ["Doors", "Dials"])
def test_masks_of_infos_are_given(name: str) -> None:
    """The environment ends or fails where a forbidden action is taken. A value needs no mask."""
    module, env = agent(dummy(name)), gymnasium.make(dummy(name))
    observation, info = env.reset(seed=0)
    for step in range(10):
        module.value(observation)
        action = module.predict(observation, deterministic=False, action_mask=info["action_mask"])
        observation, _, terminated, _, info = env.step(action)
        assert terminated == (step == 9)
    with pytest.raises(ConfigError, match="action_mask cannot be used: there is none"):
        module.predict(observation)


def test_masks_of_observations_need_not_be_given() -> None:
    module, env = agent(dummy("DoorsSeen")), gymnasium.make(dummy("DoorsSeen"))
    observation, _ = env.reset(seed=0)
    assert observation["action_mask"][module.predict(observation) - 2] == 1


def test_the_mode_of_the_network_is_left_as_it_is() -> None:
    module = agent("CartPole-v1")
    module.train()
    module.predict(np.zeros(4, np.float32))
    assert module.policy.training


def test_a_start_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"episode_start has the shape \(3,\), and must have \(1,\)"):
        agent("CartPole-v1").predict(np.zeros(4, np.float32), episode_start=[True, False, True])
