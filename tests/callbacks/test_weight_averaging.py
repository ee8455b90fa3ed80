"""Lightning's weight averages with one learner: they are what is validated, saved, restored and left at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, WeightAveraging
from torch import Tensor

from lit_a3c import A3C, RolloutDataModule
from tests.commands import read
from tests.dummy_envs import dummy
from tests.trainers import quiet

UPDATES, ROLLOUT, DECAY = 6, 20, 0.5


class Record(Callback):
    """The weights after each update, and those that play in validations."""

    def __init__(self) -> None:
        self.learned: list[dict[str, Tensor]] = []
        self.validated: list[dict[str, Tensor]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.learned.append(weights_of(pl_module))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.learned.append(weights_of(pl_module))

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.validated.append(weights_of(pl_module))


def weights_of(module: LightningModule) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def average_of(learned: list[dict[str, Tensor]], average: str) -> dict[str, Tensor]:
    """What the callback's documentation says: the mean, or ``decay * average + (1 - decay) * new``."""
    if average == "mean":
        return {name: torch.stack([weights[name] for weights in learned]).mean(dim=0) for name in learned[0]}
    result = learned[0]
    for weights in learned[1:]:
        result = {name: DECAY * p + (1 - DECAY) * weights[name] for name, p in result.items()}
    return result


def callback_of(average: str) -> WeightAveraging:
    return WeightAveraging() if average == "mean" else EMAWeightAveraging(decay=DECAY)


@pytest.mark.parametrize("engine", ["serial", "async"])
@pytest.mark.parametrize("average", ["mean", "moving"])
def test_the_average_is_validated_saved_restored_and_left(average: str, engine: Any, tmp_path: Path) -> None:
    """The learner itself goes on with its own weights, and so does a continued run."""
    record = Record()
    best = ModelCheckpoint(tmp_path, "best", monitor="val/return_mean", mode="max", enable_version_counter=False)
    options: dict[str, Any] = {"check_val_every_n_epoch": None, "num_sanity_val_steps": 0}
    data = RolloutDataModule(
        dummy("Identity"), UPDATES * ROLLOUT, engine, num_workers=1, envs_per_worker=4, eval_episodes=1
    )
    module = A3C(data.spaces)
    trainer = quiet(
        callbacks=[callback_of(average), record, best],
        enable_checkpointing=True,
        val_check_interval=UPDATES,
        **options,
    )
    trainer.fit(module, datamodule=data)
    assert len(record.learned) == UPDATES + 1
    expected = average_of(record.learned[1:], average)  # the first update begins it
    assert any(not torch.allclose(expected[name], record.learned[-1][name]) for name in expected)
    checkpoint = read(tmp_path / "best.ckpt")
    loaded = A3C.load_from_checkpoint(tmp_path / "best.ckpt")
    for weights in (record.validated[-1], checkpoint["state_dict"], weights_of(loaded), weights_of(module)):
        for name, p in expected.items():
            torch.testing.assert_close(weights[name], p, msg=name)
    more = RolloutDataModule(dummy("Identity"), (UPDATES + 1) * ROLLOUT, engine, num_workers=1, envs_per_worker=4)
    again, resumed = Record(), A3C(data.spaces)
    quiet(callbacks=[callback_of(average), again], limit_val_batches=0).fit(
        resumed, datamodule=more, ckpt_path=tmp_path / "best.ckpt"
    )
    for name, p in record.learned[-1].items():
        assert torch.equal(again.learned[0][name], p), name
