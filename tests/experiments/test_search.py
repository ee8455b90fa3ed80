"""Ranges of options, the score of a trial, pruning, and a search that goes on."""

from __future__ import annotations

import csv
import json
import os
import signal
from pathlib import Path

import optuna
import pytest
import yaml

from lit_a3c.cli.dry_run import fit_config
from lit_a3c.cli.verbs.with_fit_options import value_of
from lit_a3c.experiments.results import Cell
from lit_a3c.experiments.run import Run
from lit_a3c.experiments.search import Search
from lit_a3c.experiments.space import Range, as_options, read_space
from lit_a3c.experiments.trial import RUNGS, TrialJob, score_of
from lit_a3c.utils.errors import ConfigError, RunError
from tests.commands import launch, started, wait_for
from tests.experiments.conftest import SMALL


def test_the_forms_of_a_range(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(
        "model.gamma: {low: 0.9, high: 0.999}\n"
        "model.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\n"
        "data.rollout_length: {low: 5, high: 50, step: 5, int: true}\n"
        "model.anneal_lr: {choices: [true, false]}\n"
    )
    assert read_space(tmp_path / "space.yaml") == [
        Range("model.gamma", 0.9, 0.999),
        Range("model.optimizer.lr", 1e-4, 1e-2, log=True),
        Range("data.rollout_length", 5, 50, step=5, whole=True),
        Range("model.anneal_lr", choices=(True, False)),
    ]
    assert as_options({"a": True, "b": None, "c": 0.5}) == ["--a=true", "--b=null", "--c=0.5"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must have a line for each option"),
        ("model.gamma: 0.9", "model.gamma must be one of {low: 0.9, high: 0.999}"),
        ("model.gamma: {low: 0.9, hihg: 1}", "has 'hihg'. It may be .* Did you mean 'high'?"),
        ("model.gamma: {low: 1, high: 0.9}", "must have low below high"),
        ("model.gamma: {low: 0, high: 1, log: true}", "with log above zero"),
        ("model.gamma: {low: 1e-4, high: 1e-2}", "low, high and step must be numbers .YAML takes 1.0e-4 for one"),
        ("model.gamma: {low: 0.5, high: 2, int: true}", "low, high and step must be whole numbers"),
        ("model.gamma: {choices: [1]}", "choices must be a list of different values, two or more"),
        ("model.gamma: {choices: [1, 1]}", "choices must be a list of different values, two or more"),
        ("a: {low: 0, high: 1}\na: {low: 0, high: 1}", "the key 'a' is given twice"),
    ],
)
def test_what_is_no_range(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_space(tmp_path / "space.yaml")


def run_with(directory: Path, validations: dict[int, float], total_steps: int = 1000) -> Run:
    """A training whose file of metrics has these validations, each after a row without one."""
    directory.mkdir(parents=True)
    rows = ["seconds,step,val/return_mean"]
    for step, value in validations.items():
        rows += [f"1.0,{step - 1},", f"1.0,{step},{value}"]
    (directory / "metrics.csv").write_text("\n".join([*rows, "1.0,99"]))  # the last row is being written
    return Run(directory, "cartpole.yaml", Cell("CartPole-v1", "serial", 0), total_steps, 1)


def test_the_score_is_the_mean_of_the_last_fifth(tmp_path: Path) -> None:
    assert score_of(run_with(tmp_path / "a", {100: 500, 800: 10, 900: 20, 1010: 30})) == 20
    assert score_of(run_with(tmp_path / "b", {100: 500, 700: 10})) == 10
    with pytest.raises(RunError, match=r"had no validation: a smaller --trainer.val_check_interval"):
        score_of(run_with(tmp_path / "c", {}))


def test_a_trial_below_the_median_is_pruned(tmp_path: Path) -> None:
    """At equal parts of the budget, though the trials have validated at other steps."""
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(4, RUNGS // 5))
    for number in range(4):
        job = TrialJob(study.ask(), [run_with(tmp_path / f"{number}/seed0", {260: 90, 510: 100, 1000: 100})], {})
        assert job.goes_on()
        study.tell(job.trial, job.score())
    good = TrialJob(study.ask(), [run_with(tmp_path / "good/seed0", {255: 90, 530: 101})], {})
    assert good.goes_on()
    bad = TrialJob(study.ask(), [run_with(tmp_path / "bad/seed0", {255: 30, 530: 50})], {})
    assert not bad.goes_on()
    early = TrialJob(study.ask(), [run_with(tmp_path / "early/seed0", {100: 1})], {})
    assert early.goes_on()


def make_search(directory: Path, **changed: object) -> Search:
    def make_run(files: Path, seed: int, options: list[str]) -> Run:
        return Run(files, "cartpole.yaml", Cell("CartPole-v1", "serial", seed), 1000, 1, tuple(options))

    ranges = [Range("model.gamma", 0.9, 0.999)]
    arguments = {"described": {"data.total_steps": 1000}, "own_values": {"model.gamma": 0.99}, **changed}
    return Search(directory, ranges, [0], 2, make_run, **arguments)  # type: ignore[arg-type]


def test_the_first_trial_is_the_config_and_an_interrupted_one_is_continued(tmp_path: Path) -> None:
    search = make_search(tmp_path)
    search.open()
    first = next(search._jobs())
    assert first.values == {"model.gamma": 0.99}
    del search  # killed while the first trial was running
    again = make_search(tmp_path)
    again.open()
    assert again.done == 0
    job = next(again._jobs())
    assert job.values == first.values
    assert job.runs[0].directory == first.runs[0].directory
    with pytest.raises(ConfigError, match=r"data.total_steps was 1000 and is 2000 now. Give this one a --directory"):
        make_search(tmp_path, described={"data.total_steps": 2000}).open()


def test_a_search_whose_first_trials_fail_ends(tmp_path: Path) -> None:
    search = make_search(tmp_path)
    search.trials, search.parallel = 10, 3
    search.make_run = lambda files, seed, options: Run(
        files, "cartpole.yaml", Cell("CartPole-v1", "serial", seed), 1000, 1, ("--model.gamma=2",)
    )
    search.open()
    with pytest.raises(RunError, match="the first 3 trials failed"):
        search.make()
    with (tmp_path / "trials.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)][:3] == ["fail"] * 3


@pytest.mark.exhaustive
def test_a_killed_search_goes_on_and_its_best_is_a_config(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(
        "model.optimizer.lr: {low: 1.0e-4, high: 1.0e-2, log: true}\nmodel.anneal_lr: {choices: [true, false]}\n"
    )
    tune = ["tune", "cartpole.yaml", "--space", "space.yaml", "--trials", "3", "--fresh_seeds", "1", *SMALL]
    directory = tmp_path / "runs/tune/cartpole"
    with started(tmp_path, *tune, "--parallel", "1") as process:
        wait_for((directory / "trial1/seed0/metrics.csv").exists, 120)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    again = launch(*tune, "--parallel", "2", cwd=tmp_path, timeout=300)
    assert again.returncode == 0, again.stderr
    assert "1 of 3 trials done" in again.stdout
    with (directory / "trials.csv").open() as file:
        trials = list(csv.DictReader(file))
    assert len(trials) == 3
    best = max(trials, key=lambda trial: float(trial["score"] or "-inf"))
    changes = yaml.safe_load((directory / "best.yaml").read_text())
    assert changes["base"] == "cartpole.yaml"
    config = fit_config(["--config", str(directory / "best.yaml")])
    assert value_of(config, "model.optimizer.lr") == float(best["model.optimizer.lr"])
    assert config["data"]["total_steps"] == 800
    fresh = directory / f"fresh-trial{json.loads(best['trial'])}/results.csv"
    assert "is the best of 3 trials by the very validations that it was chosen by, so it is optimistic" in again.stdout
    with fresh.open() as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"1000"}
