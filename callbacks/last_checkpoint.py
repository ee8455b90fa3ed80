"""The checkpoint to go on from."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from lit_a3c.callbacks.score_table import run_directory
from lit_a3c.utils import compat
from lit_a3c.utils.errors import check_number


class LastCheckpoint(Checkpoint):
    """``last.ckpt``: every so many updates, at the end, and when Ctrl-C or an error ends the training.

    The checkpoint before it stays as ``previous.ckpt``, in case the disk damages the last one.

    Args:
        every_n_updates: Updates between two saves, those of all workers.
    """

    def __init__(self, every_n_updates: int = 1000) -> None:
        check_number("last_checkpoint.every_n_updates", every_n_updates, low=1, whole=True)
        self.every_n_updates = every_n_updates
        self._started = False
        self._saved_at = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started, self._saved_at = True, trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        # The counts may skip a multiple where other processes make the updates.
        if trainer.global_step // self.every_n_updates > self._saved_at // self.every_n_updates:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._saved_at = -1  # the other workers may have learned since
        self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Not before the first update: a refused resumption must not overwrite what it could not load."""
        if self._started and trainer.state.fn == TrainerFn.FITTING:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if compat.is_fast_dev_run(trainer) or trainer.global_step == self._saved_at:
            return
        self._saved_at = trainer.global_step
        last = checkpoint_directory(trainer) / "last.ckpt"
        if last.is_file():
            link = last.with_name(".previous.part")
            with contextlib.suppress(OSError):  # a file system without links has no previous one
                link.unlink(missing_ok=True)
                link.hardlink_to(last)
                link.replace(last.with_name("previous.ckpt"))
        trainer.save_checkpoint(last)


def checkpoint_directory(trainer: Trainer) -> Path:
    """Where the other checkpoints of the run go."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath:
            return Path(callback.dirpath)
    return run_directory(trainer) / "checkpoints"
