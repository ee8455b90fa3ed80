"""A training whose disk fills up, or becomes read-only, and has room again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.trainings import ROLLOUT
from tests.commands import RUN, launch, read, rows
from tests.disks import UNLIMITED, can_mount, limit_files, read_only, training

ENDLESS = [
    *("fit", "--config", "cartpole.yaml", "--data.total_steps", "100000000", "--num_workers", "1"),
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "1", "--data.eval_episodes", "1"),
    *("--trainer.val_check_interval", "150", "--last_checkpoint.every_n_updates", "50"),
]
NO_VIDEO = ["--video.every_n_steps", "-1"]


def assert_goes_on(directory: Path) -> None:
    """All rows are there, and a resumed run goes on from them."""
    run = directory / RUN
    trained = [int(row["step"]) for row in rows(run) if row["train/policy_loss"]]
    assert trained == list(range(ROLLOUT, trained[-1] + 1, ROLLOUT)), "no row is lost"
    steps = read(run / "checkpoints/last.ckpt")["steps"]
    done = launch("fit", "--ckpt_path", "last", "--data.total_steps", str(steps + 400), *NO_VIDEO, cwd=directory)
    assert done.returncode == 0, done.stderr
    resumed = [int(row["step"]) for row in rows(run) if row["train/policy_loss"]]
    missing = set(range(ROLLOUT, steps + 401, ROLLOUT)) - set(resumed)
    assert missing <= {steps}, "a signal may stop an update before its row"
    assert resumed == sorted(resumed)


@pytest.mark.campaign
@pytest.mark.parametrize("engine", [pytest.param("serial", marks=pytest.mark.exhaustive), "hogwild"])
def test_a_full_disk_does_not_end_a_training(engine: str, tmp_path: Path) -> None:
    """Each kind of file is told of once, and once more when there is room. Nothing is lost, and SIGTERM ends it."""
    with training(tmp_path, *ENDLESS, "--engine", engine, "--video.every_n_steps", "8000") as run:
        run.wait_for((tmp_path / RUN / "checkpoints/best.ckpt").exists)
        limit_files(0, run.process.pid)
        for said in ("version_0' cannot", "last.ckpt cannot", "videos cannot"):
            run.wait_for(said)
        limit_files(UNLIMITED, run.process.pid)
        for said in ("No row is lost", "checkpoints can be written again", "videos can be written again"):
            run.wait_for(said)
        assert run.stop() == 143
    assert len(run.messages) == 7, run.messages
    assert list((tmp_path / RUN / "videos").glob("step-*.mp4"))
    if engine == "serial":
        assert_goes_on(tmp_path)


@pytest.mark.campaign
def test_a_disk_that_stays_full_does_not_change_the_end(tmp_path: Path) -> None:
    """The exit code is that of the training, and what was not written is named."""
    with training(tmp_path, *ENDLESS, "--engine", "serial", *NO_VIDEO) as run:
        run.wait_for((tmp_path / RUN / "checkpoints/previous.ckpt").exists)
        limit_files(0, run.process.pid)
        run.wait_for("last.ckpt cannot be written")
        assert run.stop() == 143
    assert not [message for message in run.messages if message.startswith("Traceback")]
    assert any("last.ckpt is not the newest" in message for message in run.messages)
    assert any("rows of the metrics could not be written before the end" in message for message in run.messages)


@pytest.mark.exhaustive
def test_a_read_only_disk_does_not_end_a_training(tmp_path: Path) -> None:
    """As the kernel makes one that has errors."""
    (tmp_path / "runs").mkdir()
    if not can_mount(tmp_path / "runs"):
        pytest.skip("only root can make a directory read-only for root")
    with training(tmp_path, *ENDLESS, "--engine", "serial", *NO_VIDEO) as run:
        run.wait_for((tmp_path / RUN / "checkpoints/last.ckpt").exists)
        with read_only(tmp_path / "runs"):
            for said in ("version_0' cannot", "last.ckpt cannot"):
                run.wait_for(said)
        for said in ("No row is lost", "checkpoints can be written again"):
            run.wait_for(said)
        assert run.stop() == 143
    assert sum("Read-only file system" in message for message in run.messages) == 2
    assert_goes_on(tmp_path)


def test_a_disk_that_is_full_at_the_start_is_refused(tmp_path: Path) -> None:
    with training(tmp_path, *ENDLESS, "--engine", "serial") as run:
        limit_files(2**19, run.process.pid)
        assert run.process.wait(60) == 2
    assert run.messages == ["lit-a3c: the output directory 'runs' cannot be written to: File too large."]


@pytest.mark.campaign
def test_a_score_is_printed_and_a_video_refused_where_nothing_can_be_written(trained: Path) -> None:
    """A run of somebody else, for example."""
    limited = {"cwd": trained, "preexec_fn": lambda: limit_files(64)}  # temporary directories are tried with 4
    tested = launch("test", "--ckpt_path", str(RUN), "--data.test_episodes", "2", **limited)
    assert tested.returncode == 0, tested.stderr
    assert "return, mean" in tested.stdout
    assert "test-best.json cannot be written: File too large. The score is printed only." in tested.stderr
    predicted = launch("predict", "--ckpt_path", str(RUN), **limited)
    assert predicted.returncode == 2
    assert predicted.stderr.splitlines()[-1].endswith("version_0/videos' cannot be written to: File too large.")
    assert "Traceback" not in predicted.stderr
