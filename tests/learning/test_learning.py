"""Does it learn? One short training per head, each on a task whose best score is known."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from lightning.pytorch import seed_everything

from lit_a3c import (
    A3C,
    LSTM,
    BetaHead,
    GaussianHead,
    MixtureHead,
    RMSprop,
    RolloutDataModule,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)
from tests.devices import needs_gpu
from tests.dummy_envs import dummy
from tests.engines.sources import ENGINES
from tests.trainers import quiet

pytestmark = pytest.mark.learning


def train(
    env_id: str,
    total_steps: int,
    *,
    seed: int = 0,
    rollout_length: int = 5,
    lr: float = 1e-3,
    engine: str = "serial",
    workers: int = 1,
    accelerator: str = "cpu",
    **model: Any,
) -> A3C:
    """The module after a training, which is reproducible to the bit with the engine ``serial``."""
    seed_everything(seed, verbose=False)
    data = RolloutDataModule(env_id, total_steps, engine, workers, envs_per_worker=16, rollout_length=rollout_length)
    module = A3C(
        data.spaces,
        total_steps,
        gae_lambda=0.95,
        optimizer=functools.partial(RMSprop, lr=lr, eps=1e-5, initial_accumulator_value=0.0),
        **model,
    )
    trainer = quiet(
        accelerator=accelerator,
        strategy="hogwild" if engine == "hogwild" else "auto",
        devices=workers if engine == "hogwild" else 1,
        gradient_clip_val=0.5,
        limit_val_batches=0,
        log_every_n_steps=50,
    )
    trainer.fit(module, datamodule=data)
    assert module.steps >= total_steps
    return module


def recent_return(module: A3C) -> float:
    """Mean return of the last 100 episodes of training, with drawn actions."""
    return module.metrics.episodes()["return"]


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
    ("head", "least"),
    [
        (functools.partial(GaussianHead, init_log_std=-0.5), -0.6),
        (StateDependentGaussianHead, -0.6),
        (SphericalGaussianHead, -0.6),
        (SquashedGaussianHead, -1.0),
        (BetaHead, -1.2),
        (MixtureHead, -1.0),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_continuous_heads_learn_the_identity(head: Any, least: float) -> None:
    """The return is at most 0, and at most -3.3 for any fixed action. The most likely action is near the one shown."""
    module = train(dummy("BoxIdentity"), 60_000, gamma=0.5, entropy_coef=0.0, lr=3e-3, head=head)
    shown = torch.linspace(-0.9, 0.9, 7)[:, None]
    with torch.no_grad():
        mode = module.policy(shown).distribution.mode
    assert (mode - shown).abs().max() < 0.25
    assert recent_return(module) > least


@pytest.mark.parametrize(
    ("name", "least"),
    [("Grid", 9.5), ("Buttons", 9.5), ("Car", 9.0), pytest.param("Robot", 8.5, marks=pytest.mark.campaign)],
)
def test_every_component_of_an_action_is_learned(name: str, least: float) -> None:
    """Several choices, switches, and mixtures of both with Boxes.

    The return is at most 10, and 4.8 to 5.9 by chance.
    """
    module = train(dummy(name), 60_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > least


def test_parts_of_an_observation_are_taken_together() -> None:
    """The return is at most 10, and at most 5 for a policy that sees the image or the vector alone."""
    module = train(dummy("Senses"), 30_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > 9


def test_a_mixture_takes_both_sides() -> None:
    """The return is at most 5. A single Gaussian cannot have more than 0.7, whatever its mean and sigma."""
    options: dict[str, Any] = {"gamma": 0.5, "entropy_coef": 0.0, "lr": 3e-3}
    mixture = train(dummy("TwoSides"), 100_000, head=functools.partial(MixtureHead, num_components=2), **options)
    assert recent_return(mixture) > 3
    assert recent_return(train(dummy("TwoSides"), 50_000, **options)) < 1


def test_a_recurrent_core_solves_the_t_maze() -> None:
    """The return is at most 1. Without a recurrent core the last action is a guess, which gives 0.5."""
    options: dict[str, Any] = {"gamma": 0.99, "entropy_coef": 0.01, "lr": 3e-3, "rollout_length": 10}
    recurrent = functools.partial(LSTM, hidden_size=32)
    assert recent_return(train(dummy("TMaze"), 150_000, recurrent=recurrent, **options)) >= 0.95
    assert recent_return(train(dummy("TMaze"), 50_000, **options)) < 0.7


@pytest.mark.campaign
@pytest.mark.parametrize(("engine", "workers"), [("serial", 1), ("hogwild", 2)])
def test_a_recurrent_core_balances_a_pole_without_velocities(engine: str, workers: int) -> None:
    """Serial, and by two lock-free workers, each with the states of its own environments. The return is at most 500."""
    module = train(
        dummy("BlindPole"),
        300_000,
        normalize_returns=True,
        rollout_length=20,
        lr=2e-3,
        recurrent=functools.partial(LSTM, hidden_size=64),
        engine=engine,
        workers=workers,
    )
    assert recent_return(module) >= 350  # 420 to 475 by the seed, where nothing is late


def test_separate_networks_balance_the_pole() -> None:
    """Policy and value have a body each."""
    assert recent_return(train("CartPole-v1", 100_000, normalize_returns=True, share_body=False)) > 195


def test_learning_is_reproducible() -> None:
    """With the engine serial the same seed gives the same weights, and another seed gives others."""

    def weights(seed: int) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in train("CartPole-v1", 1_600, seed=seed).policy.parameters()])

    first = weights(3)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))
