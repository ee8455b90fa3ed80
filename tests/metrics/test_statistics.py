"""The aggregates and their intervals are those of rliable.

The expected numbers were made by rliable 1.2.0 with arch 8.0.0 and numpy 2.4.6, from the two matrices below::

    np.random.seed(0)
    library.get_interval_estimates(
        {"x": X},
        lambda x: np.array([f(x) for f in (aggregate_mean, aggregate_median, aggregate_iqm, aggregate_optimality_gap)]),
        reps=50_000,
    )
    np.random.seed(0)
    library.get_interval_estimates({"xy": [X, Y]}, lambda x, y: np.array([probability_of_improvement(x, y)]), reps=2000)

``IIDBootstrap`` and ``IndependentSamplesBootstrap`` of that arch take no ``random_state``, which was left out.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from lit_a3c.metrics import statistics

X = np.array(
    [
        [0.567, 0.842, 0.250, 2.517],
        [1.284, 2.408, 0.203, 1.868],
        [0.916, 4.835, 0.281, 1.207],
        [0.204, 3.422, 0.178, 0.236],
        [1.229, 0.545, 0.653, 2.254],
    ]
)
Y = np.array([[0.567, 0.233, 0.031, 1.224], [0.431, 1.441, 0.242, 0.249], [0.961, 1.238, 0.448, 0.741]])
OF_RLIABLE = {
    "mean": (1.29495, 0.89574375, 1.7056),
    "median": (1.2282, 0.7816, 1.5693),
    "interquartile_mean": (0.9392, 0.5813, 1.4207025),
    "optimality_gap": (0.30625, 0.20384875, 0.4222),
}


@pytest.mark.parametrize("name", OF_RLIABLE)
def test_aggregates_and_intervals_are_those_of_rliable(name: str) -> None:
    """To the last digit with the same draws, and to one per cent with others."""
    statistic, (value, *ends) = getattr(statistics, name), OF_RLIABLE[name]
    assert statistic(X) == pytest.approx(value, abs=1e-12)
    same = statistics.bootstrap_interval(statistic, X, resamples=50_000, random=np.random.RandomState(0))
    assert same == pytest.approx(ends, abs=1e-12)
    assert statistics.bootstrap_interval(statistic, X) == pytest.approx(ends, rel=0.02)


def test_the_probability_of_improvement_is_that_of_rliable() -> None:
    """One of the 60 pairs is a tie."""
    assert statistics.improvement_probability(X, Y) == pytest.approx(0.675, abs=1e-12)
    interval = statistics.bootstrap_interval(statistics.improvement_probability, X, Y)
    assert interval == pytest.approx((0.46666667, 0.86666667), abs=0.02)
    assert statistics.improvement_probability(X, X) == 0.5


def test_a_single_seed_has_no_interval() -> None:
    for ends in (statistics.bootstrap_interval(statistics.mean, X[:1]), statistics.mean_interval(X[:1, 0])):
        assert all(math.isnan(end) for end in ends)
    assert np.isnan(statistics.bootstrap_interval(statistics.improvement_probability, X, Y[:1])).all()
    assert math.isnan(statistics.standard_deviation(X[:1, 0]))


def test_the_interval_of_a_mean_is_that_of_all_draws() -> None:
    """Of two seeds a quarter of the draws is one of them twice: the interval has both ends."""
    assert statistics.mean_interval(np.array([1.0, 3.0])) == (1, 3)
    half = 1.96 * 10 / 20
    values = np.random.default_rng(0).normal(50, 10, 400)
    low, high = statistics.mean_interval(values)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1)


def test_the_band_of_curves_draws_whole_curves() -> None:
    """At each point it is the interval of the mean there, from the same draws."""
    curves = np.random.default_rng(1).normal(size=(5, 3))
    low, high = statistics.mean_curve_interval(curves)
    for point in range(3):
        assert (low[point], high[point]) == pytest.approx(statistics.mean_interval(curves[:, point]), abs=1e-12)


def test_draws_beyond_memory_are_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = statistics.bootstrap_interval(statistics.mean, X, resamples=1000)
    monkeypatch.setattr(statistics, "AT_ONCE", 7 * X.size)
    assert statistics.bootstrap_interval(statistics.mean, X, resamples=1000) == whole
