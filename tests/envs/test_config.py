from __future__ import annotations

import pickle

import pytest
import torch

from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.errors import ConfigError
from tests.toys import toy


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Words", "has observations Text.*only Box, and Dict of Box, are supported"),
        ("Speech", "has actions Tuple.*Text.*only Discrete, MultiDiscrete, .* are supported"),
        ("WholeBox", "has actions Box.*int64.*only floating Box"),
    ],
)
def test_spaces_that_no_network_fits_are_refused(name: str, message: str) -> None:
    """Before anything is trained."""
    with pytest.raises(ConfigError, match=message):
        EnvConfig(toy(name)).spec()


def test_options_that_do_not_belong_are_refused() -> None:
    """Atari's protocol for Atari only, keyword arguments for the others."""
    with pytest.raises(ConfigError, match=r"data\.atari is for Atari games.*CartPole-v1.*--data\.atari null"):
        EnvConfig("CartPole-v1", AtariOptions())
    with pytest.raises(ConfigError, match=r"data\.env_kwargs is not for Atari games.*use data\.atari"):
        EnvConfig("ALE/Pong-v5", kwargs={"mode": 1})


def test_keyword_arguments_reach_the_constructor() -> None:
    """A heavier pendulum falls otherwise."""
    steps = []
    for g in (10.0, 1.0):
        env = EnvConfig("Pendulum-v1", kwargs={"g": g}).make(1, seed=0, training=True)
        state = env.torchrl.reset()
        state["action"] = torch.zeros(1, 1)
        steps.append(env.torchrl.step(state)["next", "observation"].clone())
        env.close()
    assert not torch.equal(*steps)


def test_a_config_travels_by_pickle() -> None:
    """It is plain data, equal on the other side."""
    for config in (EnvConfig("ALE/Pong-v5", AtariOptions(sticky=0.25)), EnvConfig("Pendulum-v1", kwargs={"g": 9.0})):
        assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "ALE/Pong-v5", toy("StartsAtOne")])
def test_torchrl_sees_the_specs_spaces(env_id: str) -> None:
    """One batch of E environments, of the shapes that the spec says; actions are indices or vectors."""
    config = EnvConfig(env_id)
    spec = config.spec()
    env = config.make(3, seed=0, training=True)
    state = env.torchrl.reset()
    assert env.torchrl.batch_size == torch.Size([3])
    assert state["observation"].shape == (3, *spec.observation_space.shape)
    assert env.torchrl.rand_action(state)["action"].shape == (3, *(spec.action_space.shape or ()))
    env.close()
