"""Films of the agent."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_warn

from lit_a3c import A3C, Film, RolloutData
from lit_a3c.callbacks.scores import run_directory
from lit_a3c.errors import check_number


class VideoRecorder(Callback):
    """Films one whole episode every so many steps and at the end, as MP4 in the run's ``videos``.

    A still of each goes to TensorBoard. Where the environment cannot be drawn, a warning says why once and the
    training goes on.

    Args:
        every_n_steps: Steps between two films; 0 films the end only.
        max_frames: Pictures after which a film is cut.
    """

    def __init__(self, every_n_steps: int = 1_000_000, max_frames: int = 5_000) -> None:
        check_number("every_n_steps of VideoRecorder", every_n_steps, low=0, whole=True)
        check_number("max_frames of VideoRecorder", max_frames, low=1, whole=True)
        self.every_n_steps, self.max_frames = every_n_steps, max_frames
        self._next = every_n_steps
        self._broken = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if self.every_n_steps:
            self._next = (pl_module.steps // self.every_n_steps + 1) * self.every_n_steps

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        if self.every_n_steps and pl_module.steps >= self._next:
            self._next += self.every_n_steps
            self._film(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        self._film(trainer, pl_module)

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Film, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        file = write_video(outputs, run_directory(trainer) / "videos", f"predict-{batch_idx}", self.max_frames)[0]
        print(f"written to {file}")

    def _film(self, trainer: Trainer, module: A3C) -> None:
        if self._broken:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, RolloutData)
        try:
            film = data.film(seed=module.steps)
            _, still = write_video(film, run_directory(trainer) / "videos", f"step-{module.steps}", self.max_frames)
        except Exception as error:  # a renderer may fail in any way; that must not end a training
            self._broken = True
            rank_zero_warn(
                f"No video: {type(error).__name__}: {error}. "
                "Without a screen MuJoCo draws through EGL (Debian: libegl1) or OSMesa (MUJOCO_GL=osmesa, libosmesa6)."
            )
            return
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image("video", still, module.steps, dataformats="HWC")


def write_video(film: Film, directory: Path, name: str, max_frames: int) -> tuple[Path, np.ndarray]:
    """Play and write an episode, picture by picture.

    Args:
        film: The episode.
        directory: Made if missing.
        name: Start of the file's name; the episode's return follows.
        max_frames: Pictures after which the film is cut.

    Returns:
        The file, and a still ``[H, W, 3]`` from near its middle.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pictures = iter(film)
    first = next(pictures)
    partial = directory / f"{name}.partial.mp4"
    stills = [first]
    try:
        with imageio.get_writer(partial, fps=film.fps, macro_block_size=2, ffmpeg_log_level="error") as writer:
            for i, picture in enumerate(itertools.islice(itertools.chain([first], pictures), max_frames)):
                writer.append_data(picture)  # type: ignore[attr-defined]
                if i & (i - 1) == 0:  # 1, 2, 4, ...: the last of these lies in the second half
                    stills.append(picture)
        pictures.close()  # type: ignore[attr-defined]
        file = directory / f"{name}-return-{film.episode.ret:.1f}.mp4"
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return file, stills[-1]
