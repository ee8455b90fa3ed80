"""One axis, steps, whoever logs: the module, Lightning's callbacks, a callback or a subclass of the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor

from lit_a3c import A3C, Rollout, RolloutDataModule, RunLogger
from lit_a3c.engines.registry import EngineName
from tests.commands import rows
from tests.dummy_envs import dummy
from tests.trainers import quiet

ROLLOUT = 20
"""Steps of one update: 4 environments x 5."""


class Logs(A3C):
    """Logs the steps that the update is computed after."""

    def training_step(self, rollout: Rollout, batch_idx: int) -> Tensor:
        self.log("of_module", float(self.steps + ROLLOUT))
        return super().training_step(rollout, batch_idx)


class LogsAtTheEnd(Callback):
    """Logs after each update, and at the end of the epoch."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        pl_module.log("of_callback", float(pl_module.steps))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        pl_module.log("of_epoch", float(pl_module.steps))


def train(directory: Path, engine: EngineName | None, **options: Any) -> Path:
    """The directory of a run of 6 updates, with a row every 2."""
    data = RolloutDataModule(dummy("Identity"), 6 * ROLLOUT, engine, envs_per_worker=4, eval_episodes=1)
    trainer = quiet(
        logger=RunLogger(str(directory), name="run"),
        callbacks=[LearningRateMonitor(), LogsAtTheEnd()],
        log_every_n_steps=2,
        check_val_every_n_epoch=None,
        val_check_interval=3,
        num_sanity_val_steps=0,
        **options,
    )
    trainer.fit(Logs(data.spaces), datamodule=data)
    return directory / "run" / "version_0"


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("serial"), "serial")


@pytest.fixture(scope="module")
def hogwild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("hogwild"), None, strategy="hogwild", devices=1)


NAMES = ["of_module", "of_callback", "of_epoch"]


@pytest.mark.parametrize("name", NAMES)
def test_rows_stand_at_the_steps_that_they_are_of(serial: Path, name: str) -> None:
    found = [row for row in rows(serial) if row.get(name)]
    assert [float(row[name]) for row in found] == [float(row["step"]) for row in found]
    assert found


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_hogwild_stand_at_steps(hogwild: Path, name: str) -> None:
    """What a module logs in a worker arrives, too. A worker learns on while a row is made, so the row may be later."""
    found = [(int(row["step"]), float(row[name])) for row in rows(hogwild) if row.get(name)]
    assert found
    assert found == sorted(found)
    assert all(value <= step <= 6 * ROLLOUT and step % ROLLOUT == 0 for step, value in found)
    assert all(value % ROLLOUT == 0 and value > 0 for _, value in found)


def test_the_rows_of_hogwild_that_lightnings_callbacks_make(hogwild: Path) -> None:
    """And those of the module itself."""
    for name in ("lr-RMSprop", "train/policy_loss", "val/return_mean"):
        steps = [int(row["step"]) for row in rows(hogwild) if row.get(name)]
        assert steps
        assert all(step % ROLLOUT == 0 for step in steps)


def test_every_row_is_of_a_rollouts_end(serial: Path) -> None:
    """None is of a number of updates. Lightning's callback logs before an update, the module after it."""
    run = serial
    rates = [int(row["step"]) for row in rows(run) if row.get("lr-RMSprop")]
    assert rates == [1 * ROLLOUT, 3 * ROLLOUT, 5 * ROLLOUT]
    losses = [int(row["step"]) for row in rows(run) if row.get("train/policy_loss")]
    assert losses == [2 * ROLLOUT, 4 * ROLLOUT, 6 * ROLLOUT]
    assert [int(row["step"]) for row in rows(run) if row.get("val/return_mean")] == [3 * ROLLOUT, 6 * ROLLOUT]


@pytest.mark.parametrize("engine", ["serial", "hogwild"])
def test_tensorboard_has_the_same_axis(engine: str, request: pytest.FixtureRequest) -> None:
    run = request.getfixturevalue(engine)
    events = EventAccumulator(str(run))
    events.Reload()
    for name in ("lr-RMSprop", "of_module", "train/policy_loss"):
        assert [e.step for e in events.Scalars(name)] == [int(row["step"]) for row in rows(run) if row.get(name)]


def test_another_module_may_use_the_logger_afterwards(tmp_path: Path) -> None:
    """A validation of a fresh module stands at its own 0 steps, and not at those of the module that was trained."""
    data = RolloutDataModule(dummy("Identity"), 2 * ROLLOUT, "serial", envs_per_worker=4, eval_episodes=1)
    trainer = quiet(logger=RunLogger(str(tmp_path), name="run"), limit_val_batches=1, log_every_n_steps=1)
    trainer.fit(A3C(data.spaces), datamodule=data)
    trainer.validate(A3C(data.spaces), datamodule=data, verbose=False)
    assert rows(tmp_path / "run" / "version_0")[-1]["step"] == "0"


def test_loggers_of_others_have_the_same_axis(tmp_path: Path) -> None:
    """Also in a second training."""
    logger = CSVLogger(tmp_path, name="csv", version="0")
    data = RolloutDataModule(dummy("Identity"), 2 * ROLLOUT, "serial", envs_per_worker=4, eval_episodes=1)
    for _ in range(2):
        module = Logs(data.spaces)
        trainer = quiet(logger=logger, limit_val_batches=0, log_every_n_steps=1, callbacks=[LearningRateMonitor()])
        trainer.fit(module, datamodule=data)
    found = rows(tmp_path / "csv" / "0")
    assert [int(row["step"]) for row in found if row["train/policy_loss"]] == [20, 40, 20, 40]
    for name in ("lr-RMSprop", "of_module"):
        steps = [int(row["step"]) for row in found if row[name]]
        assert steps
        assert all(step % ROLLOUT == 0 for step in steps)
