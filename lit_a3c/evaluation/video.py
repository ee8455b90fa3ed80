"""Videos of episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np

from lit_a3c.rollout import Episode


class EpisodeVideo:
    """An MP4 that is written while an episode is played. The file appears under its name when the episode is whole.

    Args:
        directory: Made if missing.
        name: Start of the file's name. The episode's return follows.
        max_frames: Images after which no more are written.

    Attributes:
        frames: The images number 0, 1, 2, 4, 8, ... The last one lies in the second half of the video.
    """

    def __init__(self, directory: Path, name: str, max_frames: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._name, self._max_frames = directory, name, max_frames
        self._partial = directory / f"{name}.partial.mp4"
        self._writer: Any = None
        self._written = 0
        self.frames: list[np.ndarray] = []

    def write(self, image: np.ndarray, fps: int) -> None:
        """Add an image ``[H, W, 3]`` uint8; ``fps`` of the first one holds for the video."""
        if self._written >= self._max_frames:
            return
        if self._writer is None:
            self._writer = imageio.get_writer(self._partial, fps=fps, macro_block_size=2, ffmpeg_log_level="error")
        self._writer.append_data(image)
        if self._written & (self._written - 1) == 0:
            self.frames.append(image)
        self._written += 1

    def save(self, episode: Episode) -> Path:
        """Finish the file, which is named after the episode's return."""
        self._close()
        file = self._directory / f"{self._name}-return-{episode.episode_return:.1f}.mp4"
        self._partial.replace(file)
        return file

    def discard(self) -> None:
        """Leave no partial file. Does nothing after :meth:`save`."""
        self._close()
        self._partial.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
