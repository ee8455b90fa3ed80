"""Reports are means since the last report, whoever counted. Episodes are those of a window."""

from __future__ import annotations

import pickle

import pytest
import torch

from lit_a3c.metrics.train_metrics import EPISODE_WINDOW, TrainMetrics
from lit_a3c.rollout import Episode, Rollout


def rollout(*episodes: Episode) -> Rollout:
    """A rollout in which these episodes finished."""
    flat, mask = torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool)
    return Rollout(flat, flat, flat, mask, mask, flat, episodes=list(episodes))


def test_a_report_is_the_mean_since_the_last_one() -> None:
    """Sums are divided by the number of their values, and start again from zero."""
    metrics = TrainMetrics()
    for value, lag in ((1.0, 1), (3.0, 4)):
        metrics.add("loss", torch.tensor(value, requires_grad=True))
        metrics.count(rollout(), policy_lag=lag)
    report = metrics.report(12)
    assert report["loss"] == 2.0
    assert report["policy_lag"] == 2.5
    assert report["steps_per_second"] > 0
    metrics.add("loss", torch.tensor(7.0))
    metrics.count(rollout(), policy_lag=0)
    report = metrics.report(18)
    assert (report["loss"], report["policy_lag"]) == (7.0, 0.0)


def test_minibatches_that_make_one_update() -> None:
    """A metric of an update is divided by the updates, one of a minibatch by the minibatches: 4 and 6 have the mean 5.

    This holds too where another process has counted a part of them.
    """
    here, there = TrainMetrics(), TrainMetrics()
    for metrics, norm in ((here, 4.0), (there, 6.0)):
        for loss in (1.0, 2.0, 6.0):
            metrics.add("loss", torch.tensor(loss))
            metrics.count(rollout(), policy_lag=3)
        metrics.add("grad_norm", torch.tensor(norm))
        metrics.record_update()
    here.merge(there.take())
    assert here.updates == 2
    report = here.report(12)
    assert (report["loss"], report["grad_norm"], report["policy_lag"]) == (3.0, 5.0, 3.0)


def test_episodes_are_those_of_the_window() -> None:
    """The last hundred count, in whichever rollout they ended. Before the first one there is no return at all."""
    metrics = TrainMetrics()
    assert metrics.episodes() == {}
    metrics.count(rollout(*(Episode(0, -1000.0, 1) for _ in range(5))), policy_lag=0)
    metrics.count(rollout(*(Episode(0, float(i), 10 * i) for i in range(EPISODE_WINDOW))), policy_lag=0)
    assert metrics.episodes() == pytest.approx({"return": 49.5, "episode_length": 495.0})


def test_merged_metrics_count_as_if_counted_here() -> None:
    """Updates of two processes, a metric that only one of them has, lags and episodes are all in the report.

    The metrics that were taken start again from zero.
    """
    both, one, other = (TrainMetrics() for _ in range(3))
    for i, elsewhere in enumerate((one, other, other)):
        for metrics in (both, elsewhere):
            metrics.add("loss", torch.tensor(2.0**i))
            metrics.count(rollout(Episode(i, 10.0 * i, i + 1)), policy_lag=i)
            metrics.record_update()
    for metrics in (both, other):
        metrics.add("grad_norm", torch.tensor(6.0))
    other.merge(pickle.loads(pickle.dumps(one.take())))  # between processes it travels by pickle
    assert (one.updates, one.take().sums, one.take().episodes) == (0, {}, [])
    assert other.updates == both.updates == 3
    assert sorted(other.recent) == sorted(both.recent)
    expected, merged = both.report(9), other.report(9)
    assert expected.pop("steps_per_second") > 0
    assert merged.pop("steps_per_second") > 0
    assert merged == pytest.approx(expected)
    assert merged["loss"] == pytest.approx(7 / 3)
    assert merged["grad_norm"] == 6
    assert merged["policy_lag"] == 1


def test_a_delta_has_each_episode_once() -> None:
    """It has none that the metrics had before they counted, those of a resumed run for example."""
    metrics = TrainMetrics()
    metrics.recent.append(Episode(0, 1.0, 1))
    metrics.count(rollout(Episode(1, 2.0, 2)), policy_lag=0)
    assert metrics.take().episodes == [Episode(1, 2.0, 2)]
    metrics.count(rollout(Episode(2, 3.0, 3)), policy_lag=0)
    assert metrics.take().episodes == [Episode(2, 3.0, 3)]
    assert len(metrics.recent) == 3
