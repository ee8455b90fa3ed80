"""Does it learn? Short trainings on tasks whose best score is known, with every engine."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.devices import needs_gpu
from tests.dummy_envs import dummy
from tests.engines.sources import ENGINES
from tests.learning.trainings import recent_return, train

pytestmark = pytest.mark.learning


def test_categorical_balances_the_pole() -> None:
    """Gymnasium calls a return of 195 solved. A random policy has 20."""
    module = train("CartPole-v1", 100_000, normalize_returns=True)
    assert recent_return(module) > 195


@needs_gpu
@pytest.mark.parametrize("engine", ENGINES)
def test_a_gpu_balances_the_pole(engine: str) -> None:
    module = train("CartPole-v1", 100_000, normalize_returns=True, engine=engine, accelerator="gpu")
    assert recent_return(module) > 195


def test_lock_free_workers_balance_the_pole() -> None:
    """Two of them compute gradients of their own and share one set of parameters."""
    module = train("CartPole-v1", 100_000, normalize_returns=True, engine="hogwild", workers=2)
    assert recent_return(module) > 195


def test_categorical_learns_the_identity() -> None:
    """The return is at most 10, and 2.5 by chance."""
    module = train(dummy("Identity"), 15_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > 9
    assert module.policy(torch.eye(4)).distribution.mode.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "engine",
    [pytest.param(e, marks=pytest.mark.campaign if e == "hogwild" else pytest.mark.exhaustive) for e in ENGINES],
)
def test_masks_make_learnable_what_is_not(engine: str) -> None:
    """The return is at most 10, and 0.11 in the mean for the best policy that does not know the masks."""
    options: dict[str, Any] = {"engine": engine, "workers": 1 if engine == "serial" else 2, "lr": 3e-3, "gamma": 0.5}
    module = train(dummy("Doors"), 60_000, **options)
    assert recent_return(module) > 8.5
    assert all(episode.length == 10 for episode in module.metrics.recent)  # no door was closed


def test_without_masks_it_is_not_learned() -> None:
    assert recent_return(train(dummy("Doors"), 20_000, lr=3e-3, action_mask=False)) < 0.5


@pytest.mark.campaign
def test_separate_networks_balance_the_pole() -> None:
    """Policy and value have a body each."""
    assert recent_return(train("CartPole-v1", 100_000, normalize_returns=True, share_body=False)) > 195
