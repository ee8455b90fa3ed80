"""An agent that is watched while it plays, in the environment's own time. While nobody looks, it waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lit_a3c.evaluation.controls import Controls
from lit_a3c.evaluation.frames import Frame
from lit_a3c.evaluation.overlay import Overlay
from lit_a3c.evaluation.play import EpisodeBatch, EvaluationEnvs
from lit_a3c.rollout import Episode

BEHIND_SECONDS = 0.5
"""A delay above this is not made up for."""


class ClosedError(Exception):
    """The viewer has closed the window."""


class Screen(Protocol):
    """Where the images go."""

    controls: Controls
    tick: float | None
    """Seconds after which :meth:`poll` must be called again; None where there is nothing to ask."""

    def show(self, image: np.ndarray, status: dict[str, Any]) -> None:
        """The next image, ``[H, W, 3]`` uint8, and what is said beside it."""

    def poll(self) -> None:
        """Look for what the viewer does."""

    def is_watched(self) -> bool:
        """Whether anybody looks."""


class Watched(Protocol):
    """What is needed of an agent: that of ``lit_a3c.A3C``."""

    spaces: Any

    @property
    def steps(self) -> int:
        """That it has learned from."""

    def play(self, batch: EpisodeBatch) -> list[Episode]:
        """Play whole episodes."""


@dataclass
class Show:
    """Episodes, one after the other.

    Attributes:
        agent: Who plays.
        envs: Its one environment, which can be drawn.
        screen: Where the images go.
        seed: Of the first episode; the others count on from it.
        fps: Images per second; None is the environment's own time.
        which: Which policy it is, for the strip.
        reload: Called between two episodes. It may give the agent other weights, and says then which policy it is.
    """

    agent: Watched
    envs: EvaluationEnvs
    screen: Screen
    seed: int = 0
    fps: float | None = None
    which: str = "policy"
    reload: Callable[[], str | None] = lambda: None

    def run(self, episodes: int | None) -> list[Episode]:
        """Play so many episodes; None plays until the viewer ends it.

        Returns:
            Those that have ended.
        """
        played: list[Episode] = []
        self._due, self._last, self._rate = 0.0, time.monotonic(), 0.0
        try:
            while episodes is None or len(played) < episodes:
                self.which = self.reload() or self.which
                self._status = {
                    "episode": len(played) + 1,
                    "returns": [round(e.episode_return, 2) for e in played[-5:]],
                }
                self._overlay = self._new_overlay()
                batch = EpisodeBatch(self.envs, self.seed + len(played), 1, self._check)
                batch.on_frame, batch.explain = self._on_frame, True
                played += self.agent.play(batch)
                length, total = played[-1].length, played[-1].episode_return
                print(f"lit-a3c: episode {len(played)}: return {total:,.2f} in {length:,} steps", flush=True)
        except ClosedError:
            pass
        return played

    def _new_overlay(self) -> Overlay:
        spaces = self.agent.spaces
        return Overlay(spaces.env_id, f"{self.which} after {self.agent.steps:,} steps", spaces.action_space)

    def _on_frame(self, frame: Frame) -> None:
        now = time.monotonic()
        self._rate = 0.9 * self._rate + 0.1 / max(now - self._last, 1e-3)
        self._last = now
        self._status |= {
            "environment": self.agent.spaces.env_id,
            "policy": f"{self.which} after {self.agent.steps:,} steps",
            "step": frame.step,
            "return": round(frame.episode_return, 2),
            "fps": round(self._rate, 1),
        }
        self.screen.show(self._overlay(frame), dict(self._status))
        self._wait(1 / (self.fps or frame.fps))

    def _wait(self, seconds: float) -> None:
        """Wait until the next image is due. While nobody looks, or during a pause, it is not."""
        controls, screen = self.screen.controls, self.screen
        stood = False
        while True:
            screen.poll()
            with controls.changed:
                self._check()
                if controls.single_steps:
                    controls.single_steps = 0
                    return
                if controls.paused or not screen.is_watched():
                    stood = True
                    controls.changed.wait(screen.tick)
                    continue
                now = time.monotonic()
                due = self._due + seconds / controls.speed
                if stood or now - due > BEHIND_SECONDS:
                    due = now
                if now >= due:
                    self._due = due
                    return
                controls.changed.wait(due - now if screen.tick is None else min(due - now, screen.tick))

    def _check(self) -> None:
        if self.screen.controls.closed:
            raise ClosedError
