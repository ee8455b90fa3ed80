"""A window that shows an agent, by pygame, which Gymnasium's own environments are drawn with, too."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import numpy as np

from lit_a3c.utils.errors import ConfigError

TICK_SECONDS = 0.02
UNSEEN = ("dummy", "offscreen")
"""Drivers of SDL that draw where nobody sees it."""
KEYS = {"space": "pause", "right": "step", "-": "slower", "+": "faster", "=": "faster", "q": "close", "escape": "close"}
"""What the keys do, by pygame's names."""


def has_screen() -> bool:
    """Whether a window can be seen here."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Window:
    """A window of the size of the first image.

    Args:
        controls: What the keys change.

    Raises:
        ConfigError: There is no screen after all.
    """

    tick: float | None = TICK_SECONDS

    def __init__(self, controls: Any) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        pygame: Any = importlib.import_module("pygame")  # a second of time, which a page does not need
        self.controls, self._pygame = controls, pygame
        if os.environ.get("WAYLAND_DISPLAY") and not os.environ.get("DISPLAY"):
            os.environ.setdefault("SDL_VIDEODRIVER", "wayland")
        # Else SDL draws by OpenGL, too, and takes the context of MuJoCo's renderer, or ends the process.
        os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
        try:
            pygame.display.init()
            problem, driver = "", pygame.display.get_driver()
            if driver in UNSEEN and os.environ.get("SDL_VIDEODRIVER") != driver:  # SDL takes it where no other works
                problem = f"the screen DISPLAY={os.environ.get('DISPLAY')} does not answer"
        except pygame.error as error:
            problem = str(error)
        if problem:
            raise ConfigError(f"no window can be opened: {problem}. --page shows the agent in a browser.")

    def show(self, image: np.ndarray, status: dict[str, Any]) -> None:
        size = (image.shape[1], image.shape[0])
        surface = self._pygame.display.get_surface()
        if surface is None or surface.get_size() != size:  # an environment may draw with pygame itself
            surface = self._pygame.display.set_mode(size)
        speed = "" if self.controls.speed == 1 else f", {self.controls.speed:g} times"
        self._pygame.display.set_caption(f"{status['environment']}: {status['policy']}{speed} - lit-a3c play")
        self._pygame.surfarray.blit_array(surface, image.swapaxes(0, 1))
        self._pygame.display.flip()

    def poll(self) -> None:
        for event in self._pygame.event.get():
            if event.type == self._pygame.QUIT:
                self.controls.apply("close")
            elif event.type == self._pygame.KEYDOWN:
                self.controls.apply(KEYS.get(self._pygame.key.name(event.key), ""))

    def is_watched(self) -> bool:
        return True

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()
