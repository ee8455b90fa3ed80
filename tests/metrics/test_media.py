"""Videos for W&B and MLflow, offline. Skipped where their package is absent."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, WandbLogger

from lit_a3c.metrics.media import log_video

VIDEO = b"\0\0\0\x18ftypmp42" + bytes(100)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    file = tmp_path / "step-80.mp4"
    file.write_bytes(VIDEO)
    return file


def test_wandb_receives_the_video(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As media of the run, at its step."""
    pytest.importorskip("wandb", minversion="0.1")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    logger = WandbLogger(save_dir=tmp_path, project="test")
    log_video(logger, video, step=80)
    summary = dict(logger.experiment.summary)
    logger.experiment.finish()
    assert summary["trainer/global_step"] == 80
    (copy,) = tmp_path.glob("wandb/offline-run-*/files/media/videos/*.mp4")
    assert copy.read_bytes() == VIDEO


def test_mlflow_receives_the_video(video: Path, tmp_path: Path) -> None:
    """As an artifact of the run."""
    pytest.importorskip("mlflow", minversion="2")
    logger = MLFlowLogger(
        tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifact_location=f"file:{tmp_path}/artifacts"
    )
    log_video(logger, video, step=80)
    assert logger.run_id is not None
    (artifact,) = logger.experiment.list_artifacts(logger.run_id, "videos")
    assert artifact.path == "videos/step-80.mp4"
    (copy,) = tmp_path.glob("artifacts/**/*.mp4")
    assert copy.read_bytes() == VIDEO


def test_a_logger_that_does_not_take_it_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line says why. Loggers that show no videos are left alone."""
    pytest.importorskip("mlflow", minversion="2")
    logger = MLFlowLogger(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    log_video(logger, tmp_path / "none.mp4", step=80)
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-a3c: "))
    assert line.startswith(f"lit-a3c: MLFlowLogger has not taken the video '{tmp_path}/none.mp4': ")
    log_video(CSVLogger(tmp_path), tmp_path / "none.mp4", step=80)
    assert capsys.readouterr().err == ""
