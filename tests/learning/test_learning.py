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
    RolloutData,
    SphericalGaussianHead,
    SquashedGaussianHead,
    StateDependentGaussianHead,
)
from lit_a3c.collect import MODES
from tests.devices import needs_gpu
from tests.toys import toy
from tests.trainers import quiet

pytestmark = pytest.mark.learning


def train(
    env_id: str,
    total_steps: int,
    *,
    seed: int = 0,
    rollout_length: int = 5,
    lr: float = 1e-3,
    mode: str = "serial",
    accelerator: str = "cpu",
    lock_free_workers: int = 0,
    **model: Any,
) -> A3C:
    """The module after a training: reproducible to the bit in the mode serial, or by lock-free workers."""
    seed_everything(seed, verbose=False)
    data = RolloutData(env_id, total_steps, mode=mode, num_workers=1, envs_per_worker=16, rollout_length=rollout_length)
    module = A3C(
        data.spec,
        total_steps,
        gae_lambda=0.95,
        optimizer=functools.partial(RMSprop, lr=lr, eps=1e-5, initial_square=0.0),
        **model,
    )
    trainer = quiet(
        accelerator=accelerator,
        strategy="hogwild" if lock_free_workers else "auto",
        devices=lock_free_workers or 1,
        gradient_clip_val=0.5,
        limit_val_batches=0,
        log_every_n_steps=50,
    )
    trainer.fit(module, datamodule=data)
    assert module.steps >= total_steps
    return module


def recent_return(module: A3C) -> float:
    """Mean return of the last 100 episodes of training, with drawn actions."""
    return module.meter.episodes()["return"]


def test_categorical_balances_the_pole() -> None:
    """195 is what Gymnasium called solved; chance gives 20."""
    module = train("CartPole-v1", 100_000, normalize_returns=True)
    assert recent_return(module) > 195


@needs_gpu
@pytest.mark.parametrize("mode", MODES)
def test_a_gpu_balances_the_pole(mode: str) -> None:
    module = train("CartPole-v1", 100_000, normalize_returns=True, mode=mode, accelerator="gpu")
    assert recent_return(module) > 195


def test_lock_free_workers_balance_the_pole() -> None:
    """Two of them, each with gradients of its own, on one set of parameters."""
    module = train("CartPole-v1", 100_000, normalize_returns=True, lock_free_workers=2)
    assert recent_return(module) > 195


def test_categorical_learns_the_identity() -> None:
    """At most 10, by chance 2.5."""
    module = train(toy("Identity"), 15_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
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
    """At most 0, for any fixed action at best -3.3; the mode follows what is shown and the spread shrinks."""
    module = train(toy("BoxIdentity"), 60_000, gamma=0.5, entropy_coef=0.0, lr=3e-3, head=head)
    shown = torch.linspace(-0.9, 0.9, 7)[:, None]
    with torch.no_grad():
        mode = module.policy(shown).distribution.mode
    assert (mode - shown).abs().max() < 0.25
    assert recent_return(module) > least


@pytest.mark.parametrize(("name", "least"), [("Grid", 9.5), ("Buttons", 9.5), ("Car", 9.0), ("Robot", 8.5)])
def test_every_component_of_an_action_is_learned(name: str, least: float) -> None:
    """At most 10, by chance 4.8 to 5.9: several choices, switches, and mixtures of both with Boxes."""
    module = train(toy(name), 60_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > least


def test_parts_of_an_observation_are_taken_together() -> None:
    """At most 10, and 5 for whoever sees the picture or the vector alone."""
    module = train(toy("Senses"), 30_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > 9


def test_a_mixture_takes_both_sides() -> None:
    """5 at most; a single Gaussian cannot have more than 0.7, whatever its mean and sigma."""
    options: dict[str, Any] = {"gamma": 0.5, "entropy_coef": 0.0, "lr": 3e-3}
    mixture = train(toy("TwoSides"), 100_000, head=functools.partial(MixtureHead, num_components=2), **options)
    assert recent_return(mixture) > 3
    assert recent_return(train(toy("TwoSides"), 50_000, **options)) < 1


def test_a_memory_solves_the_t_maze() -> None:
    """At most 1; without memory the end is a guess, 0.5."""
    options: dict[str, Any] = {"gamma": 0.99, "entropy_coef": 0.01, "lr": 3e-3, "rollout_length": 10}
    memory = functools.partial(LSTM, hidden_size=32)
    assert recent_return(train(toy("TMaze"), 150_000, memory=memory, **options)) >= 0.95
    assert recent_return(train(toy("TMaze"), 50_000, **options)) < 0.7


@pytest.mark.parametrize("lock_free_workers", [0, 2])
def test_a_memory_balances_a_pole_without_velocities(lock_free_workers: int) -> None:
    """At most 500; serial, and by two lock-free workers, each with the states of its own environments."""
    module = train(
        toy("BlindPole"),
        300_000,
        normalize_returns=True,
        rollout_length=20,
        lr=2e-3,
        memory=functools.partial(LSTM, hidden_size=64),
        lock_free_workers=lock_free_workers,
    )
    assert recent_return(module) >= 350  # 420 to 475 by the seed, where nothing is late


def test_separate_networks_balance_the_pole() -> None:
    """Policy and value with a body each."""
    assert recent_return(train("CartPole-v1", 100_000, normalize_returns=True, share_body=False)) > 195


def test_learning_is_reproducible() -> None:
    """Serial, one seed: the same weights; another seed: others."""

    def weights(seed: int) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in train("CartPole-v1", 1_600, seed=seed).policy.parameters()])

    first = weights(3)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))
