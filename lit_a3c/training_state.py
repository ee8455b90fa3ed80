"""The counters of a training as a LightningModule: its budget, its clock, its records, and what a checkpoint holds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from lit_a3c.checkpoint.compatibility import check_contents, check_fits
from lit_a3c.checkpoint.factories import build, to_plain
from lit_a3c.checkpoint.initialize import take_weights
from lit_a3c.checkpoint.io import load_verified
from lit_a3c.engines.base import OptimizerFactory
from lit_a3c.engines.learners import Learners
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.envs import EnvSpaces
from lit_a3c.metrics.axis import put_on_axis
from lit_a3c.metrics.logger import start_run
from lit_a3c.metrics.train_metrics import TrainMetrics
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.rollout import Episode
from lit_a3c.utils import compat
from lit_a3c.utils.errors import check_number


class TrainingState(LightningModule):
    """A policy and the counters of its training. They are saved and restored together.

    Args:
        spaces: The environment's spaces.

    Attributes:
        policy: The network.
        ledger: Every step of the training, and the updates.
        metrics: Means since the last row of the logs.
        learners: The learners of the training, of which this one is one.
        make_optimizer: Makes the optimizer from the parameters.
        optimizer_in_checkpoint: Class of the optimizer whose state was loaded, if any was.
    """

    policy: ActorCritic
    make_optimizer: OptimizerFactory

    def __init__(self, spaces: EnvSpaces) -> None:
        super().__init__()
        self.spaces = spaces
        self.ledger = StepLedger()
        self.metrics = TrainMetrics()
        self.learners = Learners()
        self.optimizer_in_checkpoint: str | None = None
        self._first_step = 0  # of the present training
        self._total_steps: int | None = None
        self._seconds_before = 0.0
        self.start_clock()

    @property
    def steps(self) -> int:
        """Steps learned from so far, by all processes."""
        return self.ledger.learned.total

    @property
    def seconds(self) -> float:
        """Seconds of training so far, evaluations included, over all parts of a resumed run."""
        return self._seconds_before + time.monotonic() - self._started_at

    def begin_training(self, total_steps: int) -> None:
        """Begin a training from the present weights. A checkpoint that is restored afterwards continues its own.

        Args:
            total_steps: Steps that this training is to learn from. The data module calls this with its own number.
        """
        self._first_step, self._total_steps = self.steps, total_steps
        self.optimizer_in_checkpoint = None  # that of a checkpoint whose weights alone were taken

    @property
    def last_step(self) -> int | None:
        """The value of :attr:`steps` at which the training ends; None where there is no budget."""
        return None if self._total_steps is None else self._first_step + self._total_steps

    @property
    def finished(self) -> bool:
        """Whether the budget of steps is used up."""
        return self.last_step is not None and self.steps >= self.last_step

    @property
    def share_left(self) -> float:
        """Share of the budget that is left, from 1 to 0; always 1 where there is no budget."""
        if self._total_steps is None:
            return 1.0
        return max(0.0, 1 - (self.steps - self._first_step) / self._total_steps)

    def steps_in_training(self) -> int | None:
        """:attr:`steps` during ``trainer.fit``, else None: the axis of a logger that may serve other modules, too."""
        trainer = compat.trainer_of(self)
        return self.steps if trainer is not None and trainer.state.fn == TrainerFn.FITTING else None

    def start_clock(self) -> None:
        """Count the seconds of the present part of the run from now on."""
        self._started_at = time.monotonic()

    def publish(self, metrics: dict[str, float]) -> None:
        """Give metrics to callbacks and loggers, with steps as the axis.

        During a training the loggers are called directly: Lightning's way to them counts updates of this process.
        ``trainer.validate`` and ``trainer.test`` return what is logged in Lightning's own way.
        """
        if self.trainer.state.fn in (TrainerFn.VALIDATING, TrainerFn.TESTING):
            self.log_dict(metrics, batch_size=1)
            # Lightning takes a metric of this name for the axis. Single precision would round 20 million steps.
            self.log("step", torch.tensor(self.steps, dtype=torch.float64), batch_size=1, reduce_fx="max")
            return
        self.log_dict(metrics, logger=False, batch_size=1)
        axes = {"time/frames": float(self.steps * self.spaces.frame_skip), "time/seconds": self.seconds}
        for logger in self.loggers:
            logger.log_metrics(metrics | axes, step=self.steps)

    def on_fit_start(self) -> None:
        """Take the directory of the run, unless the command line has done so, and let its rows have steps as the axis.

        Raises:
            ConfigError: Another process trains there, or the directory holds another run.
        """
        start_run(self.trainer, self.trainer.ckpt_path)
        put_on_axis(self.trainer.loggers, self.steps_in_training)

    # Checkpoints: tensors and plain types only, so that ``weights_only=True`` can load them

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["spaces"] = self.spaces.to_plain()
        checkpoint["steps"] = self.steps
        checkpoint["first_step"] = self._first_step
        checkpoint["discarded"] = self.ledger.discarded.total
        checkpoint["updates"] = self.ledger.updates.total
        checkpoint["seconds"] = self.seconds
        trainer = compat.trainer_of(self)
        checkpoint["optimizer"] = type(trainer.optimizers[0]).__name__ if trainer and trainer.optimizers else None
        checkpoint["recent_episodes"] = [list(episode) for episode in self.metrics.recent]
        checkpoint["hyper_parameters"] = {
            name: to_plain(value)
            for name, value in checkpoint.get("hyper_parameters", {}).items()
            if name != "_instantiator"  # Lightning's, for its own way to load; see load_from_checkpoint
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the counters.

        Raises:
            ConfigError: The checkpoint is of another environment, or of none.
        """
        check_fits(checkpoint, self.spaces, self.state_dict())
        self.ledger.restore(checkpoint["steps"], checkpoint["discarded"], checkpoint["updates"])
        first_step = checkpoint.get("first_step", 0)  # version 0.1.0 did not write it
        check_number("the checkpoint's 'first_step'", first_step, low=0, high=checkpoint["steps"], whole=True)
        self._first_step = first_step
        self._seconds_before = checkpoint["seconds"]
        self.optimizer_in_checkpoint = checkpoint["optimizer"]
        self.metrics.recent.extend(Episode(*episode) for episode in checkpoint["recent_episodes"])

    def init_from(self, checkpoint_path: str | Path) -> list[str]:
        """Begin from the weights of a checkpoint, which may be of another environment or another network.

        Weights and running statistics of all layers that have the same shapes are taken. Counters, optimizer and
        options stay those of this module.

        Args:
            checkpoint_path: File or URL. Nothing but tensors is taken from it.

        Returns:
            A line for each layer that was not taken.

        Raises:
            OSError: The file cannot be read.
            CorruptCheckpointError: The file is damaged.
            ConfigError: It is no checkpoint of such a module, or has no layer in common with this one.
        """
        checkpoint = load_verified(checkpoint_path)
        check_contents(checkpoint)
        return take_weights(self, checkpoint["state_dict"])

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | Path,
        map_location: Any = "cpu",
        strict: bool = True,
        trust_checkpoint: bool = False,
        **kwargs: Any,
    ) -> Self:
        """The agent of a checkpoint as it was trained: with its spaces, options, weights and counters.

        Lightning's own way calls what the file names. Here the file names only classes that
        :mod:`lit_a3c.checkpoint.trust` allows, and holds nothing but tensors and plain types.

        Args:
            checkpoint_path: File or URL.
            map_location: Device of the module, as ``torch.load`` takes it.
            strict: Whether the weights must be those of the module, neither more nor less.
            trust_checkpoint: Whether the file may name any class. It is imported and called.
            kwargs: Arguments of the class that replace those of the checkpoint.

        Raises:
            OSError: The file cannot be read.
            CorruptCheckpointError: The file is damaged.
            ConfigError: It is no checkpoint of such a module, or names a class that it may not name, or an option was
                made by a function, which a checkpoint cannot hold.
        """
        checkpoint = load_verified(checkpoint_path, map_location)
        module = build(cls, checkpoint, kwargs, trusted=trust_checkpoint)
        module.on_load_checkpoint(checkpoint)
        module.load_state_dict(checkpoint["state_dict"], strict=strict)
        tensor = next(iter(checkpoint["state_dict"].values()), torch.empty(0))
        return module.to(tensor.device)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which makes optimizer and schedule of its own. Factories may hold a parser."""
        return {**super().__getstate__(), "make_optimizer": None, "_schedule": None, "learners": Learners()}
