"""What a training reports of itself."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

from torch import Tensor

from lit_a3c.envs import Episode
from lit_a3c.rollout import Rollout

EPISODE_WINDOW = 100


class TrainingMeter:
    """Means over the updates since the last report, and over the last 100 finished episodes.

    Values are added up as tensors: logging costs milliseconds a call and happens every so many updates.
    """

    def __init__(self) -> None:
        self.recent: deque[Episode] = deque(maxlen=EPISODE_WINDOW)
        """The last finished episodes of the training environments."""
        self.updates = 0
        """Updates since the last report."""
        self._sums: dict[str, Tensor] = {}
        self._lag = 0
        self._steps = 0
        self._since = time.monotonic()

    def add(self, name: str, value: Tensor) -> None:
        """Take a scalar of the present update."""
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def count(self, rollout: Rollout) -> None:
        """Take the rollout of the present update."""
        self.recent.extend(rollout.episodes)
        self._lag += rollout.policy_lag
        self._steps += rollout.num_steps
        self.updates += 1

    def start(self) -> None:
        """Begin to count time."""
        self._since = time.monotonic()

    def episodes(self) -> dict[str, float]:
        """``return`` and ``episode_length`` of the last episodes; empty before the first."""
        if not self.recent:
            return {}
        return {"return": _mean(e.ret for e in self.recent), "episode_length": _mean(e.length for e in self.recent)}

    def report(self) -> dict[str, float]:
        """All means by name, and a fresh start."""
        now = time.monotonic()
        report = {name: float(total) / self.updates for name, total in self._sums.items()}
        report["policy_lag"] = self._lag / self.updates
        report["steps_per_second"] = self._steps / (now - self._since)
        self._sums, self.updates, self._lag, self._steps, self._since = {}, 0, 0, 0, now
        return report | self.episodes()


def _mean(values: Iterable[float]) -> float:
    items = list(values)
    return sum(items) / len(items)
