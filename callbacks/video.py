"""Videos of the agent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_warn

from lit_a3c import A3C, Episode, EpisodeBatch, EpisodeVideo, RolloutDataModule
from lit_a3c.callbacks.score_table import run_directory
from lit_a3c.utils import compat
from lit_a3c.utils.disk import DiskError, Outage
from lit_a3c.utils.errors import check_number
from lit_a3c.utils.one_line import one_line
from lit_a3c.utils.signals import INTERRUPTION


class VideoRecorder(Callback):
    """Records one whole episode every so many steps and at the end, as MP4 in the run's ``videos``.

    An image of each goes to TensorBoard. Where the environment cannot be drawn, a warning says why once, and the
    training goes on without videos. Where the disk is full or read-only, it goes on, too, and the next video is tried
    again.

    Args:
        every_n_steps: Steps between two videos. 0 records at the end only, -1 never.
        max_frames: Images after which no more are written. The episode is played to its end all the same.
    """

    def __init__(self, every_n_steps: int = 1_000_000, max_frames: int = 5_000) -> None:
        check_number("video.every_n_steps", every_n_steps, low=-1, whole=True)
        check_number("video.max_frames", max_frames, low=1, whole=True)
        self.every_n_steps, self.max_frames = every_n_steps, max_frames
        self._next = every_n_steps
        self._broken = False
        self._outage = Outage("videos", "The training goes on, and the next one is tried again.")
        self._predicting: EpisodeVideo | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if self.every_n_steps > 0:
            self._next = (pl_module.steps // self.every_n_steps + 1) * self.every_n_steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        if self.every_n_steps > 0 and pl_module.steps >= self._next:
            self._next += self.every_n_steps
            self._record(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last checkpoint has been written: an episode may take minutes."""
        assert isinstance(pl_module, A3C)
        if self.every_n_steps >= 0:
            self._record(trainer, pl_module)

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: EpisodeBatch, batch_idx: int, *_: Any
    ) -> None:
        self._predicting = EpisodeVideo(run_directory(trainer) / "videos", f"predict-{batch_idx}", self.max_frames)
        batch.on_frame = self._predicting.write

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: list[Episode], *_: Any
    ) -> None:
        assert self._predicting is not None
        print(f"written to {self._predicting.save(outputs[0])}")

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._predicting is not None:
            self._predicting.discard()

    def _record(self, trainer: Trainer, module: A3C) -> None:
        if self._broken:
            return
        data = compat.datamodule_of(trainer)
        assert isinstance(data, RolloutDataModule)
        try:
            with recorded(data.recording(seed=module.steps), run_directory(trainer), module, self.max_frames) as video:
                frame = video.frames[-1]
        except DiskError as error:
            self._outage.begin(error)
            return
        except Exception as error:  # a renderer may fail in any way; that must not end a training
            INTERRUPTION.check()  # the signal may have ended the encoder, too
            self._broken = True
            rank_zero_warn(
                f"No video: {one_line(error)}. "
                "Without a screen MuJoCo draws through EGL (Debian: libegl1) or OSMesa (MUJOCO_GL=osmesa, libosmesa6)."
            )
            return
        self._outage.end()
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("video", frame, module.steps, dataformats="HWC")


@contextlib.contextmanager
def recorded(batch: EpisodeBatch, run: Path, module: A3C, max_frames: int) -> Iterator[EpisodeVideo]:
    """Play and record an episode; the video is complete inside the block."""
    video = EpisodeVideo(run / "videos", f"step-{module.steps}", max_frames)
    batch.on_frame = video.write
    try:
        video.save(module.play(batch)[0])
        yield video
    finally:
        video.discard()
        batch.envs.close()
