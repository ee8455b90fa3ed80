"""Reports are means since the last report, whoever counted; episodes are those of a window."""

import pytest
import torch

from lit_a3c.counter import Counter
from lit_a3c.envs import Episode
from lit_a3c.meter import EPISODE_WINDOW, TrainingMeter
from lit_a3c.processes import context
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


def test_a_merged_tally_counts_as_if_counted_here() -> None:
    """Updates of two processes, a metric that only one of them has, lags and episodes; the taken meter begins anew."""
    both, one, other = (TrainingMeter() for _ in range(3))
    for i, elsewhere in enumerate((one, other, other)):
        for meter in (both, elsewhere):
            meter.add("loss", torch.tensor(2.0**i))
            meter.count(rollout(Episode(i, 10.0 * i, i + 1), lag=i))
    for meter in (both, other):
        meter.add("grad_norm", torch.tensor(6.0))
    other.merge(one.take())
    assert (one.updates, one.take().sums, one.take().episodes) == (0, {}, [])
    assert other.updates == both.updates == 3
    assert sorted(other.recent) == sorted(both.recent)
    expected, merged = both.report(9), other.report(9)
    assert expected.pop("steps_per_second") > 0
    assert merged.pop("steps_per_second") > 0
    assert merged == pytest.approx(expected)
    assert merged["loss"] == pytest.approx(7 / 3)
    assert merged["grad_norm"] == 2
    assert merged["policy_lag"] == 1


def test_a_tally_holds_each_episode_once() -> None:
    """And none that the meter had before it counted, of a resumed run say."""
    meter = TrainingMeter()
    meter.recent.append(Episode(0, 1.0, 1))
    meter.count(rollout(Episode(1, 2.0, 2)))
    assert meter.take().episodes == [Episode(1, 2.0, 2)]
    meter.count(rollout(Episode(2, 3.0, 3)))
    assert meter.take().episodes == [Episode(2, 3.0, 3)]
    assert len(meter.recent) == 3


def test_a_counter_adds_up_its_slots() -> None:
    """Each process adds to its own slot; all read the same total."""
    counter = Counter(3)
    first, second = counter.of(0), counter.of(2)
    first.add(5)
    second.add(7)
    second.add(1)
    assert counter.total == first.total == second.total == 13
    assert counter._slots.tolist() == [5, 0, 8]
    second.total = 4
    assert counter.total == 4


def test_a_shared_counter_goes_on_in_shared_memory() -> None:
    """From the total, whatever its slots were; the one it came from counts no further with it."""
    alone = Counter()
    alone.add(10)
    shared = alone.shared(2)
    process = context().Process(target=add, args=(shared.of(1), 100))
    process.start()
    process.join()
    shared.of(0).add(1)
    assert shared.total == 111
    assert alone.total == 10


def add(counter: Counter, number: int) -> None:
    """What another process does."""
    counter.add(number)
