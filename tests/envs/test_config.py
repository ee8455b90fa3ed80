"""What an environment's description makes, and what it refuses."""

from __future__ import annotations

import pickle

import pytest
import torch

from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import dummy


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Words", "has observations Text.*; Text has no fixed number of values. Wrap the environment"),
        ("Speech", "has actions Tuple.*Text.*only Discrete, MultiDiscrete, .* are supported"),
        ("WholeBox", "has actions Box.*int64.*only floating Box"),
    ],
)
def test_spaces_that_no_network_fits_are_refused(name: str, message: str) -> None:
    """They are refused before anything is trained, with the space in the message."""
    with pytest.raises(ConfigError, match=message):
        EnvConfig(dummy(name)).spaces()


def test_options_that_do_not_belong_are_refused() -> None:
    """Atari's protocol is for Atari games only, and keyword arguments are for the others."""
    with pytest.raises(ConfigError, match=r"data\.atari is for Atari games.*CartPole-v1.*--data\.atari null"):
        EnvConfig("CartPole-v1", AtariOptions())
    with pytest.raises(ConfigError, match=r"data\.env_kwargs is not for Atari games.*use data\.atari"):
        EnvConfig("ALE/Pong-v5", kwargs={"mode": 1})


def test_keyword_arguments_reach_the_constructor() -> None:
    """Under another gravity a pendulum takes another step."""
    steps = []
    for g in (10.0, 1.0):
        env = EnvConfig("Pendulum-v1", kwargs={"g": g}).make(1, seed=0, training=True)
        state = env.torchrl.reset()
        state["action"] = torch.zeros(1, 1)
        steps.append(env.torchrl.step(state)["next", "observation"].clone())
        env.close()
    assert not torch.equal(*steps)


def test_a_config_travels_by_pickle() -> None:
    """It is plain data, and equal when it has arrived."""
    for config in (EnvConfig("ALE/Pong-v5", AtariOptions(sticky=0.25)), EnvConfig("Pendulum-v1", kwargs={"g": 9.0})):
        assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "ALE/Pong-v5", dummy("StartsAtOne")])
def test_torchrl_has_the_shapes_of_the_spaces(env_id: str) -> None:
    """It has one batch of E environments. Observations and actions have the shapes that the spaces say."""
    config = EnvConfig(env_id)
    spaces = config.spaces()
    env = config.make(3, seed=0, training=True)
    state = env.torchrl.reset()
    assert env.torchrl.batch_size == torch.Size([3])
    assert state["observation"].shape == (3, *spaces.observation_shape)
    assert env.torchrl.rand_action(state)["action"].shape == (3, *spaces.action_shape)
    env.close()
