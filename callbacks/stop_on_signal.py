"""Stops a training where a signal asks for it."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_a3c.utils.signals import INTERRUPTION


class StopOnSignal(Callback):
    """Stops between two updates, so that what is saved is whole. Evaluations and the last video are broken off.

    The command line adds it to every training and handles the signals.
    """

    on_every_node = True
    """Whether nodes that neither log nor validate need this callback, too."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        INTERRUPTION.training = True

    def on_train_batch_end(self, *args: Any) -> None:
        INTERRUPTION.check()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        INTERRUPTION.interruptible = True
        INTERRUPTION.check()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        INTERRUPTION.interruptible = False
        INTERRUPTION.check()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What has been learned is saved. The last video may be broken off anywhere."""
        INTERRUPTION.interruptible = True
        INTERRUPTION.check()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        INTERRUPTION.listen()
        INTERRUPTION.interruptible = False  # not while it saves

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        INTERRUPTION.interruptible = False  # not while loggers write what they still hold
