"""``lit-a3c plot`` draws what is in the runs, and says what it has drawn."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Refused
from tests.commands import Lightning, launch
from tests.metrics.run_files import write_run

METRICS = ["--metric", "train/return", "--metric", "val/return_mean"]
LABELS = re.compile(r"<!-- (.*?) -->")
"""Every text of an SVG by matplotlib, whose letters are drawn, stands in a comment beside it."""


@pytest.fixture
def seeds(tmp_path: Path) -> list[str]:
    return [str(write_run(tmp_path / f"runs/CartPole-v1/version_{i}", seed=i, values=(i, 2 + i))) for i in range(3)]


def labels(file: Path) -> list[str]:
    return LABELS.findall(file.read_text())


def test_seeds_are_one_curve_with_a_band_and_the_picture_says_so(
    seeds: list[str], cli: Lightning, tmp_path: Path
) -> None:
    assert cli("plot", "runs", "--output", "c.svg", "--smooth", "5", "--title", r"a $\frac$ title").endswith(
        "written to c.svg\n"
    )
    said = labels(tmp_path / "c.svg")
    assert {"CartPole-v1", "3 seeds", "steps", "train/return", r"a $\frac$ title"} <= set(said)
    assert "Line: mean over the seeds. Band: 95% bootstrap interval of that mean." in said
    assert "Smoothed: each value is the mean of the last 5 of its run." in said
    assert "FillBetweenPolyCollection" in (tmp_path / "c.svg").read_text()


def test_one_seed_is_a_line_and_has_no_interval(seeds: list[str], cli: Lightning, tmp_path: Path) -> None:
    cli("plot", *METRICS, seeds[0], "--x", "time", "--output", "c.svg")
    said = labels(tmp_path / "c.svg")
    assert {"train/return, 1 seed", "val/return_mean, 1 seed", "One seed: no interval.", "seconds of training"} <= set(
        said
    )
    assert "FillBetweenPolyCollection" not in (tmp_path / "c.svg").read_text()


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_runs_give_the_same_bytes(kind: str, seeds: list[str], cli: Lightning, tmp_path: Path) -> None:
    """Also in another process."""
    cli("plot", "a=runs/*/version_[01]", f"b={seeds[2]}", "--output", f"1.{kind}")
    again = ["plot", "a=runs/*/version_[01]", f"b={seeds[2]}", "--output", f"2.{kind}"]
    assert launch(*again, cwd=tmp_path).returncode == 0
    assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
    if kind == "svg":
        assert {"a, 2 seeds", "b, 1 seed", "A curve of one seed has no interval."} <= set(labels(tmp_path / "1.svg"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["nowhere"], "the run 'nowhere' does not exist."),
        (["run"], "the run 'run' does not exist. Did you mean 'runs'?"),
        (["empty"], "there is no run in 'empty' or below it"),
        (["bare"], "the run 'bare' has no metrics: metrics.csv is missing or has no rows."),
        (["last"], "the run 'last': there is no last.ckpt below"),
        (["runs", "--metric", "train/retrun"], "no run has the metric 'train/retrun'. Did you mean 'train/return'?"),
        (["runs", "--output", "c.gif"], "--output 'c.gif' must end in .png or .svg."),
        (["runs", "--output", "there.png"], "--output 'there.png' is there already."),
        (["runs", "--smooth", "0"], "--smooth 0 must be a whole number at least 1."),
        (["runs", "--x", "step"], "plot: argument --x: invalid choice: 'step'"),
        (["a=runs", "b=runs"], "is given twice, in two groups."),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: list[str], says: str, seeds: list[str], refused: Refused) -> None:
    Path("empty").mkdir()
    Path("bare").mkdir()
    Path("bare/config.yaml").write_text("data: {env_id: X}")
    Path("there.png").write_text("mine")
    assert says in refused("plot", *options)
    assert Path("there.png").read_text() == "mine"
    assert not Path("curve.png").exists()


def test_a_run_without_metrics_below_a_directory_is_named(seeds: list[str], cli: Lightning, tmp_path: Path) -> None:
    (tmp_path / "runs/CartPole-v1/version_2/metrics.csv").unlink()
    done = launch("plot", "runs", "--output", "c.svg", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.strip() == "lit-a3c: runs/CartPole-v1/version_2 is left out: it has no metrics."
    assert "2 seeds" in labels(tmp_path / "c.svg")


def test_copies_of_a_seed_and_mixed_configs_are_named(cli: Lightning, tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", gamma=0.9)
    done = launch("plot", "x=a", "x=b", "--output", "c.svg", cwd=tmp_path)
    assert done.stderr.splitlines() == [
        "lit-a3c: CartPole-v1, x: several runs have the seed 0. If they are copies, the interval is too narrow.",
        "lit-a3c: CartPole-v1, x: the runs differ in model.gamma.",
    ]


def test_the_package_that_is_missing_is_named(
    seeds: list[str], refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "pip install 'lit-a3c[plot]'" in refused("plot", "runs")
