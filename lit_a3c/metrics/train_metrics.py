"""What a training reports of itself."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import zip_longest

import torch
from torch import Tensor

from lit_a3c.rollout import Episode, Rollout

EPISODE_WINDOW = 100


@dataclass
class MetricsDelta:
    """What happened in a number of updates, to be sent between processes.

    Attributes:
        updates: Their number.
        sums: Each metric, summed over its values.
        counts: The number of values of each metric: one for each update, or for each minibatch where several
            minibatches make an update (``accumulate_grad_batches``).
        rollouts: Minibatches of these updates.
        lag: Their rollouts' policy lags, summed.
        episodes: The last episodes that finished in them.
        logged: What a module of the user's own has logged with ``self.log``, the last value of each name.
    """

    updates: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    rollouts: int = 0
    lag: float = 0
    episodes: list[Episode] = field(default_factory=list)
    logged: dict[str, float] = field(default_factory=dict)


class TrainMetrics:
    """Means since the last report, and over the last 100 finished episodes.

    Values are added up as tensors: logging costs milliseconds a call and happens every so many updates.
    """

    def __init__(self) -> None:
        self.recent: deque[Episode] = deque(maxlen=EPISODE_WINDOW)
        """The last finished episodes of the training environments."""
        self.updates = 0
        """Updates since the last report."""
        self.logged: dict[str, float] = {}
        """What modules in other processes have logged with ``self.log``: the last value of each name."""
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._rollouts = 0
        self._lag: float = 0
        self._new: deque[Episode] = deque(maxlen=EPISODE_WINDOW)
        self._since = (0, time.monotonic())

    def add(self, name: str, value: Tensor) -> None:
        """Take a scalar of the present update or minibatch."""
        value = value.detach()
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + 1

    def count(self, rollout: Rollout, policy_lag: float) -> None:
        """Take a rollout, or minibatch of one, that an update is computed from.

        Args:
            rollout: Its finished episodes are taken.
            policy_lag: Updates between the weights that acted and the weights that learn; the mean of several rollouts.
        """
        self.recent.extend(rollout.episodes)
        self._new.extend(rollout.episodes)
        self._lag += policy_lag
        self._rollouts += 1

    def record_update(self) -> None:
        """Count an applied update."""
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
        delta = MetricsDelta(self.updates, sums, self._counts, self._rollouts, self._lag, list(self._new))
        self._sums, self._counts = {}, {}
        self.updates = self._rollouts = self._lag = 0
        self._new.clear()
        return delta

    def merge(self, delta: MetricsDelta) -> None:
        """Take what another process has counted."""
        self.updates += delta.updates
        self._rollouts += delta.rollouts
        self._lag += delta.lag
        self.recent.extend(delta.episodes)
        self._new.extend(delta.episodes)  # for a further process, if this one passes them on
        self.logged |= delta.logged
        for name, total in delta.sums.items():
            self._sums[name] = self._sums.get(name, torch.zeros(())) + total
            self._counts[name] = self._counts.get(name, 0) + delta.counts[name]

    def combine(self, deltas: list[MetricsDelta], own: int) -> None:
        """Put back what :meth:`take` has given, with that of other learners which have made the same updates.

        Args:
            deltas: Of all learners.
            own: Which of them is this one's.
        """
        for _ in deltas[own].episodes:  # these are the last of `recent`, and come again
            self.recent.pop()
        for delta in deltas:
            self.merge(replace(delta, episodes=[], updates=0))
        self.updates = deltas[own].updates
        newest = (delta.episodes[::-1] for delta in deltas)
        together = [e for group in zip_longest(*newest) for e in group if e is not None][:EPISODE_WINDOW]
        self.recent.extend(together[::-1])

    def report(self, steps: int) -> dict[str, float]:
        """All means by name, and a fresh start.

        Args:
            steps: Steps learned from so far, by all processes.
        """
        now, (steps_before, before) = time.monotonic(), self._since
        delta = self.take()
        report = {name: total / delta.counts[name] for name, total in delta.sums.items()}
        report["policy_lag"] = delta.lag / max(1, delta.rollouts)
        report["steps_per_second"] = (steps - steps_before) / (now - before)
        self.start(steps)
        return report | self.episodes()


def _mean(values: Iterable[float]) -> float:
    items = list(values)
    return sum(items) / len(items)
