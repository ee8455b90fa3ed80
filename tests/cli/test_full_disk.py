"""A training whose disk fills up, or becomes read-only, and has room again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.trainings import ROLLOUT
from tests.commands import RUN, launch, read, rows, shared_memory, started, wait_for
from tests.disks import UNLIMITED, can_mount, limit_files, read_only

ENDLESS = [
    *("fit", "--config", "cartpole.yaml", "--data.total_steps", "100000000", "--num_workers", "1"),
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "1", "--data.eval_episodes", "1"),
    *(
        "--trainer.val_check_interval",
        "150",
        "--last_checkpoint.every_n_updates",
        "50",
        "--video.every_n_steps",
        "8000",
    ),
]


def messages(directory: Path) -> list[str]:
    return [line for line in (directory / "stderr").read_text().splitlines() if line.startswith("lit-a3c: ")]


def assert_goes_on(directory: Path) -> None:
    """All rows are there, and a resumed run goes on from them."""
    run = directory / RUN
    trained = [int(row["step"]) for row in rows(run) if row["train/policy_loss"]]
    assert trained == list(range(ROLLOUT, trained[-1] + 1, ROLLOUT)), "no row is lost"
    steps = read(run / "checkpoints/last.ckpt")["steps"]
    done = launch("fit", "--ckpt_path", "last", "--data.total_steps", str(steps + 400), cwd=directory)
    assert done.returncode == 0, done.stderr
    resumed = [int(row["step"]) for row in rows(run) if row["train/policy_loss"]]
    assert resumed == list(range(ROLLOUT, steps + 401, ROLLOUT))


@pytest.mark.parametrize("engine", ["serial", "hogwild"])
def test_a_full_disk_does_not_end_a_training(engine: str, tmp_path: Path) -> None:
    """Each kind of file is told of once, and once more when there is room. Nothing is lost, and SIGTERM ends it."""
    before = shared_memory()
    with started(tmp_path, *ENDLESS, "--engine", engine) as process:
        wait_for((tmp_path / RUN / "metrics.csv").exists, 60)
        wait_for((tmp_path / RUN / "checkpoints/best.ckpt").exists, 60)
        limit_files(0, process.pid)
        for kind in ("metrics", "last.ckpt", "videos"):
            wait_for(lambda kind=kind: any(kind in line for line in messages(tmp_path)), 60)
        limit_files(UNLIMITED, process.pid)
        for kind in ("metrics", "checkpoints", "videos"):
            wait_for(
                lambda kind=kind: any(kind in line and "can be written again" in line for line in messages(tmp_path)),
                60,
            )
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    assert len(messages(tmp_path)) == 7, messages(tmp_path)
    assert shared_memory() <= before
    assert list((tmp_path / RUN / "videos").glob("step-*.mp4"))
    if engine == "serial":
        assert_goes_on(tmp_path)


def test_a_disk_that_stays_full_does_not_change_the_end(tmp_path: Path) -> None:
    """The exit code is that of the training, and what was not written is named."""
    with started(tmp_path, *ENDLESS, "--engine", "serial", "--video.every_n_steps", "-1") as process:
        wait_for((tmp_path / RUN / "checkpoints/previous.ckpt").exists, 60)
        limit_files(0, process.pid)
        wait_for(lambda: len(messages(tmp_path)) >= 2, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    text = (tmp_path / "stderr").read_text()
    assert "Traceback" not in text
    assert "last.ckpt is not the newest" in text
    assert "rows of the metrics could not be written before the end, and are lost" in text


def test_a_read_only_disk_does_not_end_a_training(tmp_path: Path) -> None:
    """As the kernel makes one that has errors."""
    (tmp_path / "runs").mkdir()
    if not can_mount(tmp_path / "runs"):
        pytest.skip("only root can make a directory read-only for root")
    with started(tmp_path, *ENDLESS, "--engine", "serial", "--video.every_n_steps", "-1") as process:
        wait_for((tmp_path / RUN / "checkpoints/last.ckpt").exists, 60)
        with read_only(tmp_path / "runs"):
            for kind in ("metrics", "last.ckpt"):
                wait_for(lambda kind=kind: any(kind in line for line in messages(tmp_path)), 60)
        wait_for(lambda: len(messages(tmp_path)) >= 4, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
    assert sum("Read-only file system" in line for line in messages(tmp_path)) == 2
    assert_goes_on(tmp_path)


def test_a_disk_that_is_full_at_the_start_is_refused(tmp_path: Path) -> None:
    """And a training that finds room for a megabyte at first, and none for its config, trains."""
    with started(tmp_path, *ENDLESS, "--engine", "serial") as process:
        limit_files(2**19, process.pid)
        assert process.wait(60) == 2
    assert messages(tmp_path) == ["lit-a3c: the output directory 'runs' cannot be written to: File too large."]
