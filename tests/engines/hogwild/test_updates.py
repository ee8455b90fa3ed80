"""Lightning counts the updates of all workers in a process that makes none."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_a3c import A3C
from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.rollout import AppliedUpdates
from tests.commands import read, wait_for
from tests.dummy_envs import dummy
from tests.engines.hogwild.trainings import GENEROUS, ROLLOUT, Together, make, trainer, workers

SLOW = {"pause": 0.005}
"""Of an environment whose rollouts take long enough to look at each update."""


class Watch(Callback):
    """Notes what Lightning counts at each batch and at each validation."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.validated: list[int] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: A3C, outputs: Any, batch: Any, batch_idx: int) -> None:
        assert isinstance(batch, AppliedUpdates)
        assert int(batch.number) == trainer.global_step <= pl_module.ledger.updates.total
        self.seen.append(trainer.global_step)

    def on_validation_end(self, trainer: Trainer, pl_module: A3C) -> None:
        self.validated.append(trainer.global_step)


class Busy(Watch):
    """Waits in its first batch and in its first validation until the workers have made so many updates more."""

    def __init__(self, updates: int) -> None:
        super().__init__()
        self.updates = updates

    def wait(self, module: A3C) -> None:
        counter = module.ledger.updates
        until = counter.total + self.updates
        wait_for(lambda: counter.total >= until or module.finished, GENEROUS)

    def on_train_batch_start(self, trainer: Trainer, pl_module: A3C, batch: Any, batch_idx: int) -> None:
        if not self.seen:
            self.wait(pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: A3C) -> None:
        if not self.validated:
            self.wait(pl_module)


def test_counts_stop_where_something_is_due(tmp_path: Path) -> None:
    """Validations, checkpoints and the end are at their updates, though the counts skip others."""
    module, data = make(dummy("Counted"), 10**6, data={"env_kwargs": {"file": str(tmp_path / "steps"), **SLOW}})
    watch, saved = Watch(), ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=20, save_top_k=-1)
    trainer_ = trainer(callbacks=[watch, saved], enable_checkpointing=True, val_check_interval=15, max_steps=70)
    trainer_.fit(module, datamodule=data)
    assert watch.validated == [15, 30, 45, 60]
    assert sorted(file.stem for file in tmp_path.glob("*.ckpt")) == [f"step={n}" for n in (20, 40, 60)]
    assert set(watch.seen) >= {15, 20, 30, 40, 45, 60, 70}
    assert trainer_.global_step == 70
    assert 70 <= module.ledger.updates.total <= 71
    assert not workers()


@pytest.mark.campaign
def test_of_several_validations_that_were_missed_the_last_one_is_made() -> None:
    """So a process whose validations take longer than their interval does not fall behind."""
    module, data = make(dummy("Counted"), 10**6, data={"env_kwargs": {"file": "/dev/null", "pause": 0.002}})
    busy = Busy(updates=45)
    trainer(callbacks=[busy], val_check_interval=10, log_every_n_steps=0, max_steps=200).fit(module, datamodule=data)
    first, second, *others = busy.validated
    assert first >= 40, "of those before, none was made while the first batch took so long"
    assert second - first >= 40
    assert all(step % 10 == 0 for step in busy.validated)
    assert others
    assert max(b - a for a, b in itertools.pairwise(others)) <= 20, "then it is up to date"


def test_a_training_ends_also_where_the_budget_was_used_up_meanwhile() -> None:
    """There is one batch more, which stands for all that is left, and a validation. No empty epochs follow."""
    module, data = make(updates=300, cls=Together)
    busy = Busy(updates=10**9)
    trainer_ = trainer(devices=2, callbacks=[busy], max_epochs=20)
    trainer_.fit(module, datamodule=data)
    assert len(busy.seen) == 2
    assert trainer_.global_step == module.ledger.updates.total == busy.validated[-1]
    assert module.ledger.in_flight == 0
    assert trainer_.current_epoch <= 1


class Behind(Callback):
    """Waits in its first batch until the workers have used up the budget."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: A3C, batch: Any, batch_idx: int) -> None:
        wait_for(lambda: pl_module.finished, GENEROUS)


@pytest.mark.parametrize("callbacks", [[], [Behind()]], ids=["up to date", "behind"])
def test_accumulated_batches_count_as_lightning_counts_them(callbacks: list[Callback]) -> None:
    """An update of three rollouts is three batches, and one step of the optimizer. The last one is not cut short."""
    module, data = make(updates=90)
    trainer_ = trainer(accumulate_grad_batches=3, callbacks=callbacks)
    trainer_.fit(module, datamodule=data)
    assert module.ledger.updates.total == trainer_.global_step == 30
    assert module.steps == 90 * ROLLOUT


def test_the_last_checkpoint_is_saved_though_counts_skip_its_number(tmp_path: Path) -> None:
    """It is due after 7 updates, and the first batch stands for more."""
    module, data = make(updates=10**6)
    options: dict[str, Any] = {"enable_checkpointing": True, "default_root_dir": tmp_path, "limit_val_batches": 0}
    last = LastCheckpoint(every_n_updates=7)
    saved: list[int] = []

    class Note(Callback):
        def on_save_checkpoint(self, trainer: Trainer, *_: Any) -> None:
            saved.append(trainer.global_step)

    trainer(callbacks=[Busy(50), Note(), last], max_steps=200, **options).fit(module, datamodule=data)
    assert len(saved) > 2
    checkpoint = read(tmp_path / "checkpoints/last.ckpt")
    assert checkpoint["global_step"] == 200 <= checkpoint["updates"]
