"""A short animation of a video, for those who show images only."""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
from PIL import Image

MAX_IMAGES = 60
"""Most images of an animation."""
MAX_BYTES = 1_500_000
"""Largest animation. It is made smaller until it fits."""
COLOURS = 128
SHORTEST, LONGEST = 0.04, 0.2
"""Seconds that an image is shown: not so short that nobody can follow, nor as long as what is left out."""


class Animation(NamedTuple):
    """An animated GIF."""

    encoded: bytes
    width: int
    height: int


class Excerpt:
    """Images of a video, as far apart as they have to be so that :data:`MAX_IMAGES` of them cover all of it."""

    def __init__(self) -> None:
        self.images: list[np.ndarray] = []
        self._stride, self._seen, self._fps = 1, 0, 30.0

    def add(self, image: np.ndarray, fps: float) -> None:
        """The next image of the video, ``[H, W, 3]`` uint8, of which there are so many a second."""
        self._fps = fps
        if self._seen % self._stride == 0:
            self.images.append(image)
            if len(self.images) > MAX_IMAGES:
                self.images, self._stride = self.images[::2], 2 * self._stride
        self._seen += 1

    def animation(self) -> Animation:
        """The images, of which there must be one at least."""
        seconds = min(max(self._stride / self._fps, SHORTEST), LONGEST)
        height, width = self.images[0].shape[:2]
        while True:
            frames = [self._small(image, width, height) for image in self.images]
            file = io.BytesIO()
            frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=round(1000 * seconds), loop=0)
            if file.tell() <= MAX_BYTES or min(width, height) < 32:
                return Animation(file.getvalue(), width, height)
            width, height = 3 * width // 4, 3 * height // 4

    @staticmethod
    def _small(image: np.ndarray, width: int, height: int) -> Image.Image:
        """Without dithering, which GIF compresses badly."""
        small = Image.fromarray(image).resize((width, height), Image.Resampling.BOX)
        return small.quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
