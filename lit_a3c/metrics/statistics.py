"""Scores of several seeds and environments in a few numbers, each with an interval.

The definitions are those of Agarwal et al. (2021), "Deep Reinforcement Learning at the Edge of the Statistical
Precipice", arXiv:2108.13264, and of their library rliable. ``x[n, m]`` is the score of seed ``n`` in environment ``m``.
Every function takes leading dimensions, ``[..., N, M]``, and treats each matrix by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Random = np.random.Generator | np.random.RandomState
"""Where draws come from."""

RESAMPLES = 10_000
"""Bootstrap draws of an interval."""
AT_ONCE = 4_000_000
"""Most numbers that are drawn at the same time."""
TAILS = (0.025, 0.975)
"""The ends of a 95% interval."""


def mean(x: Array) -> Array:
    """``mean_m(mean_n(x[n, m]))``, ``[..., N, M]`` to ``[...]``."""
    return np.asarray(x.mean(axis=-2).mean(axis=-1))


def median(x: Array) -> Array:
    """``median_m(mean_n(x[n, m]))``, ``[..., N, M]`` to ``[...]``: the median environment."""
    return np.asarray(np.median(x.mean(axis=-2), axis=-1))


def interquartile_mean(x: Array) -> Array:
    """The mean of all scores without the lowest and the highest quarter of them, ``[..., N, M]`` to ``[...]``.

    Of ``K = N * M`` scores, ``floor(K / 4)`` are left out at each end. Seeds and environments count alike.
    """
    ordered = np.sort(x.reshape(*x.shape[:-2], -1), axis=-1)
    cut = ordered.shape[-1] // 4
    return np.asarray(ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1))


def optimality_gap(x: Array) -> Array:
    """``1 - mean(min(x, 1))``, ``[..., N, M]`` to ``[...]``: how far the scores are below 1. Less is better."""
    return np.asarray(1 - np.minimum(x, 1).mean(axis=(-2, -1)))


def improvement_probability(x: Array, y: Array) -> Array:
    """Probability that a seed of ``x`` is better than one of ``y``, ``[..., N, M]`` and ``[..., K, M]`` to ``[...]``.

    ``mean_m(mean_nk([x[n, m] > y[k, m]] + [x[n, m] = y[k, m]] / 2))``, the statistic of Mann and Whitney (1947). It
    compares only ranks, so the scores need not be normalised.
    """
    left, right = x[..., :, None, :], y[..., None, :, :]
    return np.asarray(((left > right) + 0.5 * (left == right)).mean(axis=(-3, -2, -1)))


def bootstrap_interval(
    statistic: Callable[..., Array],
    *samples: Array,
    resamples: int = RESAMPLES,
    random: Random | None = None,
) -> tuple[Array, Array]:
    """95% percentile interval of a statistic, by the stratified bootstrap (Efron 1979; Agarwal et al. 2021).

    The seeds of each environment are drawn with replacement, independently of those of the other environments. With few
    seeds the interval is too narrow: there is no more in the draws than in the seeds.

    Args:
        statistic: Of the samples, each ``[R, N, M]``, to ``[R, ...]``.
        samples: ``[N, M]`` each; ``N`` may differ among them.
        resamples: Number of draws ``R``.
        random: Where they come from; by default always the same draws.

    Returns:
        Lower and upper end, ``[...]`` each. They are NaN where a sample has a single seed: nothing can be said then.
    """
    random = np.random.default_rng(0) if random is None else random
    values = np.concatenate(list(_resampled(statistic, samples, resamples, random)))
    low, high = np.quantile(values, TAILS, axis=0)
    if min(len(sample) for sample in samples) < 2:
        return np.full_like(low, np.nan), np.full_like(high, np.nan)
    return low, high


def mean_interval(values: Array, resamples: int = RESAMPLES) -> tuple[float, float]:
    """95% bootstrap interval of the mean of some numbers, ``[N]``; two NaN for a single one."""
    low, high = bootstrap_interval(mean, np.asarray(values, np.float64)[:, None], resamples=resamples)
    return float(low), float(high)


def mean_curve_interval(curves: Array) -> tuple[Array, Array]:
    """95% bootstrap interval of the mean of some curves at each of their points. Whole curves are drawn.

    Args:
        curves: ``[N, P]``, one for each seed.

    Returns:
        Lower and upper end, ``[P]`` each.
    """
    seeds = np.arange(len(curves), dtype=np.float64)

    def mean_of(drawn: Array) -> Array:
        weights = (drawn == seeds).mean(axis=-2)  # [R, N, 1] to [R, N]: how often each seed was drawn
        return np.asarray(weights @ curves)

    return bootstrap_interval(mean_of, seeds[:, None])


def standard_deviation(values: Array) -> float:
    """The standard deviation of the sample, ``[N]``, with ``N - 1``; NaN for a single number."""
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _resampled(
    statistic: Callable[..., Array], samples: tuple[Array, ...], resamples: int, random: Random
) -> Iterator[Array]:
    """The statistic of the draws, as many at a time as memory allows."""
    step = max(1, AT_ONCE // sum(sample.size for sample in samples))
    for start in range(0, resamples, step):
        number = min(step, resamples - start)
        draws = [random.choice(len(sample), (number, *sample.shape)) for sample in samples]
        drawn = [np.take_along_axis(x[None], chosen, axis=1) for x, chosen in zip(samples, draws, strict=True)]
        yield statistic(*drawn)
