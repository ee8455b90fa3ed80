"""The checkpoint to go on from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from lit_a3c import A3C
from lit_a3c.callbacks.score_table import run_directory
from lit_a3c.utils import compat
from lit_a3c.utils.errors import check_number


class LastCheckpoint(Checkpoint):
    """``last.ckpt``: every so many updates, after the last one, and when a signal or an error ends the training.

    After the last update it is saved twice: before the last validation, which may take long, and after it, with the
    score. The checkpoint of earlier updates stays as ``previous.ckpt``, in case the disk damages the last one.

    Args:
        every_n_updates: Updates between two saves, those of all workers.
    """

    def __init__(self, every_n_updates: int = 1000) -> None:
        check_number("last_checkpoint.every_n_updates", every_n_updates, low=1, whole=True)
        self.every_n_updates = every_n_updates
        self._started = False
        self._saved: tuple[int, int] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started, self._saved = True, _position(trainer)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        saved_at = self._saved[0] if self._saved else 0
        # The counts may skip a multiple where other processes make the updates.
        if trainer.global_step // self.every_n_updates > saved_at // self.every_n_updates or pl_module.finished:
            self._save_news(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Not before the first update: a refused resumption must not overwrite what it could not load."""
        assert isinstance(pl_module, A3C)
        pl_module.learners.leave()
        if self._started and trainer.is_global_zero and trainer.state.fn == TrainerFn.FITTING:
            self._save_news(trainer)

    def save_now(self, trainer: Trainer) -> None:
        """Save between two updates, unless nobody has learned anything since."""
        if self._started:
            self._save_news(trainer)

    def _save_news(self, trainer: Trainer) -> None:
        """Save, unless nobody has learned anything since."""
        if _position(trainer) != self._saved:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if compat.is_fast_dev_run(trainer):
            return
        position = _position(trainer)
        last = checkpoint_directory(trainer) / "last.ckpt"
        keep: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if trainer.is_global_zero:
            keep = _keep_previous(last, newer=position != self._saved)
        with keep:
            trainer.save_checkpoint(last)  # all processes of a job take part, and rank 0 writes
        self._saved = position  # not before: a signal may have broken it off


@contextlib.contextmanager
def _keep_previous(last: Path, *, newer: bool) -> Iterator[None]:
    """Let ``last.ckpt`` stay as ``previous.ckpt`` where the block writes one of newer updates."""
    link = last.with_name(".previous.part")
    with contextlib.suppress(OSError):  # the first one, or a file system without links, has no previous one
        link.unlink(missing_ok=True)
        link.hardlink_to(last)
    yield
    with contextlib.suppress(OSError):
        if not newer or link.samefile(last):  # the new one is of the same updates, or missing
            link.unlink()
        else:
            link.replace(last.with_name("previous.ckpt"))


def _position(trainer: Trainer) -> tuple[int, int]:
    """Updates of this process, and steps that all processes have learned from."""
    module = trainer.lightning_module
    assert isinstance(module, A3C)
    return trainer.global_step, module.steps


def checkpoint_directory(trainer: Trainer) -> Path:
    """Where the other checkpoints of the run go."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath:
            return Path(callback.dirpath)
    return run_directory(trainer) / "checkpoints"
