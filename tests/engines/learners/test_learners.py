"""What learners exchange: sums that are the statistics of all observations, counts of the job, episodes of all."""

from __future__ import annotations

import pytest
import torch

from lit_a3c.engines.learners import Learners
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.metrics.train_metrics import MetricsDelta, TrainMetrics
from lit_a3c.networks.normalization import RunningNorm
from lit_a3c.rollout import Episode


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_of_several_are_those_of_one(offset: float) -> None:
    """Each learner gives sums around the running mean; their total is merged. Compared with one that sees all."""
    alone, several = RunningNorm([3]), [RunningNorm([3]) for _ in range(3)]
    for norm in several:
        norm.deferred = True
    for _ in range(5):
        parts = [torch.randn(20, 3) * torch.tensor([1.0, 5.0, 0.1]) + offset for _ in several]
        alone.update(torch.cat(parts))
        for norm, part in zip(several, parts, strict=True):
            norm.update(part)
        total = torch.stack([norm.take_moments() for norm in several]).sum(0)
        for norm in several:
            norm.merge_moments(total)
    for norm in several:
        assert norm.count == 300
        torch.testing.assert_close(norm.mean, alone.mean)
        torch.testing.assert_close(norm.var, alone.var, rtol=1e-3, atol=1e-4)
        assert norm.var.equal(several[0].var)


def test_a_learner_that_saw_nothing_changes_nothing() -> None:
    norm = RunningNorm([2])
    norm.update(torch.randn(10, 2))
    before = norm.mean.clone(), norm.var.clone()
    norm.merge_moments(norm.take_moments())
    assert norm.count == 10
    assert (norm.mean.equal(before[0]), norm.var.equal(before[1])) == (True, True)


def test_counts_of_a_job() -> None:
    """What was before belongs to learner 0. Each has its own counters, and knows of the others' by message."""
    ledgers = [StepLedger() for _ in range(2)]
    for rank, ledger in enumerate(ledgers):
        ledger.restore(learned=100, discarded=20, updates=5)
        ledger.share(rank)
        ledger.collected.allocate(2)
        ledger.collected.for_rank(1).add(30 + rank)
    assert [ledger.collected.own for ledger in ledgers] == [150, 31]
    for ledger in ledgers:
        for counter in ("collected", "discarded"):
            total = sum(getattr(each, counter).own for each in ledgers)
            getattr(ledger, counter).elsewhere = total - getattr(ledger, counter).own
        assert (ledger.collected.total, ledger.discarded.total) == (181, 20)
        assert ledger.in_flight == 61


def test_the_last_episodes_of_all() -> None:
    """The same on all ranks, the newest of each last, and none twice."""
    episodes = [[Episode(0, float(10 * rank + i), 1) for i in range(3 - rank)] for rank in range(2)]
    combined = []
    for rank in range(2):
        metrics = TrainMetrics()
        metrics.recent.append(Episode(9, 99.0, 1))
        for episode in episodes[rank]:
            metrics.recent.append(episode)
            metrics._new.append(episode)
        metrics.updates = 4
        metrics.add("loss", torch.tensor(float(rank)))
        deltas = [MetricsDelta(4, {"loss": float(r)}, {"loss": 1}, 4, 8, episodes[r]) for r in range(2)]
        assert metrics.take().episodes == deltas[rank].episodes
        metrics.combine(deltas, rank)
        report = metrics.report(100)
        assert (report["loss"], report["policy_lag"]) == (0.5, 2.0)
        combined.append([episode.episode_return for episode in metrics.recent])
    assert combined[0] == combined[1] == [99.0, 0.0, 10.0, 1.0, 11.0, 2.0]


def test_shares() -> None:
    """They count on from one rank to the next, and together they are everything."""
    learners = Learners()
    learners.size = 3
    shares = []
    for learners.rank in range(3):
        shares.append(learners.share_of(8))
    assert shares == [(0, 3), (3, 3), (6, 2)]
