"""Small sources of rollouts, as the tests of the engines use them."""

from __future__ import annotations

import dataclasses
import multiprocessing as mp
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import torch

from lit_a3c.engines.base import RolloutConfig, RolloutSource
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.registry import make_source
from lit_a3c.envs import EnvConfig
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.rollout import Rollout

ENGINES = ("serial", "sync", "async")
"""The engines with one learner."""
GENEROUS = 60.0
"""Seconds to wait for what takes a moment on an idle machine."""


def setting(
    env_id: str, engine: str, workers: int = 1, envs: int = 2, length: int = 5, seed: int = 1, **kwargs: Any
) -> tuple[RolloutConfig, ActorCritic]:
    """What to collect, and a fresh policy. A worker that hangs is an error, so that no test waits forever."""
    env = EnvConfig(env_id, kwargs=kwargs)
    spaces = env.spaces()
    config = RolloutConfig(env, spaces, engine, workers, envs, length, seed, worker_timeout=GENEROUS)
    torch.manual_seed(seed)
    return config, ActorCritic(spaces)


def opened(config: RolloutConfig, policy: ActorCritic, ledger: StepLedger | None = None) -> closing[RolloutSource]:
    """A source, closed in any case. The ledger matters to few tests."""
    return closing(make_source(config, policy, ledger or StepLedger()))


@contextmanager
def collecting(*args: Any, device: str = "cpu", **kwargs: Any) -> Iterator[tuple[RolloutSource, ActorCritic]]:
    """A source of a :func:`setting`, and its policy."""
    config, policy = setting(*args, **kwargs)
    with opened(config, policy.to(device)) as source:
        yield source, policy


def workers() -> list[Any]:
    """The living worker processes of this process."""
    return [process for process in mp.active_children() if process.name.startswith("lit-a3c worker")]


def always(policy: ActorCritic, action: int) -> ActorCritic:
    """The policy with weights that force one action."""
    with torch.no_grad():
        policy.head.logits.weight.zero_()
        policy.head.logits.bias.fill_(-50)
        policy.head.logits.bias[action] = 50
    return policy


def copied(rollout: Rollout) -> Rollout:
    """A rollout that stays as it is when the next one is asked for."""
    return dataclasses.replace(rollout, **{name: tensor.clone() for name, tensor in rollout.tensors().items()})


def assert_same_tensors(one: Rollout, other: Rollout) -> None:
    """All tensors of two rollouts are equal to the bit."""
    assert one.tensors().keys() == other.tensors().keys()
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name
