"""Test scores of many runs: by environment, and over all environments in a few numbers."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_a3c.metrics import statistics
from lit_a3c.metrics.atari_subsets import SUBSETS, predicted_median
from lit_a3c.metrics.curves import differences
from lit_a3c.metrics.runs import Run, printable
from lit_a3c.utils.errors import ConfigError

Array = NDArray[np.float64]
References = Mapping[str, tuple[float, float]]
"""Of each environment the scores that are 0 and 1 after normalisation: of random and of human play, for example."""

AGGREGATES: dict[str, Callable[[Array], Array]] = {
    "mean": statistics.mean,
    "median": statistics.median,
    "IQM": statistics.interquartile_mean,
    "optimality gap": statistics.optimality_gap,
}


@dataclass(frozen=True)
class Estimate:
    """A number and its 95% interval, which is None where it cannot be said: for a single seed."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class ScoreSet:
    """The scores of one algorithm.

    Attributes:
        name: What the user calls it.
        by_environment: The mean return of each seed, ``[N]``, by environment.
    """

    name: str
    by_environment: dict[str, Array]

    def matrix(self, environments: Sequence[str]) -> Array:
        """The scores as ``[N, M]``.

        Raises:
            ConfigError: The environments have different numbers of seeds.
        """
        counts = {environment: len(self.by_environment[environment]) for environment in environments}
        if len(set(counts.values())) > 1:
            few, many = min(counts, key=lambda e: counts[e]), max(counts, key=lambda e: counts[e])
            raise ConfigError(f"{few} has {counts[few]} seeds and {many} has {counts[many]}. All need as many.")
        return np.stack([self.by_environment[environment] for environment in environments], axis=1)


def of_runs(runs: Sequence[Run], checkpoint: str) -> list[ScoreSet]:
    """The scores of runs, a set for each tag.

    Args:
        runs: The runs.
        checkpoint: ``best`` or ``last``: whose test is meant.

    Raises:
        ConfigError: A run has no such test, or runs of one environment and tag are of different experiments.
    """
    sets: dict[str, dict[str, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        if checkpoint not in run.tests:
            others = ", ".join(f"test-{name}.json" for name in run.tests)
            raise ConfigError(
                f"the run {str(run.directory)!r} has no test-{checkpoint}.json{f' (only {others})' if others else ''}. "
                f"It is written by: lit-a3c test --ckpt_path {run.directory}/checkpoints/{checkpoint}.ckpt"
            )
        sets[run.tag or ""][printable(run.tests[checkpoint]["env_id"])].append(run)
    for tag, by_environment in sets.items():
        for environment, members in by_environment.items():
            if not tag and (names := differences(members)):
                raise ConfigError(
                    f"the runs of {environment} differ in {', '.join(names[:3])}, and are not seeds of one experiment. "
                    "Name them apart: NAME=DIRECTORY OTHER=DIRECTORY."
                )
    return [
        ScoreSet(printable(tag), {env: _means(members, checkpoint) for env, members in found.items()})
        for tag, found in sets.items()
    ]


def of_table(file: Path, checkpoint: str, name: str = "") -> ScoreSet:
    """The scores in a CSV file with the columns ``environment``, ``seed``, ``evaluation`` and ``mean``.

    Args:
        file: The file. Lines that begin with ``#`` are comments.
        checkpoint: Which ``evaluation`` counts.
        name: Of the set.

    Raises:
        ConfigError: It cannot be read, lacks a column, has a seed twice, or has no such evaluation.
    """
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for number, row in enumerate(_read(file, ("environment", "seed", "evaluation", "mean")), 1):
        if row["evaluation"] == checkpoint:
            seeds = found[printable(row["environment"])]
            if row["seed"] in seeds:
                raise ConfigError(f"{str(file)!r} has the seed {row['seed']} of {row['environment']} twice.")
            seeds[row["seed"]] = _number(row["mean"], file, number)
    if not found:
        raise ConfigError(f"{str(file)!r} has no rows whose evaluation is {checkpoint!r}.")
    return ScoreSet(name, {environment: np.array(list(seeds.values())) for environment, seeds in found.items()})


def references(file: Path | None, environments: Sequence[str]) -> dict[str, tuple[float, float]]:
    """The two scores that normalise each environment: of a file, and for Atari those of random and human play.

    Args:
        file: A CSV file with the columns ``environment``, ``zero`` and ``one``; or None.
        environments: Those that are asked for. Those without scores are left out.

    Raises:
        ConfigError: The file cannot be read.
    """
    known: dict[str, tuple[float, float]] = {}
    if any(environment.startswith("ALE/") for environment in environments):
        from lit_a3c.envs.atari import reference_scores

        known |= reference_scores()
    if file is not None:
        for number, row in enumerate(_read(file, ("environment", "zero", "one")), 1):
            zero, one = _number(row["zero"], file, number), _number(row["one"], file, number)
            if zero == one:
                raise ConfigError(f"row {number} of {str(file)!r}: zero and one must differ.")
            known[row["environment"]] = zero, one
    return {environment: known[environment] for environment in environments if environment in known}


def of_seeds(values: Array) -> Estimate:
    """The mean over seeds, ``[N]``."""
    low, high = statistics.mean_interval(values)
    return Estimate(float(values.mean()), None if math.isnan(low) else (low, high))


def aggregates(scores: ScoreSet, scale: References) -> dict[str, Estimate]:
    """Mean, median, IQM and optimality gap of normalised scores, and Atari-5 and Atari-10 where all games are there.

    Args:
        scores: All environments of ``scale`` are taken, and no others.
        scale: See :data:`References`.

    Raises:
        ConfigError: The environments have different numbers of seeds.
    """
    found = {name: _estimate(function, _normalised(scores, scale)) for name, function in AGGREGATES.items()}
    for name, weights in SUBSETS.items():
        if set(weights) <= set(scale):
            games = {game: scale[game] for game in weights}
            found[name] = _estimate(predicted_median(list(weights.values())), _normalised(scores, games))
    return found


def improvement(scores: ScoreSet, other: ScoreSet) -> tuple[list[str], Estimate]:
    """Probability that a run of one set is better than one of the other, over the environments that both have.

    Raises:
        ConfigError: They share no environment, or environments have different numbers of seeds.
    """
    shared = [environment for environment in scores.by_environment if environment in other.by_environment]
    if not shared:
        raise ConfigError("the two sets of runs have no environment in common.")
    return shared, _estimate(statistics.improvement_probability, scores.matrix(shared), other.matrix(shared))


def merged(sets: Sequence[ScoreSet]) -> list[ScoreSet]:
    """Sets of the same name as one.

    Raises:
        ConfigError: Two of them have scores of the same environment.
    """
    found: dict[str, dict[str, Array]] = defaultdict(dict)
    for scores in sets:
        for environment, values in scores.by_environment.items():
            if environment in found[scores.name]:
                raise ConfigError(
                    f"there are two sets of scores of {environment}. Name them apart: NAME=PATH OTHER=PATH."
                )
            found[scores.name][environment] = values
    return [ScoreSet(name, by_environment) for name, by_environment in found.items()]


def unequal_episodes(runs: Sequence[Run], checkpoint: str) -> str:
    """What to say where the tests of some runs have fewer episodes than those of others; else empty."""
    numbers = {str(run.directory): run.tests[checkpoint].get("episodes") for run in runs if checkpoint in run.tests}
    counts = {name: number for name, number in numbers.items() if isinstance(number, int)}
    if len(set(counts.values())) < 2:
        return ""
    few = min(counts, key=lambda name: counts[name])
    return f"the tests have up to {max(counts.values())} episodes, and that of {few} has {counts[few]}"


def _means(runs: Sequence[Run], checkpoint: str) -> Array:
    return np.array([run.tests[checkpoint]["mean"] for run in runs], np.float64)


def _normalised(scores: ScoreSet, scale: References) -> Array:
    zero, one = np.array(list(scale.values())).T
    return np.asarray((scores.matrix(list(scale)) - zero) / (one - zero))


def _estimate(statistic: Callable[..., Array], *samples: Array) -> Estimate:
    low, high = statistics.bootstrap_interval(statistic, *samples)
    return Estimate(float(statistic(*samples)), None if math.isnan(low) else (float(low), float(high)))


def _read(file: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            reader = csv.DictReader(line for line in lines if not line.startswith("#"))
            missing = [column for column in columns if column not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{str(file)!r} has no column {missing[0]!r}. It needs {', '.join(columns)}.")
            return [row for row in reader if all(row[column] is not None for column in columns)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {' '.join(str(error).split())[:160]}.") from error


def _number(text: str, file: Path, row: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"row {row} of {str(file)!r}: {printable(text, 40)!r} is not a finite number.")
    return value
