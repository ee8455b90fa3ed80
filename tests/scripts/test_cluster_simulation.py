"""The simulation of a cluster gives what can be computed by hand, and what was found by a simulation before it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.commands import ROOT, launch, script

sys.path.insert(0, str(ROOT / "scripts"))
from cluster_simulation import Cluster, simulate

EVEN = Cluster(steps=100, rollout=0.1, spread=0.0, delay=0.0, update=0.01, step=0.0)
"""A rollout takes 100 ms, an update 10 ms."""
SLOW = replace(EVEN, update=1.0, step=0.0)
"""A learner that is always the slowest part."""


def test_one_actor_waits_for_the_network_and_the_learner() -> None:
    """One request at a time: there, the rollout, back, and the update."""
    result = simulate(replace(EVEN, delay=0.02))
    assert result.steps_per_second == pytest.approx(100 / (0.02 + 0.1 + 0.02 + 0.01))
    assert result.lag == 0
    assert result.busy == pytest.approx(0.01 / 0.15)


def test_two_requests_hide_the_network_and_cost_one_rollout_of_lag() -> None:
    """The actor never waits. Its weights are those of one rollout before."""
    result = simulate(replace(EVEN, delay=0.02, in_flight=2))
    assert result.steps_per_second == pytest.approx(100 / 0.1)
    assert result.lag == 1


def test_several_rollouts_of_one_actor_make_an_update() -> None:
    """Three rollouts one after the other, then the update. Rollouts of K = 3 are all of the present weights."""
    result = simulate(replace(EVEN, rollouts_per_update=3))
    assert result.steps_per_second == pytest.approx(300 / (3 * 0.1 + 0.01))
    assert result.lag == 0


@pytest.mark.parametrize(("actors", "in_flight", "lag"), [(5, 1, 4), (5, 2, 9), (60, 1, 59)])
def test_more_actors_than_a_learner_can_use_only_add_lag(actors: int, in_flight: int, lag: int) -> None:
    """Each rollout waits for those of all others."""
    result = simulate(replace(SLOW, actors=actors, in_flight=in_flight))
    assert result.steps_per_second == pytest.approx(100 / 1.0)
    assert result.lag == lag
    assert result.busy == pytest.approx(1)


def test_the_costs_of_an_update_add_up() -> None:
    """One of the update, and for each rollout those of its delivery and of its steps."""
    cluster = replace(SLOW, actors=50, rollouts_per_update=4, delivery=0.5, step=0.01)
    assert cluster.update_seconds == pytest.approx(1 + 4 * (0.5 + 100 * 0.01))
    assert simulate(cluster).steps_per_second == pytest.approx(cluster.learner_limit) == pytest.approx(400 / 7)


def test_sixty_actors_with_one_rollout_an_update_and_with_eight() -> None:
    """A learner of 14,500 steps/s on one rollout of 16 x 10 steps: 59 updates of lag. With eight, 50,000 at about 7."""
    one, eight = (simulate(Cluster(actors=60, rollouts_per_update=k)) for k in (1, 8))
    assert one.steps_per_second == pytest.approx(14_500, rel=0.01)
    assert one.lag == pytest.approx(59, abs=0.5)
    assert eight.steps_per_second == pytest.approx(50_000, rel=0.01)
    assert eight.lag == pytest.approx(7, abs=0.6)


def test_the_spread_changes_the_times_and_not_their_mean() -> None:
    """A lone actor with K = 1 is as fast in the mean; the same seed gives the same numbers."""
    cluster = replace(EVEN, spread=0.5)
    result = simulate(cluster, seed=3)
    assert result.steps_per_second == pytest.approx(100 / 0.11, rel=0.1)
    assert result == simulate(cluster, seed=3) != simulate(cluster, seed=4)


def test_the_table(tmp_path: Path) -> None:
    """As the command prints it. What cannot be is refused."""
    command = script("cluster_simulation.py")
    few = ["--actors", "1", "1000", "--rollouts", "1", "16", "--steps", "100", "--rollout-ms", "100", "--spread", "0"]
    done = launch(*few, "--delay-ms", "0", "--update-ms", "10", "--step-us", "0", cwd=tmp_path, command=command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "| actors | K = 1 | K = 16 |",
        "|---|---|---|",
        "| 1 | 909, lag 0.0 | 994, lag 0.0 |",
        "| 1,000 | 10,000, lag 999.0 | 160,000, lag 62.4 |",
        "| the learner's limit | 10,000 | 160,000 |",
    ]
    assert launch("--actors", "0", cwd=tmp_path, command=command).returncode == 2
