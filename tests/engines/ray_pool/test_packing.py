"""Rollouts and weights as bytes: what comes out is equal to the bit, whatever went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import RolloutConfig, tensors_of
from lit_a3c.engines.ray_pool.packing import pack, pack_weights, unpack, unpack_weights
from lit_a3c.envs import AtariOptions, EnvConfig
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.rollout import Episode, Rollout
from lit_a3c.utils.shared_counter import SharedCounter

T, B, K = 6, 3, 4


def bits(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.numpy()).view(np.uint8)


def assert_survives(rollout: Rollout) -> int:
    """Every tensor, every valid row of the next observations, and the rest; returns the number of bytes."""
    data = pack(rollout)
    found = unpack(data)
    assert found.tensors().keys() == rollout.tensors().keys()
    for name, tensor in rollout.tensors().items():
        other = found.tensors()[name]
        assert tensor.shape == other.shape
        assert tensor.dtype == other.dtype
        if name == "next_observation":
            tensor, other = (torch.cat([x[-1], x[rollout.truncated]]) for x in (tensor, other))
        assert (bits(tensor) == bits(other)).all(), name
    assert found.episodes == rollout.episodes
    assert found.policy_version == rollout.policy_version
    assert not found.batch_first
    return len(data)


def rollout_of(observation: Tensor, successor: Tensor, **fields: Any) -> Rollout:
    """A rollout with these observations ``[T, B, ...]``, and random other fields."""
    length, num_envs = observation.shape[:2]
    terminated, truncated = torch.rand(2, length, num_envs) < 0.2
    tensors = {"action": torch.randint(6, (length, num_envs)), "reward": torch.randn(length, num_envs)}
    episodes = [Episode(1, 2.5, 7), Episode(0, -1.0, 3)]
    flags = {"terminated": terminated, "truncated": truncated}
    arguments: dict[str, Any] = {"policy_version": 41, "episodes": episodes, **tensors, **flags, **fields}
    return Rollout(observation=observation, next_observation=successor, **arguments)


def stacks(size: tuple[int, ...], dtype: torch.dtype = torch.uint8) -> tuple[Tensor, Tensor]:
    """Stacks of frames, each of which continues the one before, and their successors: ``[T, B, K, ...]`` each."""
    frames = torch.randint(256, (T + K, B, *size)).to(dtype)
    every = torch.stack([frames[t : t + K].transpose(0, 1) for t in range(T + 1)])
    return every[:-1].clone(), every[1:].clone()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.int64])
@pytest.mark.parametrize("size", [(84, 84), (7, 5), (3,)])
def test_stacks_of_frames(size: tuple[int, ...], dtype: torch.dtype) -> None:
    """Each frame is sent once: of noise, which cannot be compressed, ``T + K`` frames in place of ``T * K``."""
    observation, successor = stacks(size, dtype)
    length = assert_survives(rollout_of(observation, successor, truncated=torch.zeros(T, B, dtype=torch.bool)))
    if size == (84, 84):
        assert length < 1.01 * observation.nbytes * (T + K) / (T * K)


def test_stacks_that_begin_anew_anywhere() -> None:
    """Rows that do not continue the one before, and successors that do not, are sent whole."""
    for where in [(0, 1), (3, 0), (T - 1, 2)]:
        observation, successor = stacks((8, 8))
        observation[where] = torch.randint(256, (K, 8, 8), dtype=torch.uint8)
        successor[-1, 1] = torch.randint(256, (K, 8, 8), dtype=torch.uint8)
        assert_survives(rollout_of(observation, successor))


def test_bits_count_and_not_numbers() -> None:
    """-0 is equal to 0, and NaN is not equal to itself; both come back as they were."""
    observation, successor = stacks((4, 4), torch.float32)
    observation[2, 1, 0] = -0.0
    observation[3, 1] = torch.nan
    assert_survives(rollout_of(observation, successor))


@pytest.mark.parametrize("shape", [(), (4,), (1, 8, 8), (3, 8, 8), (200, 90)])
def test_other_observations(shape: tuple[int, ...]) -> None:
    """Numbers, vectors, images without a stack, and what does not overlap at all."""
    observation, successor = torch.randn(2, T, B, *shape)
    state, log_prob = torch.randn(1, B, 12), torch.randn(T, B)
    assert_survives(rollout_of(observation, successor, recurrent_state=state, behaviour_log_prob=log_prob))


def test_a_rollout_of_one_step() -> None:
    observation, successor = stacks((8, 8))
    assert_survives(rollout_of(observation[:1], successor[:1]))


@pytest.mark.parametrize("env_id", ["ALE/Pong-v5", "CartPole-v1"])
def test_rollouts_of_an_actor(env_id: str) -> None:
    """As collectors make them: views of memory with the environments first. Pong's has less than 60 kB."""
    env = EnvConfig(env_id, AtariOptions() if env_id.startswith("ALE") else None)
    spaces = env.spaces()
    config = RolloutConfig(env, spaces, "ray", 1, 16, 10, seed=1, behaviour_log_prob=True)
    actor = Actor(config, ActorCritic(spaces), 0, SharedCounter())
    for version in range(3):
        assert assert_survives(actor.rollout(version)) < 60_000
    actor.close()


def test_weights(image_spaces: Any) -> None:
    """Parameters and buffers of several dtypes."""
    one, other = ActorCritic(image_spaces), ActorCritic(image_spaces)
    tensors = [torch.tensor([7], dtype=torch.int64), torch.tensor([True, False, True]), *tensors_of(one)]
    into = [torch.zeros_like(tensor) for tensor in tensors[:2]] + tensors_of(other)
    unpack_weights(pack_weights(tensors), into)
    assert all(torch.equal(a, b) for a, b in zip(tensors, into, strict=True))
