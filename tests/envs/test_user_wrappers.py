"""Wrappers of the user's own: around every copy, below nothing, and without a say in the returns that are reported."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Text
from gymnasium.wrappers import FrameStackObservation, RescaleAction, TimeAwareObservation, TransformReward

from lit_a3c import RolloutDataModule
from lit_a3c.envs import EnvConfig
from lit_a3c.rollout import Episode
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import LIMIT, dummy
from tests.dummy_envs.base import DummyEnv

DOUBLED = functools.partial(TransformReward, func=lambda reward: 2 * reward)


class Twice(gymnasium.Wrapper):
    """Takes each action twice."""

    def step(self, action: Any) -> Any:
        _, first, terminated, truncated, _ = result = self.env.step(action)
        if terminated or truncated:
            return result
        observation, second, terminated, truncated, info = self.env.step(action)
        return observation, float(first) + float(second), terminated, truncated, info


class Wordy(gymnasium.ObservationWrapper):
    """Observes text."""

    def __init__(self, env: gymnasium.Env) -> None:
        super().__init__(env)
        self.observation_space = Text(5)

    def observation(self, observation: Any) -> Any:
        return "left"


def test_the_first_wrapper_is_the_innermost() -> None:
    """The time is stacked with the rest, and not added to the stack."""
    stacked = functools.partial(FrameStackObservation, stack_size=3)
    assert EnvConfig("CartPole-v1", wrappers=(TimeAwareObservation, stacked)).spaces().observation_shape == (3, 5)


@pytest.mark.parametrize("training", [True, False])
def test_every_copy_is_wrapped(training: bool) -> None:
    """In a training and in an evaluation. The time counts in each of them."""
    env = EnvConfig("CartPole-v1", wrappers=(TimeAwareObservation,)).make(3, seed=0, training=training)
    state = env.torchrl.reset()
    for t in range(5):
        assert state["observation"].shape == (3, 5)
        assert state["observation"][:, 4].tolist() == [t] * 3
        state["action"] = env.torchrl.action_spec.rand()
        _, state = env.torchrl.step_and_maybe_reset(state)
    env.close()


def test_returns_are_of_the_rewards_below_the_wrappers() -> None:
    """The learner sees the doubled ones. A step of the wrapper may be two of the environment."""
    env = EnvConfig(dummy("TimeLimit"), wrappers=(Twice, DOUBLED)).make(2, seed=0, training=True)
    state, rewards = env.torchrl.reset(), []
    for _ in range(8):
        state["action"] = env.torchrl.action_spec.rand()
        step, state = env.torchrl.step_and_maybe_reset(state)
        rewards.append(step["next", "reward"][0].item())
    assert rewards == [4, 4, 4, 2] * 2  # episodes have seven steps of the environment, which pay 1 each
    assert LIMIT == 7
    assert env.pop_finished() == [Episode(i, 7, 4) for i in (0, 1)] * 2
    env.close()


def test_actions_pass_through() -> None:
    """The policy acts in the space of the outermost wrapper."""
    rescaled = functools.partial(RescaleAction, min_action=np.float32(-0.1), max_action=np.float32(0.1))
    space = EnvConfig("Pendulum-v1", wrappers=(rescaled,)).spaces().action_space
    assert isinstance(space, Box)
    assert space.high.tolist() == pytest.approx([0.1])


@pytest.mark.parametrize(
    ("wrapper", "message"),
    [
        (Wordy, "'CartPole-v1' in Wordy has observations Text.*; Text has no fixed number of values"),
        (lambda env: env.observation_space, "data.wrappers: <lambda> makes an object of type Box, which is no envir"),
        (FrameStackObservation, "'CartPole-v1' cannot be made: TypeError.*stack_size"),
    ],
)
def test_what_cannot_work_is_refused(wrapper: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RolloutDataModule("CartPole-v1", wrappers=[wrapper])


def test_atari_games_have_none() -> None:
    with pytest.raises(ConfigError, match=r"data\.wrappers is not for Atari games .*data\.atari"):
        RolloutDataModule("ALE/Pong-v5", wrappers=[TimeAwareObservation])


def test_spaces_are_read_anew_for_other_wrappers() -> None:
    """Other arguments make another environment."""
    sizes = [
        EnvConfig("CartPole-v1", wrappers=(functools.partial(FrameStackObservation, stack_size=size),))
        .spaces()
        .observation_shape[0]
        for size in (2, 2, 3, 2)
    ]
    assert sizes == [2, 2, 3, 2]


def test_the_spaces_of_one_environment_are_read_once() -> None:
    """By the command line and by the data module. Arguments that are arrays cannot be compared, and are read anew."""
    made: list[int] = []

    def noted(env: gymnasium.Env, mark: Any) -> gymnasium.Env:
        made.append(1)
        return env

    for mark, times in ((1, 1), (1, 1), (2, 2), (np.zeros(2), 3), (np.zeros(2), 4)):
        EnvConfig("CartPole-v1", wrappers=(functools.partial(noted, mark=mark),)).spaces()
        assert len(made) == times


def test_arguments_of_the_environment_may_be_arrays() -> None:
    class Goal(DummyEnv):
        def __init__(self, goal: Any) -> None:
            super().__init__()

    for _ in range(2):
        assert EnvConfig.of(Goal, kwargs={"goal": np.zeros(2)}).spaces().observation_shape == (1,)
