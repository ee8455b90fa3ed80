"""``metrics.csv`` beside the events of TensorBoard, and the rows that a resumed run keeps."""

from __future__ import annotations

from pathlib import Path

from lit_a3c.metrics.logger import RunLogger
from tests.commands import rows


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
    resumed.log_metrics({"train/loss": 0.5, "train/entropy": 0.25}, step=30)
    resumed.finalize("success")
    kept = [{name: value for name, value in row.items() if value} for row in rows(tmp_path / "a" / "version_0")]
    assert kept == [
        {"step": "10", "train/loss": "10.0"},
        {"step": "20", "train/loss": "20.0"},
        {"step": "20", "val/return_mean": "5.0"},
        {"step": "30", "train/loss": "0.5", "train/entropy": "0.25"},
    ]
