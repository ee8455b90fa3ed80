"""``accumulate_grad_batches``: several rollouts make one update, in counts, metrics and gradients."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_a3c import A3C, RolloutDataModule, RunLogger
from lit_a3c.engines.registry import EngineName
from tests.commands import rows
from tests.dummy_envs import dummy
from tests.trainers import quiet

ROLLOUT, ACCUMULATE, UPDATES = 20, 3, 4


class GradientNorms(Callback):
    """The norm of the gradient that each update is made with."""

    def __init__(self) -> None:
        self.norms: list[float] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        self.norms.append(float(torch.nn.utils.get_total_norm(gradients)))


def train(directory: Path, engine: EngineName | None, **options: Any) -> tuple[A3C, list[dict[str, str]]]:
    """A training of four updates, and the rows of its logs that have the norm of a gradient."""
    data = RolloutDataModule(dummy("Identity"), UPDATES * ACCUMULATE * ROLLOUT, engine, envs_per_worker=4)
    module = A3C(data.spaces)
    trainer = quiet(
        accumulate_grad_batches=ACCUMULATE,
        limit_val_batches=0,
        log_every_n_steps=2,
        logger=RunLogger(str(directory), name="run"),
        **options,
    )
    trainer.fit(module, datamodule=data)
    assert trainer.global_step == module.ledger.updates.total == UPDATES
    assert (module.steps, module.ledger.in_flight) == (UPDATES * ACCUMULATE * ROLLOUT, 0)
    found = [row for row in rows(directory / "run" / "version_0") if row.get("train/grad_norm")]
    most = math.log(data.spaces.action_space.n)  # type: ignore[attr-defined]
    assert all(0 < float(row["train/entropy"]) <= most + 1e-6 for row in found), "a mean of the rollouts, no sum"
    return module, found


def test_an_update_of_several_rollouts(tmp_path: Path) -> None:
    """The norm that is logged is the gradient's own; updates, steps and rows of the logs count updates."""
    norms = GradientNorms()
    _, found = train(tmp_path, "serial", callbacks=[norms])
    assert len(norms.norms) == UPDATES
    assert [int(row["step"]) for row in found] == [2 * ACCUMULATE * ROLLOUT, 4 * ACCUMULATE * ROLLOUT]
    logged = [float(row["train/grad_norm"]) for row in found]
    assert logged == pytest.approx([sum(norms.norms[:2]) / 2, sum(norms.norms[2:]) / 2], rel=1e-4)


def test_an_update_of_several_rollouts_in_a_worker(tmp_path: Path) -> None:
    """The process that counts and logs has no gradients of its own."""
    _, found = train(tmp_path, None, strategy="hogwild", devices=1)
    assert int(found[-1]["step"]) == UPDATES * ACCUMULATE * ROLLOUT
    assert all(float(row["train/grad_norm"]) > 0 for row in found)
