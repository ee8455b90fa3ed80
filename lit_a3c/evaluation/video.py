"""Videos of episodes."""

from __future__ import annotations

import contextlib
import itertools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import imageio.v2 as imageio
import numpy as np

from lit_a3c.evaluation.excerpt import Excerpt
from lit_a3c.evaluation.frames import Frame
from lit_a3c.rollout import Episode
from lit_a3c.utils.disk import DiskError, check_room


class EpisodeVideo:
    """An MP4 that is written while an episode is played. The file appears under its name when the video is whole.

    Args:
        directory: Made if missing.
        name: Start of the file's name. The episode's return follows.
        max_frames: Images after which no more are written.
        draw: Makes the picture of a frame, ``[H, W, 3]`` uint8. Default: its image as it is.

    Raises:
        DiskError: The directory has no room for a video.

    Attributes:
        excerpt: Some of the pictures, from all parts of the video.
    """

    def __init__(
        self, directory: Path, name: str, max_frames: int, draw: Callable[[Frame], np.ndarray] | None = None
    ) -> None:
        check_room(directory)  # before an episode is played for nothing
        self._directory, self._name, self._max_frames = directory, name, max_frames
        self._partial = directory / f"{name}.partial.mp4"
        self._writer: Any = None
        self._written = 0
        self._draw = draw or (lambda frame: frame.image)
        self.excerpt = Excerpt()

    def write(self, frame: Frame) -> None:
        """Add a picture. The images per second of the first one hold for the video.

        Raises:
            DiskError: The disk is full or read-only.
            OSError: ffmpeg has failed.
        """
        if self._written >= self._max_frames:
            return
        image = self._draw(frame)
        if self._writer is None:
            fps = frame.fps
            self._writer = imageio.get_writer(self._partial, fps=fps, macro_block_size=2, ffmpeg_log_level="quiet")
        try:
            self._writer.append_data(image)
        except OSError:  # of the pipe to ffmpeg
            self._fail()
        self.excerpt.add(image, frame.fps)
        self._written += 1

    def save(self, episode: Episode) -> Path:
        """Finish the file, which is named after the episode's return. A video that has this name already stays.

        Raises:
            DiskError: The disk is full or read-only.
            OSError: ffmpeg has failed.
        """
        self._close()
        name = f"{self._name}-return-{episode.episode_return:.1f}"
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        file = next(file for each in names if not (file := self._directory / f"{each}.mp4").exists())
        try:
            if "moov" not in boxes(self._partial):  # ffmpeg writes it last, and imageio does not ask whether it could
                self._fail()
            self._partial.replace(file)
        except DiskError:
            raise
        except OSError:
            self._fail()
        return file

    def discard(self) -> None:
        """Leave no partial file. Does nothing after :meth:`save`."""
        with contextlib.suppress(OSError):  # a disk that is read-only keeps it
            self._close()
            self._partial.unlink(missing_ok=True)

    def _fail(self) -> NoReturn:
        """What ffmpeg could not write. It and imageio do not say why, so the disk is tried."""
        check_room(self._directory)
        raise OSError(f"ffmpeg could not write {self._partial}")

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def boxes(file: Path) -> list[str]:
    """The kinds of the boxes of which an MP4 consists, those that are whole.

    Raises:
        OSError: It cannot be read.
    """
    found, size = [], file.stat().st_size
    with file.open("rb") as data:
        while (end := data.tell() + 8) <= size:
            length, kind = struct.unpack(">I4s", data.read(8))
            if length == 1:  # of more than four gigabytes
                (length,) = struct.unpack(">Q", data.read(8))
            end += length - 8
            if length < 8 or end > size:
                break
            found.append(kind.decode(errors="replace"))
            data.seek(end)
    return found
