"""Small lock-free trainings, as the tests of hogwild use them."""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor

from lit_a3c import A3C, Hogwild, Rollout, RolloutDataModule
from tests.commands import wait_for
from tests.trainers import quiet

ENVS, LENGTH = 2, 4
ROLLOUT = ENVS * LENGTH
GENEROUS = 60.0
"""Seconds to wait for what takes a few on an idle machine."""


def make(
    env_id: str = "CartPole-v1",
    updates: int = 100,
    cls: type[A3C] = A3C,
    seed: int = 1,
    data: dict[str, Any] | None = None,
    **model: Any,
) -> tuple[A3C, RolloutDataModule]:
    """A small training that always begins the same."""
    seed_everything(seed, verbose=False)
    module_data = RolloutDataModule(
        env_id, updates * ROLLOUT, envs_per_worker=ENVS, rollout_length=LENGTH, **(data or {})
    )
    return cls(module_data.spaces, **model), module_data


def trainer(strategy: Any = "hogwild", devices: int = 1, **kwargs: Any) -> Trainer:
    """A trainer without files and screen output. It validates only if asked to."""
    options: dict[str, Any] = {
        "num_sanity_val_steps": 0,
        "limit_val_batches": 1,
        "check_val_every_n_epoch": None,
        "val_check_interval": 1_000_000,
        "log_every_n_steps": 20,
    }
    return quiet(strategy=strategy, devices=devices, **{**options, **kwargs})


def hogwild(trainer: Trainer) -> Hogwild:
    """The strategy of a trainer."""
    assert isinstance(trainer.strategy, Hogwild)
    return trainer.strategy


def workers() -> list[Any]:
    """The living worker processes of this process."""
    return [process for process in mp.active_children() if process.name.startswith("lit-a3c worker")]


class Constant(A3C):
    """Counts as ever, and has the gradient 1 in every parameter."""

    def training_step(self, rollout: Rollout, batch_idx: int) -> Tensor:
        super().training_step(rollout, batch_idx)
        return torch.stack([p.sum() for p in self.policy.parameters()]).sum()


class Together(Callback):
    """Rank zero waits with its first update for one of another worker. At the end the updates of all are counted."""

    updates = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Rollout, batch_idx: int) -> None:
        strategy = hogwild(trainer)
        wait_for(lambda: strategy.check() or pl_module.ledger.updates.total > 0, GENEROUS)  # type: ignore[func-returns-value]

    def on_train_end(self, trainer: Trainer, pl_module: Any) -> None:
        self.updates = pl_module.ledger.updates.total


class Until(Callback):
    """Ends a training of unlimited length when something holds. The steps that it skips count as learned from."""

    skipped = 0

    def __init__(self, condition: Callable[[], bool]) -> None:
        self.condition = condition

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        if not self.skipped and self.condition():
            self.skipped = pl_module.last_step
            pl_module.ledger.collected.add(self.skipped)
            pl_module.ledger.learned.add(self.skipped)
