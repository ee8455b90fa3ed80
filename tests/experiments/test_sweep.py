"""A sweep makes every run once, whatever happens to it, and writes one table."""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
import signal
from pathlib import Path

import pytest

from lit_a3c.cli.main import main
from lit_a3c.experiments.results import FIELDS, Cell, append, finished
from lit_a3c.experiments.run import Run
from lit_a3c.experiments.sweep import Sweep, directory_name, lock_sweep
from lit_a3c.utils.errors import ConfigError
from tests.commands import launch, living, read, started, wait_for
from tests.experiments.conftest import SMALL, SWEEP

CELL = Cell("CartPole-v1", "serial", 3)
RESULTS = Path("runs/sweeps/cartpole/results.csv")


def table(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def here(swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sweep, as the present directory."""
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_has_every_evaluation(swept: Path) -> None:
    rows = table(swept / RESULTS)
    assert [row["evaluation"] for row in rows] == ["validation"] * 4 + ["best", "last"]
    assert tuple(rows[0]) == FIELDS == tuple(table(Path(__file__).parents[2] / "docs/results/pong.csv")[0])
    assert [int(row["steps"]) for row in rows[:4]] == [200, 400, 600, 800]
    assert all(row["seed"] == "3" and row["engine"] == "serial" and row["experiment"] == "cartpole" for row in rows)
    assert all(float(row["seconds"]) > 0 and row["versions"].startswith("python-") for row in rows)
    assert [row["episodes"] for row in rows] == ["2"] * 4 + ["3"] * 2
    assert finished(swept / RESULTS) == {CELL}


def test_what_is_done_is_not_done_again(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither with its table nor, where that was lost, with what the runs have left: no command is started."""
    before = (here / RESULTS).read_text()
    log = (here / "runs/sweeps/cartpole/CartPole-v1/seed3/output.log").read_text()
    assert main(SWEEP) == 0
    assert "1 runs, 1 of them done" in capfd.readouterr().out
    (here / RESULTS).unlink()
    assert main(SWEEP) == 0
    assert (here / RESULTS).read_text() == before
    assert (here / "runs/sweeps/cartpole/CartPole-v1/seed3/output.log").read_text() == log


def test_other_options_need_another_directory(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*SWEEP, "--model.gamma", "0.9"]) == 2
    message = capfd.readouterr().err
    assert "'runs/sweeps/cartpole/CartPole-v1/seed3' has a run of another sweep: model.gamma was 0.99" in message
    assert message.count("\n") == 1


def test_a_directory_has_one_sweep(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with contextlib.closing(contextlib.ExitStack()) as stack:
        lock = lock_sweep(here / "runs/sweeps/cartpole")
        stack.callback(lock.release)
        assert main(SWEEP) == 2
    message = capfd.readouterr().err
    assert f"a sweep or a search is running in 'runs/sweeps/cartpole': process {os.getpid()} on " in message
    assert message.rstrip().endswith("with --directory.")


def test_a_failed_run_ends_no_other(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The second one is there already, and needs no command."""
    bad = Run(here / "x/CartPole-v1/seed0", "cartpole.yaml", CELL._replace(seed=0), 800, 1, ("--model.gamma=2",))
    good = Run(here / "runs/sweeps/cartpole/CartPole-v1/seed3", "cartpole.yaml", CELL, 800, 1)
    sweep = Sweep("x", here / "x/results.csv", [bad, good])
    assert not sweep.make()
    assert sweep.failed == {str(bad): "model.gamma 2.0 must be a number at least 0 and at most 1."}
    message = capfd.readouterr().err
    assert "CartPole-v1, serial, seed 0 failed: model.gamma 2.0 must be a number" in message
    assert str(here / "x/CartPole-v1/seed0/output.log") in message
    assert finished(here / "x/results.csv") == {CELL}
    assert "CartPole-v1" in sweep.table()


def test_the_table_is_never_cut(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown"):
        append(tmp_path / "results.csv", [{"experiment": "a"}, {"unknown": 1}])
    assert not (tmp_path / "results.csv").exists()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="no table of a sweep"):
        finished(tmp_path / "other.csv")


def test_each_environment_has_a_directory() -> None:
    assert directory_name("ALE/Pong-v5") == "ALE-Pong-v5"
    assert directory_name("my_env:Corridor-v0") == "my_env-Corridor-v0"


@pytest.mark.exhaustive
def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    longer = ["--data.total_steps", "60000", "--trainer.log_every_n_steps", "10"]
    command = ["sweep", "cartpole.yaml", "--seeds", "0..1", "--parallel", "2", *SMALL, *longer]
    command += ["--trainer.val_check_interval", "300"]
    runs = [tmp_path / f"runs/sweeps/cartpole/CartPole-v1/seed{seed}" for seed in (0, 1)]
    with started(tmp_path, *command) as process:
        wait_for(lambda: all((run / "metrics.csv").exists() for run in runs), 90)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert not living(process.pid)
    assert all(0 < read(run / "checkpoints/last.ckpt")["steps"] < 60_000 for run in runs)
    assert not (tmp_path / RESULTS).exists()
    again = launch(*command, cwd=tmp_path, timeout=300)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("goes on from step") == 2
    rows = [row for row in table(tmp_path / RESULTS) if row["seed"] == "1" and row["evaluation"] == "validation"]
    steps = [int(row["steps"]) for row in rows]
    assert steps == sorted(set(steps))
    assert {row["seed"] for row in table(tmp_path / RESULTS)} == {"0", "1"}


def test_what_is_in_the_way_of_a_run_is_kept(tmp_path: Path) -> None:
    """Unless it is a training that was ended before its first checkpoint, which begins anew."""
    run = Run(tmp_path / "CartPole-v1/seed0", "cartpole.yaml", CELL, 800, 1)
    run.directory.mkdir(parents=True)
    (run.directory / "metrics.csv").write_text("seconds,step\n1.0,80\n")
    next(run.train())
    assert run.metrics.exists()
    (run.directory / ".lock").touch()
    command = next(run.train())
    assert not run.directory.exists()
    assert "--config=cartpole.yaml" in command
    assert not any(option.startswith("--ckpt_path") for option in command)
