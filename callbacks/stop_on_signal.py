"""Stops a training where a signal asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lit_a3c import A3C
from lit_a3c.utils import compat_processes
from lit_a3c.utils.signals import INTERRUPTION


class StopOnSignal(Callback):
    """Stops between two updates, so that what is saved is whole. Evaluations and the last video are broken off.

    The command line adds it to every training and handles the signals. Several learners stop at the same update: see
    :class:`lit_a3c.engines.learners.Learners`.
    """

    on_every_node = True
    """Whether nodes that neither log nor validate need this callback, too."""

    def __init__(self) -> None:
        self._requeue: Callable[[int], None] = lambda signum: None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        assert isinstance(pl_module, A3C)
        if pl_module.learners.size > 1:
            self._requeue = compat_processes.take_signals(trainer, INTERRUPTION.ask)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        INTERRUPTION.training = True

    def on_train_batch_end(self, *args: Any) -> None:
        INTERRUPTION.check()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        INTERRUPTION.interruptible = not INTERRUPTION.shared  # of several learners each breaks off its own episodes
        INTERRUPTION.check()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        INTERRUPTION.interruptible = False
        INTERRUPTION.check()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What has been learned is saved. The last video may be broken off anywhere."""
        INTERRUPTION.interruptible = True
        INTERRUPTION.check()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        assert isinstance(pl_module, A3C)
        pl_module.learners.leave()  # before others save
        INTERRUPTION.listen()
        INTERRUPTION.interruptible = False  # not while it saves

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        INTERRUPTION.interruptible = False  # not while loggers write what they still hold

    def requeue(self, trainer: Trainer) -> None:
        """At the end of a job of several learners that Slurm has asked to end soon: save, and ask for another turn."""
        if INTERRUPTION.signum is not None and trainer.is_global_zero:
            self._requeue(INTERRUPTION.signum)
