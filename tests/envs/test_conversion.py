"""An environment's own observations and actions, as tensors and back."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from lit_a3c.envs import EnvConfig
from lit_a3c.envs.conversion import from_tensor, to_tensor
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import dummy

IDS = [
    *("CartPole-v1", "Pendulum-v1", "FrozenLake-v1", "Blackjack-v1", "Taxi-v4"),
    *map(dummy, ("Car", "Robot", "Grid", "Buttons", "Senses", "Clues", "StartsAtOne", "Doors", "DoorsSeen", "Dials")),
]


def vector(env_id: str, num_envs: int = 3) -> SyncVectorEnv:
    make = lambda: gymnasium.make(env_id, disable_env_checker=True)  # noqa: E731
    return SyncVectorEnv([make] * num_envs, autoreset_mode=AutoresetMode.DISABLED)


@pytest.mark.parametrize("env_id", IDS)
def test_observations_are_those_of_the_training(env_id: str) -> None:
    """One and a batch: the tensors that the environment's wrappers make of the same observations."""
    config = EnvConfig(env_id)
    spaces = config.spaces()
    trained = config.make(3, seed=5, training=False)
    expected = torch.from_numpy(trained.gym.reset(seed=5)[0]).to(spaces.observation_dtype)
    envs = vector(env_id)
    observations, infos = envs.reset(seed=5)
    if spaces.mask_source == "info":
        masks = infos["action_mask"]
        if isinstance(masks, dict):  # Gymnasium's vector gathers dicts in another way
            masks = [env.get_wrapper_attr("masks") for env in envs.envs]
    else:
        masks = None
    tensor, batched = to_tensor(spaces, observations, masks)
    assert batched
    assert tensor.dtype == spaces.observation_dtype
    assert torch.equal(tensor, expected)
    one = gymnasium.make(env_id)
    observation, info = one.reset(seed=5)
    tensor, batched = to_tensor(spaces, observation, info.get("action_mask"))
    assert not batched
    assert torch.equal(tensor[0], expected[0])
    trained.close()


@pytest.mark.parametrize("env_id", IDS)
def test_actions_are_those_of_the_environment(env_id: str) -> None:
    """One lies in the space, and a vector environment of Gymnasium takes a batch."""
    config = EnvConfig(env_id)
    spaces = config.spaces()
    env = config.make(3, seed=0, training=False)
    action = env.torchrl.action_spec.rand()
    if (
        spaces.action_shape
        and action.dtype == torch.float32
        and not isinstance(spaces.action_space, gymnasium.spaces.Box)
    ):
        action = torch.zeros_like(action)  # a flat vector has no bounds
    envs = vector(env_id)
    assert spaces.action_space.contains(from_tensor(spaces, action[:1], batched=False))
    assert envs.action_space.contains(from_tensor(spaces, action, batched=True))
    env.close()


def test_actions_are_clipped_and_counted_as_the_environment_does() -> None:
    spaces = EnvConfig("Pendulum-v1").spaces()
    assert from_tensor(spaces, torch.tensor([[9.0]]), batched=False).tolist() == [2.0]
    spaces = EnvConfig(dummy("StartsAtOne")).spaces()
    start = int(spaces.action_space.start)  # type: ignore[attr-defined]
    assert from_tensor(spaces, torch.tensor([0, 1]), batched=True).tolist() == [start, start + 1]


WRONG: list[tuple[str, Any, Any, str]] = [
    ("CartPole-v1", np.zeros(3), None, r"of shape \(3,\)"),
    ("CartPole-v1", np.zeros((2, 3)), None, r"of shape \(2, 3\)"),
    ("CartPole-v1", np.full(4, np.nan), None, "nan"),
    ("CartPole-v1", "left", None, "'left'"),
    ("CartPole-v1", None, None, "None"),
    ("Blackjack-v1", (1, 2), None, "a tuple of 2 values"),
    (dummy("Clues"), {"eye": 1}, None, "a dict with eye"),
    ("FrozenLake-v1", 99, None, "99"),
    ("Taxi-v4", 3, None, "action_mask cannot be used: there is none"),
    ("Taxi-v4", 3, np.zeros(6), "it allows no action"),
    ("Taxi-v4", 3, np.ones(5), r"shape \(6,\)"),
    ("Taxi-v4", np.array([3, 4]), [np.ones(6)], "2 observations and 1 action masks"),
]


@pytest.mark.parametrize(("env_id", "observation", "mask", "said"), WRONG)
def test_what_is_no_observation_is_refused(env_id: str, observation: Any, mask: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        to_tensor(EnvConfig(env_id).spaces(), observation, mask)
