"""Do recurrent cores learn what a policy of the present observation cannot? Is a training reproducible?"""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch

from lit_a3c import (
    LSTM,
)
from tests.dummy_envs import dummy
from tests.dummy_envs.partial import SeenAtStart, WithoutVelocities
from tests.learning.trainings import recent_return, train

pytestmark = pytest.mark.learning


@pytest.mark.campaign
def test_a_recurrent_core_solves_the_t_maze() -> None:
    """The return is at most 1. Without a recurrent core the last action is a guess, which gives 0.5.

    A wrapper makes the maze of a corridor in which the sign can be seen all the while, and any policy learns it.
    """
    options: dict[str, Any] = {"gamma": 0.99, "entropy_coef": 0.01, "lr": 3e-3, "rollout_length": 10}
    maze: dict[str, Any] = {"wrappers": [functools.partial(SeenAtStart, indices=[0])]}
    recurrent = functools.partial(LSTM, hidden_size=32)
    assert recent_return(train(dummy("Junction"), 150_000, recurrent=recurrent, **maze, **options)) >= 0.95
    assert recent_return(train(dummy("Junction"), 50_000, **maze, **options)) < 0.7
    assert recent_return(train(dummy("Junction"), 50_000, **options)) >= 0.95


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("engine", "workers"), [pytest.param("serial", 1, marks=pytest.mark.exhaustive), ("hogwild", 2)]
)
def test_a_recurrent_core_balances_a_pole_without_velocities(engine: str, workers: int) -> None:
    """Serial, and by two lock-free workers, each with the states of its own environments. The return is at most 500."""
    module = train(
        "CartPole-v1",
        300_000,
        wrappers=[WithoutVelocities],
        normalize_returns=True,
        rollout_length=20,
        lr=2e-3,
        recurrent=functools.partial(LSTM, hidden_size=64),
        engine=engine,
        workers=workers,
    )
    assert recent_return(module) >= 350  # 420 to 475 by the seed, where nothing is late


def test_learning_is_reproducible() -> None:
    """With the engine serial the same seed gives the same weights, and another seed gives others."""

    def weights(seed: int) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in train("CartPole-v1", 1_600, seed=seed).policy.parameters()])

    first = weights(3)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))
