"""The strip beside the image, looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.spaces import Box, Discrete, Space
from torch.distributions import Categorical, Distribution

from lit_a3c.evaluation import overlay
from lit_a3c.evaluation.frames import Decision, Frame
from lit_a3c.evaluation.overlay import BLUE, ORANGE, WIDTH, Overlay, fitted, font, number
from lit_a3c.networks.distributions import DiagonalGaussian


def frame(height: int = 100, width: int = 80, decision: Decision | None = None, **what: Any) -> Frame:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Frame(image, 30, decision=decision, **what)


def decided(distribution: Distribution, action: Any, value: float = 1.5) -> Decision:
    entropy = distribution.entropy()
    return Decision(distribution, torch.as_tensor(action), torch.tensor([value]), entropy)


def choice(*probabilities: float, action: int = 0, value: float = 1.5) -> Decision:
    logits = torch.tensor([probabilities]).log()
    return decided(Categorical(logits=logits, validate_args=False), [action], value)


def strip_of(picture: np.ndarray) -> np.ndarray:
    return picture[:, -WIDTH:]


def pixels(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """How many pixels of a colour each line of the strip has."""
    return (strip_of(picture) == colour).all(-1).sum(-1)


@pytest.mark.parametrize(
    ("height", "width", "factor"),
    [(84, 84, 4), (210, 160, 2), (256, 256, 2), (400, 600, 1), (33, 35, 10), (101, 1001, 1), (901, 51, 1), (1, 1, 320)],
)
def test_a_small_image_is_enlarged_by_a_whole_factor(height: int, width: int, factor: int) -> None:
    """It is all there, and what is around it is as high and wide as H.264 needs it."""
    given = frame(height, width, choice(0.5, 0.5))
    picture = Overlay("X-v0", "policy", Discrete(2))(given)
    assert picture.dtype == np.uint8
    assert picture.shape[0] % 2 == picture.shape[1] % 2 == 0
    assert picture.shape[0] >= max(height * factor, 240)
    assert picture.shape[1] - WIDTH - width * factor in (0, 1)
    top = (picture.shape[0] - height * factor) // 2
    found = picture[top : top + height * factor, : width * factor]
    assert np.array_equal(found, given.image.repeat(factor, 0).repeat(factor, 1))


def test_all_pictures_of_a_video_have_one_size() -> None:
    draw = Overlay("X-v0", "policy", Discrete(30))
    shapes = {draw(frame(decision=choice(*[1 / 30] * 30, action=i), step=i)).shape for i in range(30)}
    shapes.add(draw(frame(step=30, ended=True)).shape)
    assert len(shapes) == 1


def test_bars_are_as_long_as_the_probabilities() -> None:
    """The one of the action taken is orange."""
    picture = Overlay("X-v0", "policy", Discrete(2))(frame(decision=choice(0.75, 0.25, action=1)))
    full = WIDTH - 2 * overlay.MARGIN - overlay.LABEL - overlay.NUMBER
    blue, orange = pixels(picture, BLUE), pixels(picture, ORANGE)
    (first,) = {int(n) for n in blue if n > 60}
    assert first == pytest.approx(0.75 * full, abs=2)
    assert orange.max() == pytest.approx(0.25 * full, abs=12), "and its number and name"
    assert blue.argmax() < orange.argmax()


def test_a_certain_policy_can_be_drawn() -> None:
    """Entropy zero, and logits of minus infinity, as those of forbidden actions."""
    decision = choice(0.0, 1.0, 0.0, action=1)
    assert float(decision.entropy) == pytest.approx(0)
    picture = Overlay("X-v0", "policy", Discrete(3))(frame(decision=decision))
    assert pixels(picture, ORANGE).max() > 100
    assert pixels(picture, BLUE).sum() == 0


def test_more_is_shown_where_there_is_room() -> None:
    """The curve of values begins anew with an episode, and has no place below many actions."""
    few, many = Overlay("X-v0", "policy", Discrete(2)), Overlay("X-v0", "policy", Discrete(18))

    def lowest(draw: Overlay, n: int, step: int) -> int:
        return int(pixels(draw(frame(400, 400, choice(*[1 / n] * n, value=step), step=step)), BLUE)[280:].sum())

    assert [lowest(few, 2, step) > 0 for step in (0, 1, 2)] == [False, True, True]
    assert lowest(few, 2, 3) > lowest(few, 2, 0) == 0
    bars = {lowest(many, 18, step) for step in range(3)}
    assert len(bars) == 1


def test_a_space_without_end_has_its_first_rows() -> None:
    size = 2000
    space = Box(-1, 1, (size,))
    decision = decided(DiagonalGaussian(torch.zeros(1, size), torch.ones(1, size), 1), torch.zeros(1, size))
    picture = Overlay("X-v0", "policy", space)(frame(decision=decision))
    assert picture.shape[0] <= overlay.MAX_HEIGHT


@pytest.mark.parametrize("space", [Discrete(2), Box(-1, 1, (3,))])
def test_the_end_has_no_decision(space: Space) -> None:
    picture = Overlay("X-v0", "policy", space)(frame(step=7, reward=1.0, episode_return=5.0, ended=True))
    assert pixels(picture, ORANGE).sum() > 0
    assert pixels(picture, BLUE).sum() == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-21.0, "-21"),
        (12345678.5, "1.2e+07"),
        (1234.5, "1,234.50"),
        (0.001, "0.001"),
        (-3.14159, "-3.14"),
        (float("inf"), "inf"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_long_names_are_cut() -> None:
    assert fitted("left", 12, 76) == "left"
    short = fitted("a name of an action that is too long", 12, 76)
    assert short.endswith("...")
    assert font(12).getlength(short) <= 76
