"""Runs are read, grouped by experiment, and averaged over what they share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lit_a3c.metrics.curves import curve_of, grouped, moving_mean
from lit_a3c.metrics.runs import Run, check_metric, runs_below
from lit_a3c.utils.errors import ConfigError
from tests.metrics.run_files import write_run


def test_seeds_of_one_config_are_one_group_and_other_configs_are_others(tmp_path: Path) -> None:
    runs = [Run(write_run(tmp_path / f"a{seed}", seed=seed)) for seed in range(3)]
    runs.append(Run(write_run(tmp_path / "b", gamma=0.9)))
    runs.append(Run(write_run(tmp_path / "c", env_id="Pendulum-v1")))
    groups = grouped(runs)
    assert [(group.env_id, group.label, len(group.runs)) for group in groups] == [
        ("CartPole-v1", "gamma 0.99", 3),
        ("CartPole-v1", "gamma 0.9", 1),
        ("Pendulum-v1", "Pendulum-v1", 1),
    ]
    assert groups[0].repeated_seeds == []


def test_a_label_names_a_class_by_its_last_word_and_leaves_out_its_arguments(tmp_path: Path) -> None:
    heads = [{"class_path": "lit_a3c.BetaHead", "init_args": {"x": 1}}, {"class_path": "lit_a3c.GaussianHead"}]
    runs = [Run(write_run(tmp_path / str(i), head=head)) for i, head in enumerate(heads)]
    assert [group.label for group in grouped(runs)] == ["head BetaHead", "head GaussianHead"]


def test_a_tag_is_a_group_whatever_the_configs(tmp_path: Path) -> None:
    runs = [Run(write_run(tmp_path / str(i), gamma=0.9 + i / 100), "mine") for i in range(2)]
    (group,) = grouped(runs)
    assert (group.label, group.repeated_seeds) == ("mine", [0])


def test_a_curve_is_the_mean_on_the_axis_that_all_runs_have(tmp_path: Path) -> None:
    """Runs of 1, 2, 3 and of 3, 4: the mean goes from 2 to 3 over the first 20 steps."""
    runs = [Run(write_run(tmp_path / "0", values=(1, 2, 3))), Run(write_run(tmp_path / "1", seed=1, values=(3, 4)))]
    (group,) = grouped(runs)
    for axis, first, last in (("steps", 10, 20), ("frames", 40, 80), ("time", 0.5, 1)):
        curve = curve_of(group, "train/return", axis)
        assert curve is not None
        assert curve.low is not None
        assert curve.high is not None
        assert curve.seeds == 2
        assert (curve.at[0], curve.at[-1], curve.mean[0], curve.mean[-1]) == (first, last, 2, 3)
        assert (curve.low[0], curve.high[0]) == (1, 3)
    assert curve_of(group, "train/entropy", "steps") is None


def test_a_single_run_has_its_own_points_and_no_interval(tmp_path: Path) -> None:
    (group,) = grouped([Run(write_run(tmp_path / "0", values=(1, float("nan"), 3)))])
    curve = curve_of(group, "train/return", "steps", smooth=2)
    assert curve is not None
    assert curve.low is None
    assert list(curve.at) == [10, 30]
    assert list(curve.mean) == [1, 2]


def test_smoothing_looks_back_only() -> None:
    assert list(moving_mean(np.array([1.0, 2, 3, 4]), 2)) == [1, 1.5, 2.5, 3.5]
    assert list(moving_mean(np.array([1.0, 2, 3]), 1)) == [1, 2, 3]
    assert list(moving_mean(np.array([2.0, 4]), 9)) == [2, 3]


def test_runs_that_share_no_steps_are_refused(tmp_path: Path) -> None:
    late = write_run(tmp_path / "1", seed=1, values=(1,) * 9)
    lines = (late / "metrics.csv").read_text().splitlines()
    (late / "metrics.csv").write_text("\n".join([lines[0], *lines[-3:]]) + "\n")
    (group,) = grouped([Run(write_run(tmp_path / "0")), Run(late)])
    with pytest.raises(ConfigError, match="have no steps in common"):
        curve_of(group, "train/return", "steps")


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """A row that was cut, a config with a tag, and a score that is none."""
    run = write_run(tmp_path / "CartPole-v1/try")
    with (run / "metrics.csv").open("a") as file:
        file.write("1,2")
    (run / "config.yaml").write_text("data: !!python/object/apply:os.system [true]")
    (run / "test-best.json").write_text('{"env_id": "X", "mean": NaN}')
    (run / "test-last.json").write_text("[" * 100_000)
    read = Run(run)
    assert len(read.rows) == 5
    assert (read.config, read.tests, read.seed, read.env_id) == ({}, {}, None, "CartPole-v1")


def test_letters_that_steer_a_terminal_are_not_shown(tmp_path: Path) -> None:
    assert Run(write_run(tmp_path / "0", env_id="\x1b[2JX-v0")).env_id == "?[2JX-v0"


def test_runs_are_found_below_a_directory(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"CartPole-v1/version_{i}") for i in range(2)]
    assert runs_below(tmp_path) == runs
    assert runs_below(runs[0]) == [runs[0]]


def test_an_unknown_metric_has_a_nearest_name(tmp_path: Path) -> None:
    runs = [Run(write_run(tmp_path / "0"))]
    assert runs[0].metrics == ["train/return", "val/return_mean"]
    check_metric(runs, "train/return")
    with pytest.raises(ConfigError, match=r"no run has the metric 'val/return'\. Did you mean 'val/return_mean'\?"):
        check_metric(runs, "val/return")
