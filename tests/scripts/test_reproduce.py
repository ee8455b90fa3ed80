"""A finished run is not repeated, and an interrupted one goes on."""

import csv
from pathlib import Path

import pytest

from tests.commands import ROOT, Lightning, launch, read, script


def reproduce(directory: Path, *options: str) -> str:
    task = [
        "mujoco-1m",
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


@pytest.mark.campaign
def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    run = tmp_path / "runs/reproduce/mujoco-1m/InvertedPendulum-v5/seed0"
    assert "seed 0" in reproduce(tmp_path, "--trainer.max_steps", "20")
    assert 0 < read(run / "checkpoints/last.ckpt")["steps"] < 3200
    (tmp_path / "results/mujoco-1m.csv").unlink()
    for score in run.glob("test-*.json"):
        score.unlink()
    assert "seed 0" in reproduce(tmp_path, "--trainer.max_steps", "-1")
    with (tmp_path / "results/mujoco-1m.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["evaluation"] for row in rows[-2:]] == ["best", "last"]
    assert int(rows[-1]["steps"]) >= 3200
    steps = [int(row["steps"]) for row in rows if row["evaluation"] == "validation"]
    assert steps == sorted(steps)  # two may stand at one number: the workers learn on until a validation begins
    assert len(steps) > 2
    assert all(float(row["seconds"]) > 0 and row["versions"] and row["engine"] == "hogwild" for row in rows)
    assert reproduce(tmp_path) == ""


@pytest.mark.campaign
def test_a_task_may_have_options_of_its_own(tmp_path: Path) -> None:
    """Read from what is reported of two trainings that are refused."""
    task = ["mujoco-1m", "--seeds", "0", "--environments", "Ant-v5", "Reacher-v5", "--data.rollout_length", "0"]
    done = launch(*task, "--output", str(tmp_path), cwd=tmp_path, timeout=120, command=script("reproduce.py"))
    assert done.returncode == 1
    commands = [line for line in done.stderr.splitlines() if line.startswith("lit-a3c fit")]
    assert ["include_cfrc_ext_in_observation: false" in command for command in sorted(commands)] == [True, False]


def test_the_command_line_has_every_option_of_the_experiments(cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from experiments import EXPERIMENTS

    for experiment in EXPERIMENTS.values():
        options = [*experiment.options, *(option for extra in experiment.of_environment.values() for option in extra)]
        assert "total_steps" in cli("fit", f"--config={experiment.config}.yaml", *options, "--print_config")
