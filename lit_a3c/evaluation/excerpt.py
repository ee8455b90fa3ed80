"""A short animation of a video, for those who show images only."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

MAX_IMAGES = 60
"""Most images of an animation."""
MAX_BYTES = 1_000_000
"""Largest animation. It is made smaller until it fits."""
SHORTEST, LONGEST = 0.04, 0.2
"""Seconds that an image is shown: neither too fast for what is left out, nor as slow as a long game."""


class Excerpt:
    """Images that are as far apart as they have to be so that :data:`MAX_IMAGES` of them cover a whole video."""

    def __init__(self) -> None:
        self._images: list[np.ndarray] = []
        self._stride, self._seen, self._fps = 1, 0, 30.0

    def add(self, image: np.ndarray, fps: float) -> None:
        """The next image of the video, ``[H, W, 3]`` uint8, of which there are so many a second."""
        self._fps = fps
        if self._seen % self._stride == 0:
            self._images.append(image)
            if len(self._images) > MAX_IMAGES:
                self._images, self._stride = self._images[::2], 2 * self._stride
        self._seen += 1

    def gif(self) -> tuple[bytes, int, int]:
        """The images as an animated GIF, and its width and height; at least one image must have been added."""
        seconds = min(max(self._stride / self._fps, SHORTEST), LONGEST)
        images = [Image.fromarray(image) for image in self._images]
        width, height = images[0].size
        while True:
            small = [image.resize((width, height), Image.Resampling.BOX) for image in images]
            file = io.BytesIO()
            small[0].save(file, "GIF", save_all=True, append_images=small[1:], duration=round(1000 * seconds), loop=0)
            if file.tell() <= MAX_BYTES or min(width, height) < 32:
                return file.getvalue(), width, height
            width, height = 3 * width // 4, 3 * height // 4
