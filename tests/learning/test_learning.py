"""Does it learn? One short training per head, each on a task whose best score is known."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from lit_a3c import A3C, GaussianHead, MLPBody, RMSprop, RolloutData, StateDependentGaussianHead
from tests.toys import toy

pytestmark = pytest.mark.learning


def train(
    env_id: str,
    total_steps: int,
    *,
    seed: int = 0,
    rollout_length: int = 5,
    lr: float = 1e-3,
    lock_free_workers: int = 0,
    **model: Any,
) -> A3C:
    """The module after a serial training, reproducible to the bit, or after one by lock-free workers."""
    seed_everything(seed, verbose=False)
    data = RolloutData(
        env_id, total_steps=total_steps, mode="serial", envs_per_worker=16, rollout_length=rollout_length
    )
    module = A3C(
        data.spec,
        total_steps,
        gae_lambda=0.95,
        optimizer=functools.partial(RMSprop, lr=lr, eps=1e-5, initial_square=0.0),
        **model,
    )
    trainer = Trainer(
        accelerator="cpu",
        strategy="hogwild" if lock_free_workers else "auto",
        devices=lock_free_workers or 1,
        max_epochs=-1,
        gradient_clip_val=0.5,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
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


def test_lock_free_workers_balance_the_pole() -> None:
    """Two of them, each with gradients of its own, on one set of parameters."""
    module = train("CartPole-v1", 100_000, normalize_returns=True, lock_free_workers=2)
    assert recent_return(module) > 195


def test_categorical_learns_the_identity() -> None:
    """At most 10, by chance 2.5."""
    module = train(toy("Identity"), 15_000, gamma=0.5, entropy_coef=0.001, lr=3e-3)
    assert recent_return(module) > 9
    assert module.act(torch.eye(4)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "head",
    [functools.partial(GaussianHead, init_log_std=-0.5), StateDependentGaussianHead],
    ids=["GaussianHead", "StateDependentGaussianHead"],
)
def test_gaussian_learns_the_identity(head: Any) -> None:
    """At most 0, for any fixed action at best -3.3; the mean follows what is shown and sigma shrinks."""
    module = train(
        toy("BoxIdentity"), 40_000, gamma=0.5, entropy_coef=0.0, lr=3e-3, head=head, body=functools.partial(MLPBody)
    )
    shown = torch.linspace(-0.9, 0.9, 7)[:, None]
    with torch.no_grad():
        distribution, _ = module.policy(shown)
    assert (distribution.mean - shown).abs().max() < 0.15
    assert recent_return(module) > -0.6


def test_learning_is_reproducible() -> None:
    """Serial, one seed: the same weights; another seed: others."""

    def weights(seed: int) -> torch.Tensor:
        return torch.cat([p.detach().flatten() for p in train("CartPole-v1", 1_600, seed=seed).policy.parameters()])

    first = weights(3)
    assert torch.equal(first, weights(3))
    assert not torch.equal(first, weights(4))
