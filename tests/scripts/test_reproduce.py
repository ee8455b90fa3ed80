"""A finished run is not repeated, and an interrupted one goes on."""

import csv
from argparse import Namespace
from pathlib import Path

import pytest

from lit_a3c.utils.errors import ConfigError
from tests.commands import ROOT, Lightning, launch, read, script


def reproduce(directory: Path, *options: str) -> str:
    task = [
        "beta-1m",
        "--output",
        str(directory / "results"),
        "--environments",
        "InvertedPendulum-v5",
        "--seeds",
        "0",
    ]
    short = ["--data.total_steps", "3200", "--trainer.val_check_interval", "10", "--data.rollout_length", "10"]
    short += ["--num_workers", "1"]
    done = launch(*task, *short, *options, cwd=directory, timeout=120, command=script("reproduce.py"))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.exhaustive
def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    run = tmp_path / "runs/reproduce/beta-1m/InvertedPendulum-v5/seed0"
    assert "seed 0" in reproduce(tmp_path, "--trainer.max_steps", "20")
    assert 0 < read(run / "checkpoints/last.ckpt")["steps"] < 3200
    (tmp_path / "results/beta-1m.csv").unlink()
    for score in run.glob("test-*.json"):
        score.unlink()
    assert "seed 0" in reproduce(tmp_path, "--trainer.max_steps", "-1")
    with (tmp_path / "results/beta-1m.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["evaluation"] for row in rows[-2:]] == ["best", "last"]
    assert int(rows[-1]["steps"]) >= 3200
    steps = [int(row["steps"]) for row in rows if row["evaluation"] == "validation"]
    assert steps == sorted(steps)  # two may stand at one number: the workers learn on until a validation begins
    assert len(steps) > 2
    assert all(float(row["seconds"]) > 0 and row["versions"] and row["engine"] == "hogwild" for row in rows)
    again = reproduce(tmp_path, "--trainer.max_steps", "-1")
    assert "1 runs, 1 of them done" in again
    assert "starts" not in again


def test_a_task_may_have_options_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from reproduce import sweep_of

    chosen = Namespace(environments=["Ant-v5", "Reacher-v5"], seeds=[0], jobs=1, output=tmp_path)
    ant, reacher = sorted(sweep_of("beta-1m", chosen, ["--num_workers=3"]).runs, key=str)
    assert "--data.env_kwargs={include_cfrc_ext_in_observation: false}" in ant.options
    assert not any("include_cfrc_ext" in option for option in reacher.options)
    assert (ant.workers, ant.total_steps, ant.cell.engine) == (3, 1_000_000, "hogwild")
    with pytest.raises(ConfigError, match=r"data\.rollout_length 0 must be"):
        sweep_of("beta-1m", chosen, ["--data.rollout_length=0"])


def test_the_command_line_has_every_option_of_the_experiments(cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from experiments import EXPERIMENTS

    for experiment in EXPERIMENTS.values():
        options = [*experiment.options, *(option for extra in experiment.of_environment.values() for option in extra)]
        assert "total_steps" in cli("fit", f"--config={experiment.config}.yaml", *options, "--print_config")
