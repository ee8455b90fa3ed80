"""Reports are means since the last report; episodes are those of a window."""

import pytest
import torch

from lit_a3c.envs import Episode
from lit_a3c.meter import EPISODE_WINDOW, TrainingMeter
from lit_a3c.rollout import Rollout


def rollout(*episodes: Episode, lag: int = 0) -> Rollout:
    flat, mask = torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool)
    return Rollout(flat, flat, flat, mask, mask, flat, version=0, learner_version=lag, episodes=list(episodes))


def test_a_report_is_the_mean_since_the_last_one() -> None:
    """Sums are divided by the updates, and begin anew."""
    meter = TrainingMeter()
    for value, lag in ((1.0, 1), (3.0, 4)):
        meter.add("loss", torch.tensor(value, requires_grad=True))
        meter.count(rollout(lag=lag))
    report = meter.report(12)
    assert report["loss"] == 2.0
    assert report["policy_lag"] == 2.5
    assert report["steps_per_second"] > 0
    meter.add("loss", torch.tensor(7.0))
    meter.count(rollout())
    assert meter.report(18)["loss"] == 7.0


def test_episodes_are_those_of_the_window() -> None:
    """The last hundred count, in whichever rollout they ended; before the first there is no return at all."""
    meter = TrainingMeter()
    assert meter.episodes() == {}
    meter.count(rollout(*(Episode(0, -1000.0, 1) for _ in range(5))))
    meter.count(rollout(*(Episode(0, float(i), 10 * i) for i in range(EPISODE_WINDOW))))
    assert meter.episodes() == pytest.approx({"return": 49.5, "episode_length": 495.0})
