"""Lightning's loop over batches for a lock-free worker. Its base class is private.

A worker makes hundreds of updates a second, and has no callbacks, loggers and profilers. Lightning's own loop looks for
all of them around every step, which takes as long as a small network's forward pass.
"""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.plugins.precision import Precision
from torch import Tensor

HOOKS = (
    *("on_train_batch_start", "on_before_zero_grad", "on_before_backward", "on_after_backward", "backward"),
    *("on_before_optimizer_step", "optimizer_step", "optimizer_zero_grad", "lr_scheduler_step"),
)
"""Methods of a module that Lightning calls for every batch."""
TRANSFERS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
"""Methods of a module and of a data module that Lightning calls for every batch."""
OWN = ("training_step", "configure_gradient_clipping", "on_train_batch_end")
"""Methods that the package's own module defines. They log nothing by Lightning's ``log``."""


def make_lean(trainer: Trainer) -> None:
    """Let a trainer without callbacks go through batches with :class:`LeanEpochLoop`."""
    loop = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = LeanEpochLoop(trainer, loop.min_steps, loop.max_steps)


class LeanEpochLoop(_TrainingEpochLoop):
    """The updates of ``_TrainingEpochLoop`` in their order, without calling hooks that nobody has overridden.

    Where the user's own classes override one, or where several batches make an update or another precision is asked
    for, Lightning's own loop does everything.
    """

    _lean = False

    def on_run_start(self, data_fetcher: Any) -> None:
        super().on_run_start(data_fetcher)
        self._lean = can_be_lean(self.trainer)

    def advance(self, data_fetcher: Any) -> None:
        """One update, counted as Lightning counts it."""
        if not self._lean:
            super().advance(data_fetcher)
            return
        trainer, progress = self.trainer, self.batch_progress
        module, optimizer = trainer.lightning_module, trainer.optimizers[0]
        batch, *_ = next(data_fetcher)
        progress.is_last_batch = data_fetcher.done
        progress.increment_ready()
        progress.increment_started()
        number = self.batch_idx

        def closure() -> Tensor:
            loss: Tensor = module.training_step(batch, number)
            optimizer.zero_grad()
            loss.backward()
            module.configure_gradient_clipping(optimizer, trainer.gradient_clip_val, trainer.gradient_clip_algorithm)
            return loss

        steps = self.automatic_optimization.optim_progress.optimizer.step
        steps.increment_ready()
        loss = trainer.strategy.lean_optimizer_step(optimizer, closure)
        steps.increment_completed()
        progress.increment_processed()
        self.update_lr_schedulers("step", update_plateau_schedulers=False)
        module.on_train_batch_end({"loss": loss.detach()}, batch, number)
        progress.increment_completed()


def can_be_lean(trainer: Trainer) -> bool:
    """Whether nothing would notice that hooks are not called."""
    module, data = trainer.lightning_module, getattr(trainer, "datamodule", None)
    own = all(getattr(type(module), name).__module__.startswith("lit_a3c.") for name in OWN)
    plain = all(_inherits(module, name, LightningModule) for name in HOOKS + TRANSFERS)
    moved = data is None or all(_inherits(data, name, LightningDataModule) for name in TRANSFERS)
    simple = trainer.accumulate_grad_batches == 1 and type(trainer.precision_plugin) is Precision
    return own and plain and moved and simple and not getattr(trainer, "callbacks", [])


def _inherits(instance: Any, name: str, base: type) -> bool:
    return getattr(type(instance), name) is getattr(base, name)
