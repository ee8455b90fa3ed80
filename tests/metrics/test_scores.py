"""Scores of runs and tables, and what normalises them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lit_a3c.metrics.atari_subsets import ATARI_5, ATARI_10
from lit_a3c.metrics.runs import Run
from lit_a3c.metrics.scores import (
    ScoreSet,
    aggregates,
    improvement,
    merged,
    of_runs,
    of_seeds,
    of_table,
    references,
)
from lit_a3c.utils.errors import ConfigError
from tests.metrics.run_files import write_run, write_test


def test_scores_of_runs_by_tag_and_environment(tmp_path: Path) -> None:
    runs = [Run(write_test(write_run(tmp_path / f"{i}", seed=i), 10.0 * i)) for i in range(3)]
    runs.append(Run(write_test(write_run(tmp_path / "other", gamma=0.9), 7), "other"))
    first, other = of_runs(runs, "best")
    assert list(first.by_environment["CartPole-v1"]) == [0, 10, 20]
    assert (other.name, list(other.by_environment["CartPole-v1"])) == ("other", [7])


def test_runs_of_different_experiments_are_no_seeds(tmp_path: Path) -> None:
    runs = [Run(write_test(write_run(tmp_path / str(gamma), gamma=gamma), 1)) for gamma in (0.9, 0.99)]
    with pytest.raises(ConfigError, match=r"differ in model\.gamma, and are not seeds of one experiment"):
        of_runs(runs, "best")


def test_a_run_without_that_test_is_refused_with_the_command(tmp_path: Path) -> None:
    run = Run(write_test(write_run(tmp_path / "0"), 1, "last"))
    with pytest.raises(ConfigError, match=r"no test-best\.json \(only test-last\.json\).*lit-a3c test --ckpt_path"):
        of_runs([run], "best")


def test_one_seed_has_no_interval() -> None:
    assert of_seeds(np.array([3.0])).interval is None
    assert of_seeds(np.array([3.0, 5.0])).interval == (3, 5)


def test_aggregates_are_of_normalised_scores() -> None:
    """Random play is 0 and human play is 1 in every game."""
    games = list({**ATARI_5, **ATARI_10})
    scale = references(None, games)
    assert list(scale) == games
    for level in (0.0, 1.0):
        by_game = {game: np.full(3, zero + level * (one - zero)) for game, (zero, one) in scale.items()}
        found = aggregates(ScoreSet("", by_game), scale)
        assert found["mean"].value == pytest.approx(level)
        assert found["IQM"].interval == pytest.approx((level, level))
        assert found["optimality gap"].value == pytest.approx(1 - level)
        assert found["Atari-5"].value == pytest.approx((101 ** (level * sum(ATARI_5.values())) - 1) / 100)
        assert found["Atari-10"].value == pytest.approx((101 ** (level * sum(ATARI_10.values())) - 1) / 100)


def test_atari_5_predicts_the_median_of_a_published_agent() -> None:
    """Rainbow: its five scores give the 57-game median of the data set of the weights, 227%, to 10%."""
    published = dict(zip(ATARI_5, (62010.0, -0.3, 13136.0, 108528.6, 33817.5), strict=True))
    scale = references(None, list(published))
    found = aggregates(ScoreSet("", {game: np.array([value]) for game, value in published.items()}), scale)
    assert found["Atari-5"].value == pytest.approx(2.27, rel=0.1)
    assert found["Atari-5"].interval is None
    assert "Atari-10" not in found


def test_environments_need_as_many_seeds_each() -> None:
    scores = ScoreSet("", {"A": np.ones(2), "B": np.ones(3)})
    with pytest.raises(ConfigError, match="A has 2 seeds and B has 3"):
        aggregates(scores, {"A": (0, 1), "B": (0, 1)})


def test_improvement_is_over_the_environments_that_both_have() -> None:
    one = ScoreSet("", {"A": np.array([2.0, 3.0]), "B": np.array([1.0, 1.0])})
    shared, estimate = improvement(one, ScoreSet("", {"A": np.array([1.0, 2.0, 2.5])}))
    assert shared == ["A"]
    assert estimate.value == pytest.approx((1 + 0.5 + 0 + 3) / 6)
    with pytest.raises(ConfigError, match="no environment in common"):
        improvement(one, ScoreSet("", {"C": np.ones(2)}))


HEAD = "environment,seed,evaluation,mean\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("environment,seed\nA,0\n", "has no column 'evaluation'"),
        (HEAD + "A,0,last,1\n", "has no rows whose evaluation is 'best'"),
        (HEAD + "A,0,best,1\nA,0,best,2\n", "has the seed 0 of A twice"),
        (HEAD + "A,0,best,nan\n", "row 1 of .*'nan' is not a finite number"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(ConfigError, match=says):
        of_table(tmp_path / "scores.csv", "best")


def test_sets_of_one_name_are_one(tmp_path: Path) -> None:
    sets = [ScoreSet("", {"A": np.ones(2)}), ScoreSet("", {"B": np.ones(2)}), ScoreSet("x", {"A": np.ones(2)})]
    assert [list(scores.by_environment) for scores in merged(sets)] == [["A", "B"], ["A"]]
    with pytest.raises(ConfigError, match="two sets of scores of A"):
        merged([sets[0], sets[0]])


def test_a_file_normalises_other_environments(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("environment,zero,one\nHopper-v5,20,3000\n")
    assert references(tmp_path / "r.csv", ["Hopper-v5", "Ant-v5"]) == {"Hopper-v5": (20, 3000)}
