"""A small module and a rollout, as the tests of the module use them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Discrete

from lit_a3c import A3C, EnvSpaces, MLPBody, Rollout

T, B, OBS, ACTIONS, GAMMA = 4, 3, 5, 2, 0.9
SPACES = EnvSpaces("Dummy-v0", Box(-np.inf, np.inf, (OBS,)), Discrete(ACTIONS))


def make_module(**options: Any) -> A3C:
    """A module with a budget of 1000 steps, whose outputs depend on its inputs: fresh heads are almost constant."""
    torch.manual_seed(0)
    body = functools.partial(MLPBody, hidden=[8], normalize=False)
    module = A3C(SPACES, **{"gamma": GAMMA, "body": body, **options})
    module.begin_training(1000)
    for parameter in module.policy.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def make_rollout(seed: int = 0) -> Rollout:
    """One episode is terminated in the second row, another one truncated in the third."""
    g = torch.Generator().manual_seed(seed)
    terminated = torch.zeros(T, B, dtype=torch.bool)
    truncated = torch.zeros(T, B, dtype=torch.bool)
    terminated[1, 0] = truncated[2, 1] = True
    return Rollout(
        observation=torch.randn(T, B, OBS, generator=g),
        action=torch.randint(ACTIONS, (T, B), generator=g),
        reward=torch.randn(T, B, generator=g),
        terminated=terminated,
        truncated=truncated,
        next_observation=torch.randn(T, B, OBS, generator=g),
    )


def batch_first_views(rollout: Rollout) -> Rollout:
    """The same numbers as views of ``[B, T, ...]`` memory, as a collector fills it."""
    tensors: dict[str, Any] = {
        name: x.transpose(0, 1).contiguous().transpose(0, 1) for name, x in rollout.tensors().items()
    }
    return dataclasses.replace(rollout, batch_first=True, **tensors)
