"""What actions are called."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from gymnasium.spaces import Discrete

from lit_a3c import AtariOptions, EnvConfig
from lit_a3c.envs.action_names import GYMNASIUM
from tests.dummy_envs import dummy
from tests.dummy_envs.base import DummyEnv


def names(config: EnvConfig) -> tuple[str, ...] | None:
    env = config.make(1, seed=0, training=False)
    try:
        return env.action_names
    finally:
        env.close()


@pytest.mark.parametrize(
    ("env_id", "options", "count", "first"),
    [
        ("ALE/Pong-v5", AtariOptions(), 6, ("noop", "fire", "right")),
        ("ALE/Pong-v5", AtariOptions(full_action_space=True), 18, ("noop", "fire", "up")),
        ("ALE/Breakout-v5", AtariOptions(), 4, ("noop", "fire", "right")),
    ],
)
def test_atari_names_its_actions(env_id: str, options: AtariOptions, count: int, first: tuple[str, ...]) -> None:
    found = names(EnvConfig(env_id, options))
    assert found is not None
    assert len(found) == count
    assert found[:3] == first


@pytest.mark.parametrize(
    "env_id", ["CartPole-v1", "MountainCar-v0", "Acrobot-v1", "FrozenLake-v1", "CliffWalking-v1", "Blackjack-v1"]
)
def test_environments_of_gymnasium_have_names(env_id: str) -> None:
    assert names(EnvConfig(env_id)) == GYMNASIUM[env_id.partition("-")[0]]


@pytest.mark.parametrize("env_id", ["Pendulum-v1", dummy("Identity"), dummy("Grid")])
def test_others_have_none(env_id: str) -> None:
    assert names(EnvConfig(env_id)) is None


class Named(DummyEnv):
    """Names its actions as MiniGrid does."""

    actions: Any = enum.IntEnum("Actions", ["LEFT", "RIGHT"])


class Told(DummyEnv):
    """Names its actions as Atari games do."""

    def get_action_meanings(self) -> list[str]:
        return ["NOOP", "FIRE"]


class Short(Told):
    """Has an action without a name."""

    action_space = Discrete(3)


@pytest.mark.parametrize(("env", "expected"), [(Named, ("left", "right")), (Told, ("noop", "fire")), (Short, None)])
def test_an_environment_may_name_its_actions(env: Any, expected: tuple[str, ...] | None) -> None:
    assert names(EnvConfig.of(env)) == expected
