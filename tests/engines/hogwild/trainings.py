"""Small lock-free trainings, as the tests of hogwild use them."""

from __future__ import annotations

import multiprocessing as mp
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import Tensor

from lit_a3c import A3C, Hogwild, Rollout, RolloutDataModule
from lit_a3c.rollout import AppliedUpdates
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


def workers(number: int | None = None) -> list[Any]:
    """The living worker processes of this process: all of them, or the one of a number."""
    name = "lit-a3c worker" if number is None else f"lit-a3c worker {number}"
    return [process for process in mp.active_children() if process.name.startswith(name)]


class Together(A3C):
    """A worker goes on after its first update as soon as every worker has made one."""

    def on_train_batch_end(self, outputs: Any, batch: Rollout | AppliedUpdates, batch_idx: int) -> None:
        super().on_train_batch_end(outputs, batch, batch_idx)
        if isinstance(batch, Rollout) and self.ledger.updates.total < 100:
            wait_for(lambda: min(updates(self)) > 0, GENEROUS)


def updates(module: A3C) -> list[int]:
    """The updates of each worker."""
    counter = module.ledger.updates
    return [counter.count(slot) for slot in range(1, len(counter._slots))]


class Constant(Together):
    """Counts as ever, and has the gradient 1 in every parameter."""

    def training_step(self, rollout: Rollout, batch_idx: int) -> Tensor:
        super().training_step(rollout, batch_idx)
        return torch.stack([p.sum() for p in self.policy.parameters()]).sum()


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
