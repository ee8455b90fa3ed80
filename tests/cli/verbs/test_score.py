"""``lit-a3c score`` prints and writes the scores of runs and tables."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.commands import ROOT, Lightning
from tests.metrics.run_files import write_run, write_test


@pytest.fixture
def seeds(tmp_path: Path) -> None:
    for i in range(2):
        write_test(write_run(tmp_path / f"runs/v{i}", seed=i), 100.0 + 10 * i)
        write_test(write_run(tmp_path / f"others/v{i}", seed=i, gamma=0.9), 105.0)


def test_one_environment(seeds: None, cli: Lightning, tmp_path: Path) -> None:
    lines = cli("score", "runs", "--output", "s.csv").splitlines()
    assert lines == [
        "environment  seeds    mean    sd      95% interval",
        "CartPole-v1      2  105.00  7.07  100.00 to 110.00",
        "written to s.csv",
    ]
    (row,) = csv.DictReader((tmp_path / "s.csv").read_text().splitlines())
    assert (row["environment"], float(row["mean"]), float(row["low"])) == ("CartPole-v1", 105, 100)


def test_against_others(seeds: None, cli: Lightning) -> None:
    lines = cli("score", "mine=runs", "--against", "others").splitlines()
    assert lines[0] == "mine:"
    assert lines[3] == "against:"
    better = "probability that a run of mine is better than one of the others, in CartPole-v1"
    assert lines[-1] == f"{better}: 0.500 (0.000 to 1.000)"


def test_tests_of_fewer_episodes_are_named(
    seeds: None, cli: Lightning, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runs/v1/test-best.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"episodes": 1}))
    assert main(["score", "runs"]) == 0
    assert capfd.readouterr().err == "lit-a3c: the tests have up to 3 episodes, and that of runs/v1 has 1.\n"


def test_one_seed_is_said(seeds: None, cli: Lightning) -> None:
    lines = cli("score", "runs/v0").splitlines()
    assert lines[1].split() == ["CartPole-v1", "1", "100.00", "-", "one", "seed"]
    assert lines[2].startswith("One seed has no interval over seeds.")


def test_tables_of_the_project_are_aggregated(cli: Lightning, tmp_path: Path) -> None:
    """Each has one seed of a game: no interval is made up."""
    files = [str(ROOT / f"docs/results/{game}.csv") for game in ("pong", "breakout")]
    lines = cli("score", *files, "--output", "s.json").splitlines()
    assert lines[1].split()[:3] == ["ALE/Breakout-v5", "1", "400.93"]
    assert "IQM             7.504 (one seed)" in lines
    (written,) = json.loads((tmp_path / "s.json").read_text())
    assert written["aggregates"]["IQM"] == {"value": pytest.approx(7.504, abs=1e-3), "ci95": None}


def test_intervals_of_aggregates_with_scores_of_a_file(cli: Lightning, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("environment,zero,one\nHopper-v5,0,3000\nWalker2d-v5,0,3000\nAnt-v5,0,3000\n")
    text = cli("score", str(ROOT / "docs/results/beta-1m.csv"), "--reference", "r.csv")
    iqm = next(line for line in text.splitlines() if line.startswith("IQM"))
    value, low, high = (float(word) for word in iqm.replace("(", "").replace(")", "").split() if word[0].isdigit())
    assert low < value < high
    assert "The aggregates are without HalfCheetah-v5" in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["nowhere"], "the run 'nowhere' does not exist."),
        (["runs", "--checkpoint", "last"], "has no test-last.json (only test-best.json)."),
        (["runs", "others"], "the runs of CartPole-v1 differ in model.gamma, and are not seeds of one experiment."),
        (["runs", "--output", "s.txt"], "--output 's.txt' must end in .json or .csv."),
        (["runs", "--against", "a=runs", "--against", "b=others"], "--against takes one group of runs."),
        (["runs", "--reference", "no.csv"], "'no.csv' cannot be read"),
    ],
)
def test_what_cannot_be_scored_is_refused(options: list[str], says: str, seeds: None, refused: Refused) -> None:
    assert says in refused("score", *options)
