"""``accumulate_grad_batches``: several rollouts make one update, in counts, metrics and gradients."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_a3c import A3C, RolloutDataModule, RunLogger
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


@pytest.mark.parametrize("options", [{}, {"strategy": "hogwild", "devices": 1}], ids=["serial", "hogwild"])
def test_an_update_of_several_rollouts(options: dict[str, Any], tmp_path: Path) -> None:
    """The norm that is logged is the gradient's own; updates, steps and rows of the logs count updates."""
    data = RolloutDataModule(
        dummy("Identity"), UPDATES * ACCUMULATE * ROLLOUT, None if options else "serial", envs_per_worker=4
    )
    module, norms = A3C(data.spaces), GradientNorms()
    trainer = quiet(
        accumulate_grad_batches=ACCUMULATE,
        callbacks=[norms],
        limit_val_batches=0,
        log_every_n_steps=2,
        logger=RunLogger(str(tmp_path), name="run"),
        **options,
    )
    trainer.fit(module, datamodule=data)
    assert trainer.global_step == module.ledger.updates.total == len(norms.norms) == UPDATES
    assert (module.steps, module.ledger.in_flight) == (UPDATES * ACCUMULATE * ROLLOUT, 0)
    with (tmp_path / "run" / "version_0" / "metrics.csv").open(newline="") as lines:
        found = [row for row in csv.DictReader(lines) if row["train/grad_norm"]]
    assert [int(row["step"]) for row in found] == [2 * ACCUMULATE * ROLLOUT, 4 * ACCUMULATE * ROLLOUT]
    logged = [float(row["train/grad_norm"]) for row in found]
    assert logged == pytest.approx([sum(norms.norms[:2]) / 2, sum(norms.norms[2:]) / 2], rel=1e-4)
    most = math.log(data.spaces.action_space.n)  # type: ignore[attr-defined]
    assert all(0 < float(row["train/entropy"]) <= most + 1e-6 for row in found), "a mean of the rollouts, no sum"
