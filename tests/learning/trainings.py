"""A short training, and its score."""

from __future__ import annotations

import functools
from typing import Any

from lightning.pytorch import seed_everything

from lit_a3c import (
    A3C,
    RMSprop,
    RolloutDataModule,
)
from tests.trainers import quiet


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
    wrappers: list[Any] | None = None,
    action_mask: bool = True,
    **model: Any,
) -> A3C:
    """The module after a training, which is reproducible to the bit with the engine ``serial``."""
    seed_everything(seed, verbose=False)
    sizes = {"envs_per_worker": 16, "rollout_length": rollout_length}
    how = {"wrappers": wrappers, "action_mask": action_mask}
    data = RolloutDataModule(env_id, total_steps, engine, workers, **sizes, **how)
    module = A3C(
        data.spaces,
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
