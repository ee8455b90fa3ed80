"""The window, on SDL's driver without a screen."""

from __future__ import annotations

import numpy as np
import pytest

from lit_a3c.evaluation.controls import Controls
from lit_a3c.evaluation.window import Window, has_screen
from lit_a3c.utils.errors import ConfigError


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Window:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    return Window(Controls())


def test_it_shows_the_image_and_listens_to_keys(window: Window) -> None:
    import pygame

    image = np.zeros((40, 60, 3), np.uint8)
    image[10, 50] = 255, 100, 0
    window.show(image, {"environment": "CartPole-v1", "policy": "policy after 5 steps"})
    surface = pygame.display.get_surface()
    assert surface.get_size() == (60, 40)
    assert tuple(surface.get_at((50, 10)))[:3] == (255, 100, 0)
    assert pygame.display.get_caption()[0] == "CartPole-v1: policy after 5 steps - lit-a3c play"
    for key in (pygame.K_RIGHT, pygame.K_MINUS, pygame.K_x):
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))
    window.poll()
    assert window.controls.paused
    assert window.controls.single_steps == 1
    assert window.controls.speed == 0.5
    assert not window.controls.closed
    pygame.event.post(pygame.event.Event(pygame.QUIT))
    window.poll()
    assert window.controls.closed
    window.close()


def test_a_screen_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """SDL would draw where nobody sees it."""
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(ConfigError, match=r"^no window can be opened: .* --page shows the agent in a browser\.$"):
        Window(Controls())


def test_where_a_window_can_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_screen()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_screen()
