"""The short animation of a video."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from lit_a3c.evaluation import excerpt as module
from lit_a3c.evaluation.excerpt import MAX_BYTES, MAX_IMAGES, Animation, Excerpt


def excerpt_of(count: int, fps: float = 30) -> Excerpt:
    excerpt = Excerpt()
    for i in range(count):
        excerpt.add(np.full((16, 24, 3), [i % 256, i // 256, 0], np.uint8), fps)
    return excerpt


def frames(animation: Animation) -> list[Image.Image]:
    image = Image.open(io.BytesIO(animation.encoded))
    found = []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        found.append(image.convert("RGB"))
    return found


@pytest.mark.parametrize(("count", "stride"), [(1, 1), (60, 1), (61, 2), (120, 2), (121, 4), (5000, 128)])
def test_images_are_from_all_of_the_video(count: int, stride: int) -> None:
    """Equally far apart, and never too many."""
    numbers = [int(image[0, 0, 0]) + 256 * int(image[0, 0, 1]) for image in excerpt_of(count).images]
    assert numbers == list(range(0, count, stride))
    assert len(numbers) <= MAX_IMAGES


@pytest.mark.parametrize(
    ("count", "fps", "milliseconds"), [(20, 50, 40), (20, 10, 100), (100, 10, 200), (5000, 50, 200)]
)
def test_it_is_as_fast_as_one_can_follow(count: int, fps: float, milliseconds: int) -> None:
    image = Image.open(io.BytesIO(excerpt_of(count, fps).animation().encoded))
    image.seek(1)
    assert image.info["duration"] == milliseconds
    assert image.info["loop"] == 0, "for ever"


def test_it_is_an_animated_gif() -> None:
    animation = excerpt_of(5).animation()
    assert (animation.width, animation.height) == (24, 16)
    assert [image.size for image in frames(animation)] == [(24, 16)] * 5
    assert len({image.getpixel((3, 3)) for image in frames(animation)}) == 5


def test_a_large_one_is_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it fits."""
    rng = np.random.default_rng(0)
    excerpt = Excerpt()
    for _ in range(10):
        excerpt.add(rng.integers(0, 256, (120, 200, 3), dtype=np.uint8), 30)
    whole = excerpt.animation()
    assert (whole.width, whole.height) == (200, 120)
    monkeypatch.setattr(module, "MAX_BYTES", len(whole.encoded) // 2)
    small = excerpt.animation()
    assert len(small.encoded) <= len(whole.encoded) // 2 < MAX_BYTES
    assert (small.width, small.height) == (112, 67)
    assert len(frames(small)) == 10
