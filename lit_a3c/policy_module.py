"""A policy as a LightningModule: how it is scored, saved and restored. :mod:`lit_a3c.module` adds the learning."""

from __future__ import annotations

import time
from typing import Any, Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from lit_a3c.checkpoint.compatibility import check_fits
from lit_a3c.checkpoint.io import is_plain, load_verified
from lit_a3c.engines.base import OptimizerFactory
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.envs import EnvSpaces
from lit_a3c.evaluation.play import EpisodeBatch, play
from lit_a3c.evaluation.scores import summarize
from lit_a3c.metrics.train_metrics import TrainMetrics
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.agent import Agent, generator_from_global_state
from lit_a3c.rollout import Episode
from lit_a3c.utils import compat


class PolicyModule(LightningModule):
    """A policy, the counters of its training, and its score.

    Args:
        spaces: The environment's spaces.

    Attributes:
        policy: The network.
        ledger: Every step of the training, and the updates.
        metrics: Means since the last row of the logs.
        episodes: Episodes of the present or last evaluation.
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
        self.episodes: list[Episode] = []
        self.optimizer_in_checkpoint: str | None = None
        self._generator: torch.Generator | None = None
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
        axes = {"frames": float(self.steps * self.spaces.frame_skip), "seconds": self.seconds}
        for logger in self.loggers:
            logger.log_metrics(metrics | axes, step=self.steps)

    # Evaluation

    def agent(self, num_envs: int) -> Agent:
        """The policy under evaluation in so many environments. Its draws change nothing in the training around it."""
        generator = self._generator or generator_from_global_state()
        return Agent(self.policy, num_envs, bool(self.hparams["deterministic_eval"]), generator)

    def play(self, batch: EpisodeBatch) -> list[Episode]:
        """Play whole episodes with the present policy, in another process where the batch names one."""
        agent = self.agent(batch.num_envs)
        return play(agent, batch) if batch.player is None else batch.player.play(agent, batch)

    def on_validation_epoch_start(self) -> None:
        self.episodes, self._generator = [], generator_from_global_state()

    def validation_step(self, batch: EpisodeBatch, batch_idx: int) -> None:
        """Play a batch of episodes."""
        self.episodes += self.play(batch)

    def on_validation_epoch_end(self) -> None:
        self._generator = None
        if not self.trainer.sanity_checking:
            self._publish_score("val")

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def on_test_epoch_end(self) -> None:
        self._generator = None
        self._publish_score("test")

    def predict_step(self, batch: EpisodeBatch, batch_idx: int) -> list[Episode]:
        """Play a batch of episodes, whose images go to ``batch.on_frame``."""
        return self.play(batch)

    def _publish_score(self, stage: str) -> None:
        summary = summarize(self.episodes, self.spaces)
        names = {"return_mean": "mean", "return_sd": "sd", "episode_length": "length"}
        self.publish({f"{stage}/{name}": summary[key] for name, key in names.items()})

    # Checkpoints: tensors and plain types only, so that ``weights_only=True`` can load them

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["spaces"] = self.spaces.to_plain()
        checkpoint["steps"] = self.steps
        checkpoint["discarded"] = self.ledger.discarded.total
        checkpoint["updates"] = self.ledger.updates.total
        checkpoint["seconds"] = self.seconds
        trainer = compat.trainer_of(self)
        checkpoint["optimizer"] = type(trainer.optimizers[0]).__name__ if trainer else None
        checkpoint["recent_episodes"] = [list(episode) for episode in self.metrics.recent]
        hparams = checkpoint.get("hyper_parameters", {})
        checkpoint["hyper_parameters"] = {key: value for key, value in hparams.items() if is_plain(value)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the counters.

        Raises:
            ConfigError: The checkpoint is of another environment, or of none.
        """
        check_fits(checkpoint, self.spaces, self.state_dict())
        self.ledger.restore(checkpoint["steps"], checkpoint["discarded"], checkpoint["updates"])
        self._seconds_before = checkpoint["seconds"]
        self.optimizer_in_checkpoint = checkpoint["optimizer"]
        self.metrics.recent.extend(Episode(*episode) for episode in checkpoint["recent_episodes"])

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, **kwargs: Any) -> Self:  # type: ignore[override]
        """Like Lightning's. The spaces come from the checkpoint, and nothing but tensors and plain types is loaded."""
        kwargs.setdefault("weights_only", True)
        if "spaces" not in kwargs:
            kwargs["spaces"] = EnvSpaces.from_plain(load_verified(str(checkpoint_path))["spaces"])
        return super().load_from_checkpoint(checkpoint_path, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which makes optimizer and schedule of its own. Factories may hold a parser."""
        return {**super().__getstate__(), "make_optimizer": None, "_schedule": None, "_generator": None}
