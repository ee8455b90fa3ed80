"""The checkpoint to go on from."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class LastCheckpoint(ModelCheckpoint):
    """``last.ckpt``: every so many updates, at the end, and when Ctrl-C or an error ends the training.

    Args:
        every_n_updates: Updates between two saves.
    """

    def __init__(self, every_n_updates: int = 1000) -> None:
        super().__init__(
            filename="last",
            every_n_train_steps=every_n_updates,
            save_on_exception=True,
            enable_version_counter=False,
        )

        self._started = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._started = True

    def _should_save_on_exception(self, trainer: Trainer) -> bool:
        """Not before the first update: a refused resumption must not overwrite what it could not load."""
        return self._started and super()._should_save_on_exception(trainer)

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        """The one before stays as ``previous.ckpt``, for the day on which the disk damages the last."""
        last = Path(filepath)
        if last.is_file():
            link = last.with_name(".previous.part")
            with contextlib.suppress(OSError):  # a file system without links has no previous one
                link.unlink(missing_ok=True)
                link.hardlink_to(last)
                link.replace(last.with_name("previous.ckpt"))
        super()._save_checkpoint(trainer, filepath)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
