"""One training in one directory: new ones, running ones and finished ones."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Refused
from tests.cli.trainings import FIT, ROLLOUT, SERIAL
from tests.commands import RUN, Lightning, launch, read, rows, started, wait_for

NAMED = ["--trainer.logger.name", "CartPole-v1", "--trainer.logger.version", "0"]


def contents(run: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != ".lock"}


def test_a_new_training_does_not_overwrite_a_run(trained: Path, refused: Refused, tmp_path: Path) -> None:
    """Neither from nothing nor from another run's checkpoint. The message says how to go on with it."""
    run = tmp_path / RUN
    shutil.copytree(trained / RUN, run)
    shutil.copytree(trained / RUN, tmp_path / "runs/other/version_0")
    before = contents(run)
    go_on = f"'{RUN}' holds a run already, which would be overwritten. Go on with it by --ckpt_path {RUN}, or"
    assert refused(*FIT, *NAMED).startswith(go_on)
    other = ["--ckpt_path", "runs/other/version_0", "--data.total_steps", "8000"]
    assert refused("fit", *other, *NAMED).startswith(go_on)
    assert contents(run) == before


def test_a_named_run_can_be_continued(cli: Lightning, tmp_path: Path) -> None:
    """Where the checkpoint is its own. A directory without a run in it can be started in."""
    (tmp_path / RUN).mkdir(parents=True)
    (tmp_path / RUN / "notes.txt").touch()
    cli(*SERIAL, *NAMED, "--trainer.max_steps", "5")
    cli("fit", "--ckpt_path", str(RUN), *NAMED, "--trainer.max_steps", "8")
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 8 * ROLLOUT


@pytest.mark.campaign
def test_a_running_training_is_left_alone(cli: Lightning, tmp_path: Path) -> None:
    """A second resumption is refused with the first one's process, and goes on once that one was killed."""
    endless = ["--data.total_steps", "100000000", "--last_checkpoint.every_n_updates", "5", "--trainer.max_steps", "-1"]
    cli(*SERIAL, "--trainer.max_steps", "5")
    with started(tmp_path, "fit", "--ckpt_path", "last", *endless, "--engine", "async", "--num_workers", "1") as first:
        last = tmp_path / RUN / "checkpoints/last.ckpt"
        wait_for(lambda: read(last)["steps"] > 5 * ROLLOUT, 60)
        second = launch("fit", "--ckpt_path", "last", *endless, cwd=tmp_path)
        assert second.returncode == 2
        assert second.stderr.startswith(f"lit-a3c: a training is running in '{RUN}': process {first.pid} on ")
        assert len(second.stderr.splitlines()) == 1
        assert "version_1" in cli(*SERIAL, "--trainer.max_steps", "5")
        first.send_signal(signal.SIGKILL)
        first.wait()
        steps = read(last)["steps"]
        cli("fit", "--ckpt_path", str(RUN), "--data.total_steps", str(steps + ROLLOUT))
    assert read(last)["steps"] == steps + ROLLOUT
    logged = [int(row["step"]) for row in rows(tmp_path / RUN)]
    assert logged == sorted(logged)


def test_a_home_directory_is_one(cli: Lightning, tmp_path: Path) -> None:
    """``~`` is not the name of a directory, and each run has its own."""
    save = ["--trainer.logger.save_dir", "~/runs", "--trainer.max_steps", "2"]
    home = tmp_path / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for _ in range(2):
            cli(*SERIAL, *save)
        cli("fit", "--ckpt_path", "~/runs/CartPole-v1/version_1", "--trainer.max_steps", "4")
    assert [file.name for file in tmp_path.iterdir()] == ["home"]
    found = {file.parents[1].name: read(file)["global_step"] for file in home.rglob("last.ckpt")}
    assert found == {"version_0": 2, "version_1": 4}
