"""What of Lightning's trainer is refused from Python: by name, before a worker acts and before a file is written."""

from __future__ import annotations

import functools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer, callbacks
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn

from lit_a3c import A3C, ConfigError, RolloutDataModule, RunLogger
from lit_a3c.engines.trainer_check import check_trainer
from tests.engines.hogwild.trainings import make, workers
from tests.trainers import quiet

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    # name: (options of the trainer, what the message must say)
    "half precision": ({"precision": "bf16-true"}, r"trainer.precision 'bf16-true' .* bf16-mixed"),
    "double precision": ({"precision": "64-true"}, r"trainer.precision '64-true' .* bf16-mixed"),
    "overfit": ({"overfit_batches": 3}, r"trainer.overfit_batches 3"),
    "reload": ({"reload_dataloaders_every_n_epochs": 1}, r"trainer.reload_dataloaders_every_n_epochs 1"),
    "least steps": ({"min_steps": 100}, r"trainer.min_steps 100: .* data.total_steps"),
    "least epochs": ({"min_epochs": 2}, r"trainer.min_epochs 2: .* data.total_steps"),
    "every second epoch": ({"check_val_every_n_epoch": 2}, r"trainer.check_val_every_n_epoch 2: .*val_check_interval"),
    "part of a batch": ({"limit_val_batches": 0.5}, r"trainer.limit_val_batches 0.5 .* data.eval_episodes"),
}


@pytest.mark.parametrize("strategy", ["auto", "hogwild"])
@pytest.mark.parametrize("name", REFUSED)
def test_options_that_do_not_work(name: str, strategy: str, tmp_path: Path) -> None:
    options, message = REFUSED[name]
    _refuse({"strategy": strategy, **options}, message, tmp_path)


class Freeze(callbacks.BaseFinetuning):
    """Freezes the body, as a user's own callback would."""

    def freeze_before_training(self, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        self.freeze(pl_module.policy.encoder)

    def finetune_function(self, *args: Any) -> None:
        pass


CALLBACKS: dict[str, tuple[Any, str]] = {
    # name: (makes the callback, what the message must say)
    "averages by epochs": (
        functools.partial(callbacks.StochasticWeightAveraging, 1e-2),
        "StochasticWeightAveraging .* EMAWeightAveraging",
    ),
    "pruning": (functools.partial(callbacks.ModelPruning, "l1_unstructured"), "ModelPruning .* not pruned"),
    "backbone": (callbacks.BackboneFinetuning, "BackboneFinetuning .*requires_grad_"),
    "a callback of the user": (Freeze, "Freeze .*requires_grad_"),
    "batch size": (callbacks.BatchSizeFinder, "BatchSizeFinder .* data.envs_per_worker"),
    "learning rate": (callbacks.LearningRateFinder, "LearningRateFinder .* model.optimizer.lr"),
}


@pytest.mark.parametrize("strategy", ["auto", "hogwild"])
@pytest.mark.parametrize("name", CALLBACKS)
def test_callbacks_that_do_not_work(name: str, strategy: str, tmp_path: Path) -> None:
    factory, message = CALLBACKS[name]
    _refuse({"strategy": strategy, "callbacks": [factory()]}, message, tmp_path)


class GradientHook(callbacks.Callback):
    """Looks at the gradients."""

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert any(p.grad is not None for p in pl_module.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": [callbacks.WeightAveraging()]}, "WeightAveraging .* hogwild: .* share"),
        ({"callbacks": [callbacks.EMAWeightAveraging()]}, "EMAWeightAveraging .* hogwild: .* share"),
        ({"callbacks": [callbacks.GradientAccumulationScheduler({0: 2})]}, "hogwild: .*accumulate_grad_batches"),
        ({"callbacks": [GradientHook()]}, "GradientHook .* on_after_backward .* workers .* async"),
        ({"detect_anomaly": True}, "trainer.detect_anomaly .* serial"),
    ],
    ids=["averages", "moving averages", "accumulation by epochs", "gradients", "anomalies"],
)
def test_what_hogwild_cannot_do(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    """The other engines can."""
    _refuse({"strategy": "hogwild", "devices": 2, **options}, message, tmp_path)


def _refuse(options: dict[str, Any], message: str, directory: Path) -> None:
    module, data = make(updates=2)
    logger = RunLogger(str(directory / "runs"))
    with pytest.raises(ConfigError, match=message):
        quiet(**{"devices": 1, "logger": logger, **options}).fit(module, datamodule=data)
    assert not workers()
    assert module.ledger.collected.total == 0
    # Lightning asks its loggers for their writers before any check, so the directory of the run is there, and locked.
    assert not [file for file in directory.rglob("*") if file.is_file() and file.name != ".lock"]


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork", ModelParallelStrategy])
def test_processes_that_are_no_learners(strategy: Any) -> None:
    """Those of DDP that do not run the command again, and those that share out a network."""
    trainer = quiet(strategy=strategy if isinstance(strategy, str) else strategy(), devices=2)
    with pytest.raises(ConfigError, match=r"with 2 processes is not supported. Several learners are .*strategy='ddp'"):
        check_trainer(trainer)


def test_several_learners_cannot_record_together() -> None:
    trainer = quiet(strategy="ddp", devices=2)
    check_trainer(trainer)
    trainer.state.fn = TrainerFn.PREDICTING
    with pytest.raises(ConfigError, match="cannot record episodes together"):
        check_trainer(trainer)


class Frozen(Callback):
    """Remembers the parameters of the body before the training."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        self.before = [p.detach().clone() for p in pl_module.policy.parameters()]


@pytest.mark.parametrize("options", [{}, {"strategy": "hogwild", "devices": 2}], ids=["serial", "hogwild"])
def test_frozen_layers_stay_as_they_are(options: dict[str, Any]) -> None:
    """The way that the refusal of ``BaseFinetuning`` names: the body keeps its parameters, the heads learn."""
    module, data = make(updates=20, data={} if options else {"engine": "serial"})
    module.policy.encoder.requires_grad_(False)
    frozen = Frozen()
    quiet(callbacks=[frozen], limit_val_batches=0, **options).fit(module, data)
    moved = [not p.equal(q) for p, q in zip(module.policy.parameters(), frozen.before, strict=True)]
    assert moved == [p.requires_grad for p in module.policy.parameters()]
    assert any(moved)
    assert not all(moved)


@pytest.mark.parametrize("interval", [timedelta(milliseconds=1), {"milliseconds": 1}, "00:00:00:01"])
def test_validations_by_time(interval: Any) -> None:
    """Every so many seconds, in words, as a mapping or as a ``timedelta``."""
    data = RolloutDataModule("CartPole-v1", 320, engine="serial", eval_episodes=1)
    seen: list[int] = []
    note = callbacks.LambdaCallback(on_validation_end=lambda *_: seen.append(1))
    trainer = quiet(callbacks=[note], check_val_every_n_epoch=None, val_check_interval=interval, num_sanity_val_steps=0)
    trainer.fit(A3C(data.spaces), data)
    assert len(seen) >= (1 if isinstance(interval, str) else 3)
