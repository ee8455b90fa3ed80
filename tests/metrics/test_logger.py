"""The files of a run, on a full disk too, and who may write to its directory."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lit_a3c import A3C, RolloutDataModule
from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.metrics.logger import RunLogger, share_run
from lit_a3c.metrics.run_lock import RunLock
from lit_a3c.utils import compat_processes
from lit_a3c.utils.errors import ConfigError
from tests.commands import rows
from tests.disks import full_disk
from tests.dummy_envs import dummy
from tests.trainers import quiet


def test_a_run_has_one_directory_for_both(tmp_path: Path) -> None:
    """Each row is on disk as soon as it is logged."""
    logger = RunLogger(str(tmp_path), name="a", version=3)
    logger.log_metrics({"train/loss": 1.5, "frames": 40.0}, step=10)
    run = tmp_path / "a" / "version_3"
    assert [(float(row["train/loss"]), int(row["step"])) for row in rows(run)] == [(1.5, 10)]
    logger.log_metrics({"val/return_mean": 2.0}, step=20)
    logger.finalize("success")
    assert [row["step"] for row in rows(run)] == ["10", "20"]
    assert list(run.glob("events.out.tfevents.*"))


def test_a_resumed_run_keeps_the_rows_before_its_checkpoint(tmp_path: Path) -> None:
    """Rows from its step on are of updates that the checkpoint does not have: they are made again."""
    first = RunLogger(str(tmp_path), name="a", version=0)
    for step in (10, 20, 30):
        first.log_metrics({"train/loss": float(step)}, step=step)
    first.log_metrics({"val/return_mean": 5.0}, step=20)
    first.finalize("failed")
    resumed = RunLogger(str(tmp_path), name="a", version=0)
    resumed.start(tmp_path / "a/version_0/checkpoints/last.ckpt")
    resumed.log_metrics({"train/loss": 0.5, "train/entropy": 0.25}, step=30)
    resumed.finalize("success")
    kept = [{name: value for name, value in row.items() if value} for row in rows(tmp_path / "a" / "version_0")]
    assert kept == [
        {"step": "10", "train/loss": "10.0"},
        {"step": "20", "train/loss": "20.0"},
        {"step": "20", "val/return_mean": "5.0"},
        {"step": "30", "train/loss": "0.5", "train/entropy": "0.25"},
    ]


def test_a_full_disk_is_said_once_and_costs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both files have every row afterwards, what was added to TensorBoard directly included."""
    logger = RunLogger(str(tmp_path), name="a", version=0)
    logger.log_metrics({"train/loss": 1.0}, step=10)
    with full_disk():
        for step in (20, 30):
            logger.log_metrics({"train/loss": 1.0}, step=step)
        logger.log_metrics({"val/return_mean": 1.0}, step=30)
        logger.experiment.add_text("note", "a full disk", 30)
        logger.save()
    assert len(capsys.readouterr().err.splitlines()) == 1
    logger.log_metrics({"train/loss": 1.0}, step=40)
    run = tmp_path / "a/version_0"
    assert capsys.readouterr().err == f"lit-a3c: the metrics in '{run}' can be written again. No row is lost.\n"
    assert [row["step"] for row in rows(run)] == ["10", "20", "30", "30", "40"]
    events = EventAccumulator(str(run))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [10, 20, 30, 40]
    assert [event.step for event in events.Tensors("note/text_summary")] == [30]


def test_the_end_on_a_full_disk_says_what_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It raises nothing: the training has its own result."""
    logger = RunLogger(str(tmp_path), name="a", version=0)
    with full_disk():
        logger.save()
        logger.log_metrics({"train/loss": 1.0}, step=10)
        logger.finalize("success")
    first, second = capsys.readouterr().err.splitlines()
    assert "File too large. The training goes on" in first
    assert second == "lit-a3c: 1 rows of the metrics could not be written before the end, and are lost."
    assert not (tmp_path / "a/version_0/hparams.yaml").exists()


def test_a_new_directory_is_given_to_one_logger_only(tmp_path: Path) -> None:
    loggers = [RunLogger(str(tmp_path), name="a") for _ in range(4)]
    assert [logger.version for logger in loggers] == [0, 1, 2, 3]
    (tmp_path / "a/version_7").mkdir()
    (tmp_path / "a/version_x").mkdir()
    assert RunLogger(str(tmp_path), name="a").version == 8


def test_a_home_directory_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning expands it for the files, and not for the numbers: every run would be the first."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [RunLogger("~/x", name="a").version for _ in range(2)] == [0, 1]
    assert RunLogger("$HOME/x", name="a").log_dir == str(tmp_path / "x/a/version_2")


def test_a_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="URL"):
        RunLogger("s3://bucket/runs")


def test_a_directory_that_holds_a_run_is_not_started_in(tmp_path: Path) -> None:
    """That run may go on there, and no other one."""
    first = RunLogger(str(tmp_path), name="a", version=0)
    first.start(None)
    first.log_metrics({"train/loss": 1.0}, step=10)
    first.finalize("success")
    first.start(None)  # the same training goes on
    first.finalize("success")
    before = (tmp_path / "a/version_0/metrics.csv").read_bytes()
    for checkpoint in (None, tmp_path / "b/version_0/checkpoints/last.ckpt"):
        other = RunLogger(str(tmp_path), name="a", version=0)
        with pytest.raises(ConfigError, match="holds a run already"):
            other.start(checkpoint)
        other.finalize("failed")
    assert (tmp_path / "a/version_0/metrics.csv").read_bytes() == before
    RunLogger(str(tmp_path), name="a", version=0).start(tmp_path / "a/version_0/checkpoints/last.ckpt")


def test_an_evaluation_keeps_the_rows_of_the_run(tmp_path: Path) -> None:
    """It adds to them, whichever checkpoint it is of."""
    first = RunLogger(str(tmp_path), name="a", version=0)
    for step in (10, 20, 30):
        first.log_metrics({"train/loss": 1.0}, step=step)
    first.finalize("success")
    evaluation = RunLogger(str(tmp_path), name="a", version=0)
    evaluation.log_metrics({"test/return_mean": 1.0}, step=10)
    evaluation.finalize("success")
    assert [row["step"] for row in rows(tmp_path / "a/version_0")] == ["10", "20", "30", "10"]


def test_a_copy_for_another_process_holds_no_lock(tmp_path: Path) -> None:
    logger = RunLogger(str(tmp_path), name="a", version=0)
    logger.log_metrics({"train/loss": 1.0}, step=10)
    copy = pickle.loads(pickle.dumps(logger))
    logger.finalize("success")
    RunLock(tmp_path / "a/version_0").release()
    assert copy.version == 0


def train(logger: RunLogger, updates: int, ckpt_path: str | None = None) -> None:
    data = RolloutDataModule(dummy("TimeLimit"), updates * 20, "serial", envs_per_worker=4, rollout_length=5)
    callbacks = [LastCheckpoint()]
    options = {"enable_checkpointing": True, "log_every_n_steps": 1, "limit_val_batches": 0}
    trainer = quiet(logger=logger, callbacks=callbacks, **options)
    trainer.fit(A3C(data.spaces), data, ckpt_path=ckpt_path, weights_only=True)


def test_trainings_from_python_keep_their_directories(tmp_path: Path) -> None:
    """A new one is refused where a run is, its files are untouched, and the run itself goes on."""
    run = tmp_path / "a/version_0"
    last = run / "checkpoints/last.ckpt"
    train(RunLogger(str(tmp_path), name="a"), 3)
    before = last.read_bytes(), (run / "metrics.csv").read_bytes()
    with pytest.raises(ConfigError, match="holds a run already"):
        train(RunLogger(str(tmp_path), name="a", version=0), 3)
    assert (last.read_bytes(), (run / "metrics.csv").read_bytes()) == before
    train(RunLogger(str(tmp_path), name="a", version=0), 5, ckpt_path=str(last))
    assert [row["step"] for row in rows(run)] == ["20", "40", "60", "80", "100"]
    lock = RunLock(run)
    with pytest.raises(ConfigError, match="a training is running in"):
        train(RunLogger(str(tmp_path), name="a", version=0), 7, ckpt_path=str(last))
    lock.release()


def test_another_process_of_a_job_names_the_directory_of_rank_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rank 0 takes a directory. The others do not make or count one of their own, and write nothing."""
    said: list[object] = []

    def broadcast(value: object) -> object:
        said.append(value)
        return said[0]

    first = RunLogger(str(tmp_path), name="a")
    share_run(quiet(logger=first), broadcast)
    monkeypatch.setattr(compat_processes, "rank", lambda: 1)
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    other = RunLogger(str(tmp_path), name="a")
    share_run(quiet(logger=other), broadcast)
    assert other.log_dir == first.log_dir == str(tmp_path / "a" / "version_0")
    other.start(None)
    other.log_metrics({"train/loss": 1.0}, step=1)
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["version_0"]
    assert not list((tmp_path / "a" / "version_0").iterdir())
