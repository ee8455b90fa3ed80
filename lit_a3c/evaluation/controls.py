"""What the viewers of an agent want. Imports nothing heavy."""

from __future__ import annotations

import threading

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""By which the environment's own time is multiplied."""


class Controls:
    """What the viewers want, from any thread."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.paused, self.closed = False, False
        self.speed = 1.0
        self.single_steps = 0

    def apply(self, action: str) -> None:
        """``pause``, ``step``, ``slower``, ``faster`` or ``close``; anything else does nothing."""
        with self.changed:
            match action:
                case "pause":
                    self.paused = not self.paused
                case "step":
                    self.paused, self.single_steps = True, 1
                case "slower" | "faster":
                    at = SPEEDS.index(self.speed) + (1 if action == "faster" else -1)
                    self.speed = SPEEDS[min(max(at, 0), len(SPEEDS) - 1)]
                case "close":
                    self.closed = True
            self.changed.notify_all()
