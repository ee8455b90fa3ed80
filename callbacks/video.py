"""Videos of the agent."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_only

from lit_a3c import A3C, CorruptCheckpointError, Episode, EpisodeBatch, EpisodeVideo, RolloutDataModule
from lit_a3c.callbacks.score_table import run_directory
from lit_a3c.checkpoint.io import load_verified
from lit_a3c.evaluation.excerpt import Excerpt
from lit_a3c.evaluation.overlay import Overlay
from lit_a3c.metrics.media import log_video
from lit_a3c.utils import compat
from lit_a3c.utils.disk import DiskError, Outage, say
from lit_a3c.utils.errors import ConfigError, check_number
from lit_a3c.utils.one_line import one_line
from lit_a3c.utils.signals import INTERRUPTION


class VideoRecorder(Callback):
    """Records whole episodes as MP4 in the run's ``videos``: the present policy now and then, and the best at the end.

    The best one is that of the best checkpoint, whose file holds the best score of a validation. Where there is none,
    the last policy is recorded. A strip beside the image shows what the policy does: see
    :class:`lit_a3c.evaluation.overlay.Overlay`.

    A video keeps the environment's own time, with at most 60 images per second. Of an environment that has more, every
    second or third one is taken.

    TensorBoard gets a short animation of each video. Where the environment cannot be drawn, a message says why once,
    and the training goes on without videos. Where the disk is full or read-only, it goes on, too, and the next video is
    tried again. Recording changes nothing in a training: it is done with a copy of the policy.

    Args:
        every_n_steps: Steps between two videos. 0 records at the end only, -1 never.
        max_frames: Images after which no more are written. The episode is played to its end all the same.
        overlay: Whether the strip is drawn. Without it, the images are those of the environment.
    """

    def __init__(self, every_n_steps: int = 1_000_000, max_frames: int = 5_000, overlay: bool = True) -> None:
        check_number("video.every_n_steps", every_n_steps, low=-1, whole=True)
        check_number("video.max_frames", max_frames, low=1, whole=True)
        self.every_n_steps, self.max_frames, self.overlay = every_n_steps, max_frames, overlay
        self._next = every_n_steps
        self._recorded_at: int | None = None  # the steps of the present policy that was recorded last
        self._broken = False
        self._outage = Outage("videos", "The training goes on, and the next one is tried again.")
        self._predicting: EpisodeVideo | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse to record what cannot be drawn, before anything is played.

        Raises:
            ConfigError: The environment gives no images.
        """
        data = compat.datamodule_of(trainer)
        if stage == TrainerFn.PREDICTING and isinstance(data, RolloutDataModule):
            with contextlib.closing(data.recording(seed=0).envs) as envs:
                env = envs.seeded(0)
                env.torchrl.reset()
                env.image()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if self.every_n_steps > 0:
            self._next = (pl_module.steps // self.every_n_steps + 1) * self.every_n_steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        if self.every_n_steps > 0 and pl_module.steps >= self._next:
            self._next += self.every_n_steps
            self._recorded_at = pl_module.steps
            pl_module.learners.do_part(lambda: self._record(trainer, lambda: present_agent(pl_module)))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last checkpoint has been written: an episode may take minutes."""
        assert isinstance(pl_module, A3C)
        done = self._recorded_at == pl_module.steps
        if self.every_n_steps >= 0:
            self._record(
                trainer, lambda: best_agent(trainer, pl_module) or (None if done else present_agent(pl_module))
            )

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: EpisodeBatch, batch_idx: int, *_: Any
    ) -> None:
        assert isinstance(pl_module, A3C)
        agent = RecordedAgent(pl_module, pl_module.steps, best=False)
        self._predicting = self._video(trainer, agent, batch, f"predict-{batch_idx}")

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: list[Episode], *_: Any
    ) -> None:
        assert self._predicting is not None
        print(f"written to {self._predicting.save(outputs[0])}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._predicting is not None:
            self._predicting.discard()

    def _record(self, trainer: Trainer, choose: Callable[[], RecordedAgent | None]) -> None:
        """Record an episode of whom ``choose`` gives. What fails here costs a video, and not the training."""
        if self._broken or not trainer.is_global_zero:
            return
        data = compat.datamodule_of(trainer)
        assert isinstance(data, RolloutDataModule)
        try:
            with contextlib.ExitStack() as at_the_end:
                if (agent := choose()) is None:
                    return
                batch = data.recording(seed=agent.steps)
                at_the_end.callback(batch.envs.close)
                video = self._video(trainer, agent, batch, f"{'best-' if agent.best else ''}step-{agent.steps}")
                at_the_end.callback(video.discard)
                file = video.save(agent.module.play(batch)[0])
        except DiskError as error:
            self._outage.begin(error)
            return
        except Exception as error:  # a renderer may fail in any way; that must not end a training
            INTERRUPTION.check()  # the signal may have ended the encoder, too
            self._broken = True
            rank_zero_only(say)(f"no video: {reason(error)} The training is not affected.")
            return
        self._outage.end()
        publish(trainer, file, video.excerpt, best=agent.best)

    def _video(self, trainer: Trainer, agent: RecordedAgent, batch: EpisodeBatch, name: str) -> EpisodeVideo:
        """The video that the frames of a batch will go to."""
        overlay = None
        if self.overlay:
            spaces, which = agent.module.spaces, "best policy" if agent.best else "policy"
            overlay = Overlay(spaces.env_id, f"{which} after {agent.steps:,} steps", spaces.action_space)
        video = EpisodeVideo(run_directory(trainer) / "videos", name, self.max_frames, overlay)
        batch.on_frame, batch.explain = video.write, self.overlay
        return video


class RecordedAgent(NamedTuple):
    """Who plays in a video."""

    module: A3C
    """With the policy."""
    steps: int
    """That it has learned from."""
    best: bool
    """Whether it is that of the best checkpoint."""


def present_agent(module: A3C) -> RecordedAgent:
    """A copy of the present policy, which other processes may go on changing."""
    return RecordedAgent(copy.deepcopy(module).cpu().eval(), module.steps, best=False)


def best_agent(trainer: Trainer, module: A3C) -> RecordedAgent | None:
    """The policy of the best checkpoint, or None where there is none that can be read."""
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            try:
                checkpoint = load_verified(callback.best_model_path)
            except (OSError, CorruptCheckpointError) as error:
                say(f"{callback.best_model_path} cannot be read: {error}. The last policy is recorded instead.")
                continue
            agent = present_agent(module)
            agent.module.load_state_dict(checkpoint["state_dict"])
            return RecordedAgent(agent.module, checkpoint["steps"], best=True)
    return None


def publish(trainer: Trainer, file: Path, excerpt: Excerpt, *, best: bool) -> None:
    """Give a video to the loggers. The axis is that of the training, also for an older policy."""
    module = trainer.lightning_module
    assert isinstance(module, A3C)
    tag = "video/best" if best else "video"
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            compat.add_encoded_image(logger.experiment, tag, *excerpt.animation(), module.steps)
        log_video(logger, file, module.steps)


def reason(error: Exception) -> str:
    """Why there is no video, and what to do. An environment that promises no images needs no other renderer."""
    if isinstance(error, ConfigError):
        return str(error)
    return (
        f"{one_line(error).removesuffix('.')}. "
        "Without a screen MuJoCo draws through EGL (Debian: libegl1) or OSMesa (MUJOCO_GL=osmesa, libosmesa6)."
    )
