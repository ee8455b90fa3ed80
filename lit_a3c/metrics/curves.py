"""Runs as curves: the seeds of one experiment are one curve, with its mean and an interval."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lit_a3c.metrics.runs import Run, printable
from lit_a3c.metrics.statistics import mean_curve_interval
from lit_a3c.utils.errors import ConfigError

Array = NDArray[np.float64]
POINTS = 200
"""Points of a mean curve."""
SHOWN = 3
"""Most options in a label."""


@dataclass(frozen=True)
class Group:
    """The runs of one experiment in one environment.

    Attributes:
        label: What tells it from the other groups of the environment.
        env_id: The environment.
        runs: In the order in which they were given.
    """

    label: str
    env_id: str
    runs: tuple[Run, ...]

    @property
    def repeated_seeds(self) -> list[int]:
        """Seeds that several runs have. Runs that are copies of each other make an interval too narrow."""
        seeds = [run.seed for run in self.runs if run.seed is not None]
        return sorted({seed for seed in seeds if seeds.count(seed) > 1})

    @property
    def warning(self) -> str | None:
        """What makes an interval over the runs misleading, if anything does."""
        if not (seeds := self.repeated_seeds):
            return None
        return f"several runs have the seed {seeds[0]}. If they are copies, the interval is too narrow."


@dataclass(frozen=True)
class Curve:
    """A metric of one group.

    Attributes:
        group: Whose it is.
        at: The axis, ``[P]``.
        mean: Over the runs, ``[P]``.
        low: Lower end of the 95% bootstrap interval of the mean, ``[P]``; None for a single run.
        high: Its upper end.
        seeds: Number of runs.
    """

    group: Group
    at: Array
    mean: Array
    low: Array | None
    high: Array | None
    seeds: int


def grouped(runs: Iterable[Run]) -> list[Group]:
    """Runs that share a tag, or their environment and all options that matter, are one group.

    Labels are the tags. Without tags they are the options in which the groups of an environment differ.
    """
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in runs:
        key = run.tag if run.tag is not None else json.dumps(run.experiment, sort_keys=True, default=str)
        if run.tag is None and not run.experiment:  # no config: the runs beside each other belong together
            key = str(run.directory.absolute().parent)
        found[run.env_id, key].append(run)
    groups = []
    for (env_id, _), members in found.items():
        firsts = [others[0] for (other, _), others in found.items() if other == env_id]
        groups.append(Group(_label(members[0], firsts), env_id, tuple(members)))
    return groups


def curve_of(group: Group, metric: str, axis: str, smooth: int = 1) -> Curve | None:
    """The mean of a metric over the runs of a group, on the part of the axis that all of them have.

    Args:
        group: The runs. Those without the metric are left out.
        metric: Its column.
        axis: ``steps``, ``frames`` or ``time``.
        smooth: Each value is the mean of the last so many values of its run.

    Returns:
        The curve. That of a single run has its own points. None where no run has the metric.

    Raises:
        ConfigError: No part of the axis is shared by all runs.
    """
    series = [(x, moving_mean(y, smooth)) for x, y in (run.series(metric, axis) for run in group.runs) if len(x)]
    if not series:
        return None
    if len(series) == 1:
        return Curve(group, *series[0], None, None, 1)
    first, last = max(x[0] for x, _ in series), min(x[-1] for x, _ in series)
    if first > last:
        raise ConfigError(f"the runs of {group.env_id} ({group.label}) have no {axis} in common: draw fewer of them.")
    at = np.linspace(first, last, POINTS) if first < last else np.array([first])
    values = np.array([np.interp(at, x, y) for x, y in series])
    return Curve(group, at, values.mean(axis=0), *mean_curve_interval(values), len(series))


def moving_mean(values: Array, width: int) -> Array:
    """The mean of each value and those before it, at most ``width`` in all, ``[P]``."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - width)
    return np.asarray((total[ends] - total[starts]) / (ends - starts))


def differences(runs: Sequence[Run]) -> list[str]:
    """The options in which some runs differ, by name."""
    names = sorted(set().union(*(run.experiment for run in runs))) if runs else []
    return [name for name in names if len({_word(run.experiment.get(name)) for run in runs}) > 1]


def _label(run: Run, firsts: list[Run]) -> str:
    if run.tag is not None:
        return printable(run.tag)
    if len(firsts) == 1:
        return run.env_id
    parts = list(_own_options(run, differences(firsts)))
    more = f", and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return printable(", ".join(parts[:SHOWN])) + more if parts else run.name


def _own_options(run: Run, names: Sequence[str]) -> Iterator[str]:
    """Those of these options that a run has, in words. A class stands for its arguments, too."""
    classes = tuple(name.removesuffix("class_path") + "init_args" for name in names if name.endswith(".class_path"))
    for name in names:
        value = run.experiment.get(name)
        if value is None or name.startswith(classes):
            continue
        if name.endswith(".class_path"):
            name, value = name.removesuffix(".class_path"), str(value).rpartition(".")[2]
        yield f"{name.rpartition('.')[2]} {_word(value)}"


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
