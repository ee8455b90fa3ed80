"""What a training reports of itself."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from lit_a3c.rollout import Episode, Rollout

EPISODE_WINDOW = 100


@dataclass
class MetricsDelta:
    """What happened in a number of updates, to be sent between processes.

    Attributes:
        updates: Their number.
        sums: Each metric, summed over them.
        lag: Their rollouts' policy lags, summed.
        episodes: The last episodes that finished in them.
    """

    updates: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    lag: int = 0
    episodes: list[Episode] = field(default_factory=list)


class TrainMetrics:
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
        self._new: deque[Episode] = deque(maxlen=EPISODE_WINDOW)
        self._since = (0, time.monotonic())

    def add(self, name: str, value: Tensor) -> None:
        """Take a scalar of the present update."""
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def count(self, rollout: Rollout, policy_lag: int) -> None:
        """Take the rollout of the present update.

        Args:
            rollout: Its finished episodes are taken.
            policy_lag: Updates between the weights that acted and the weights that learn.
        """
        self.recent.extend(rollout.episodes)
        self._new.extend(rollout.episodes)
        self._lag += policy_lag
        self.updates += 1

    def start(self, steps: int) -> None:
        """Begin to count time, at this number of steps."""
        self._since = (steps, time.monotonic())

    def episodes(self) -> dict[str, float]:
        """``return`` and ``episode_length`` of the last episodes; empty before the first."""
        if not self.recent:
            return {}
        return {
            "return": _mean(e.episode_return for e in self.recent),
            "episode_length": _mean(e.length for e in self.recent),
        }

    def take(self) -> MetricsDelta:
        """All since the last report, and a fresh start."""
        sums = {name: float(total) for name, total in self._sums.items()}
        delta = MetricsDelta(self.updates, sums, self._lag, list(self._new))
        self.updates, self._sums, self._lag = 0, {}, 0
        self._new.clear()
        return delta

    def merge(self, delta: MetricsDelta) -> None:
        """Take what another process has counted."""
        self.updates += delta.updates
        self._lag += delta.lag
        self.recent.extend(delta.episodes)
        for name, total in delta.sums.items():
            self._sums[name] = self._sums.get(name, torch.zeros(())) + total

    def report(self, steps: int) -> dict[str, float]:
        """All means by name, and a fresh start.

        Args:
            steps: Steps learned from so far, by all processes.
        """
        now, (steps_before, before) = time.monotonic(), self._since
        delta = self.take()
        report = {name: total / delta.updates for name, total in delta.sums.items()}
        report["policy_lag"] = delta.lag / delta.updates
        report["steps_per_second"] = (steps - steps_before) / (now - before)
        self.start(steps)
        return report | self.episodes()


def _mean(values: Iterable[float]) -> float:
    items = list(values)
    return sum(items) / len(items)
