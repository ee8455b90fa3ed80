"""A strip beside the image of an environment: what the policy saw in the state, and what it did."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from PIL import Image, ImageDraw, ImageFont

from lit_a3c.evaluation.action_rows import ActionRows, Bar, Row
from lit_a3c.evaluation.frames import Frame

WIDTH = 288
"""Pixels of the strip."""
IMAGE_HEIGHT, IMAGE_WIDTH = 320, 640
"""A smaller image is enlarged by a whole factor, until it is as high or another one would be wider than this."""
MAX_HEIGHT = 540
"""The strip of an action with many rows makes the video no higher than this. Rows that have no room are left out."""
MARGIN, LINE, ROW = 14, 20, 18
"""Distance from the edges, and height of a line of text and of a row, in pixels."""
LABEL, NUMBER = 82, 54
"""Width of the names and of the numbers beside a chart."""
GAP, CURVE = 8, 80
"""Height between sections, and of the curve of values, in pixels."""
HISTORY = 100
"""Images whose values the curve shows."""
PAPER, TRACK, INK, PALE = (22, 25, 31), (47, 52, 62), (236, 238, 242), (150, 157, 170)
BLUE, ORANGE = (84, 140, 214), (255, 168, 56)


class Overlay:
    """Draws the strip.

    It shows the number of the step, its reward, the return so far, the value ``v(s)`` of the state in the image, the
    entropy of the policy there and its distribution over actions. The action that was taken is orange. Where there is
    room, a curve shows the values of the last steps.

    Args:
        title: The environment's id. A module before it is left out.
        subtitle: Which policy it is.
        action_space: The environment's action space.
    """

    def __init__(self, title: str, subtitle: str, action_space: Space[Any]) -> None:
        self._title, self._subtitle = title.rpartition(":")[2], subtitle
        self._actions = ActionRows(action_space)
        self._values: deque[float] = deque(maxlen=HISTORY)

    def __call__(self, frame: Frame) -> np.ndarray:
        """The image, enlarged where it is small, and the strip to its right: ``[H, W, 3]`` uint8, both sides even."""
        height, width = frame.image.shape[:2]
        factor = max(1, min(-(-IMAGE_HEIGHT // height), IMAGE_WIDTH // width))
        image = frame.image.repeat(factor, 0).repeat(factor, 1)
        strip = self._strip(frame, image.shape[0])
        top = (len(strip) - len(image)) // 2
        canvas = np.empty((len(strip), image.shape[1] + image.shape[1] % 2 + WIDTH, 3), np.uint8)
        canvas[:] = PAPER
        canvas[top : top + len(image), : image.shape[1]] = image
        canvas[:, -WIDTH:] = strip
        return canvas

    def _strip(self, frame: Frame, image_height: int) -> np.ndarray:
        decision = frame.decision
        lines = [
            ("step", f"{frame.step:,}", INK),
            ("reward", number(frame.reward), ORANGE if frame.reward else INK),
            ("return so far", number(frame.episode_return), INK),
        ]
        if decision is not None:
            lines += [
                ("value v(s)", number(float(decision.value[0])), INK),
                ("entropy", f"{float(decision.entropy[0]):.2f} nats", INK),
            ]
        above = MARGIN + 8 * LINE + 2 * GAP
        total = self._actions.total
        height = max(image_height, min(above + total * ROW + MARGIN, MAX_HEIGHT), above + 2 * ROW + MARGIN)
        height += height % 2
        pen = _Pen(height)
        pen.line(self._title, INK, size=15)
        pen.line(self._subtitle, PALE)
        pen.y += GAP
        for name, text, colour in lines:
            pen.line(name, PALE, text, colour)
        pen.y += GAP
        if decision is None:
            pen.line("the episode has ended" if frame.ended else "", ORANGE)
            return pen.pixels
        pen.line("policy: the action taken is orange", PALE)
        room = (height - above - MARGIN) // ROW
        limit = room if total <= room else room - 1
        for row in self._actions.rows(decision, limit, frame.action_names):
            pen.row(row)
        if total > limit:
            pen.line(f"... {limit} of {total:,} are shown", PALE)
        if frame.step == 0:
            self._values.clear()
        self._values.append(float(decision.value[0]))
        pen.curve(f"v(s) of the last {HISTORY} images", self._values)
        return pen.pixels


class _Pen:
    """Writes from top to bottom."""

    def __init__(self, height: int) -> None:
        self._image = Image.new("RGB", (WIDTH, height), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self.y = MARGIN

    @property
    def pixels(self) -> np.ndarray:
        return np.asarray(self._image)

    def line(self, left: str, colour: Any, right: str = "", right_colour: Any = INK, size: int = 13) -> None:
        """Text at the left edge and at the right one."""
        self._left(left, colour, size, WIDTH - 2 * MARGIN)
        if right:
            self._draw.text((WIDTH - MARGIN, self.y), right, right_colour, font(size), "ra")
        self.y += LINE

    def curve(self, title: str, values: Sequence[float]) -> None:
        """A curve in the rest of the strip, if that is high enough. Its axis is that of the values shown."""
        top, bottom = self.y + GAP + LINE, min(self._image.height - MARGIN, self.y + GAP + LINE + CURVE)
        if bottom - top < CURVE // 2:
            return
        self.y += GAP
        self.line(title, PALE)
        left, right = MARGIN, WIDTH - MARGIN - NUMBER
        self._draw.rectangle((left, top, right, bottom), TRACK)
        low, high = min(values), max(values)
        scale = (bottom - top - 6) / max(high - low, 1e-6)
        step = (right - left) / (HISTORY - 1)
        points = [(left + i * step, bottom - 3 - (value - low) * scale) for i, value in enumerate(values)]
        if len(points) > 1:
            self._draw.line(points, BLUE, 2)
        for value, y, anchor in ((high, top, "ra"), (low, bottom, "rd")):
            self._draw.text((WIDTH - MARGIN, y), number(value), PALE, font(12), anchor)

    def row(self, row: Row) -> None:
        """A row of an action."""
        left, right = MARGIN + LABEL, WIDTH - MARGIN - NUMBER
        top, bottom = self.y + 1, self.y + ROW - 4
        taken = isinstance(row, Bar) and row.taken
        self._left(row.label, ORANGE if taken else INK, 12, LABEL - 6)
        self._draw.rectangle((left, top, right, bottom), TRACK)
        if isinstance(row, Bar):
            end = left + (right - left) * min(max(row.probability, 0.0), 1.0)
            if row.probability > 0:
                self._draw.rectangle((left, top, max(end, left + 1), bottom), ORANGE if taken else BLUE)
        else:
            self._columns(row.heights, left, right, top, bottom)
            x = left + (right - left) * min(max(row.taken, 0.0), 1.0)
            self._draw.rectangle((x - 1, top - 1, x + 1, bottom + 1), ORANGE)
        colour = ORANGE if taken or not isinstance(row, Bar) else PALE
        self._draw.text((WIDTH - MARGIN, self.y), row.text, colour, font(12), "ra")
        self.y += ROW

    def _columns(self, heights: np.ndarray, left: int, right: int, top: int, bottom: int) -> None:
        width, gap = (right - left) / len(heights), 1 if len(heights) <= 20 else 0
        for i, height in enumerate(heights):
            if height > 0.02:
                x = left + i * width
                self._draw.rectangle((x + gap, bottom - (bottom - top) * height, x + width - gap, bottom), BLUE)

    def _left(self, text: str, colour: Any, size: int, room: int) -> None:
        self._draw.text((MARGIN, self.y), fitted(text, size, room), colour, font(size))


def number(value: float) -> str:
    """A number in at most about eight characters."""
    if value.is_integer() and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:,.2f}" if 0.01 <= abs(value) < 1e5 else f"{value:.2g}"


@cache
def font(size: int) -> Any:
    """Pillow's own font, which needs no file of the system."""
    return ImageFont.load_default(size)


@cache
def fitted(text: str, size: int, room: int) -> str:
    """A text, or as much of it as has room."""
    if font(size).getlength(text) <= room:
        return text
    while text and font(size).getlength(text + "...") > room:
        text = text[:-1]
    return text + "..."
