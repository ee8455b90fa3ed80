"""W&B and MLflow, offline: metrics by steps, the config and the names. Skipped where their package is absent."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.trainings import SERIAL, STEPS
from tests.commands import RUN, Lightning, launch, read, rows

CALLBACK = ["--trainer.callbacks+=LearningRateMonitor"]
"""It logs by itself, and counts updates."""


def by_step(run: Path, name: str) -> list[tuple[int, float]]:
    return [(int(row["step"]), float(row[name])) for row in rows(run) if row.get(name)]


def records(file: Path) -> Iterator[Any]:
    """The records of W&B's offline file: a log of LevelDB with protocol buffers in it."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, record = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (room := 32_768 - at % 32_768) < 7:
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(record)
            record = b""


def history(file: Path) -> list[dict[str, Any]]:
    """The rows of a run of W&B."""
    found = [record.history.item for record in records(file) if record.HasField("history")]
    return [{i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items} for items in found]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", minversion="0.1")
    for name in ("WANDB_NAME", "WANDB_PROJECT", "WANDB_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.mark.usefixtures("offline")
def test_wandb_receives_metrics_config_and_name(tmp_path: Path) -> None:
    """Beside the run's own directory, which has the checkpoints. Rows of Lightning's callbacks stand at steps, too."""
    for _ in range(2):
        done = launch(*SERIAL, "--trainer.logger", "WandbLogger", *CALLBACK, cwd=tmp_path, timeout=120)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("  next ")
    files = sorted(tmp_path.glob("runs/wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime)
    assert len(files) == 2
    runs = [tmp_path / RUN.parent / f"version_{number}" for number in (0, 1)]
    for file, run in zip(files, runs, strict=True):
        assert read(run / "checkpoints/last.ckpt")["steps"] == STEPS
        (header,) = (record.run for record in records(file) if record.HasField("run"))
        assert (header.display_name, header.project) == ("CartPole-v1", "lit-a3c")
        found = history(file)
        for name in ("val/return_mean", "train/return", "lr-RMSprop"):
            steps, values = zip(*by_step(run, name), strict=True)
            having = [row for row in found if name in row]
            assert [row["trainer/global_step"] for row in having] == list(steps)
            assert [row[name] for row in having] == pytest.approx(list(values))
        assert all(row["time/frames"] == row["trainer/global_step"] for row in found if "time/frames" in row)
        configs = [item for record in records(file) if record.HasField("config") for item in record.config.update]
        data = next(json.loads(item.value_json) for item in configs if item.key == "data")
        assert data["total_steps"] == STEPS


@pytest.mark.usefixtures("offline")
def test_a_run_of_wandb_keeps_the_users_names(tmp_path: Path) -> None:
    """The directory has the name, too, without what no directory should have in its name."""
    names = ["--trainer.logger.name", "first try/a", "--trainer.logger.project", "mine"]
    options = ["--data.total_steps", "800", "--trainer.logger", "WandbLogger", *names]
    done = launch(*SERIAL, *options, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("runs/wandb/offline-run-*/*.wandb")
    (header,) = (record.run for record in records(file) if record.HasField("run"))
    assert (header.display_name, header.project) == ("first try/a", "mine")
    assert (tmp_path / "runs/first-try-a/version_0/checkpoints/last.ckpt").is_file()


@pytest.mark.usefixtures("offline")
def test_wandb_beside_lock_free_workers_in_two_parts(tmp_path: Path) -> None:
    """Its metrics arrive, and a continued run has both loggers again."""
    engine = ["--engine", "hogwild", "--num_workers", "1"]
    options = [*engine, "--trainer.logger+=WandbLogger", "--trainer.max_steps", "20"]
    done = launch(*SERIAL, *options, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    go_on = ["fit", "--config", f"{RUN}/config.yaml", "--ckpt_path", str(RUN), "--trainer.max_steps", "40"]
    done = launch(*go_on, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"), key=lambda file: file.stat().st_mtime)
    steps = [[row["trainer/global_step"] for row in history(file) if "train/policy_loss" in row] for file in files]
    assert steps[0][-1] < steps[1][0]
    # The worker learns on while a row is made, so the rows of two loggers may differ by an update.
    assert len(steps[0] + steps[1]) == len(by_step(tmp_path / RUN, "train/policy_loss"))


@pytest.mark.usefixtures("offline")
def test_wandb_without_an_account_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line with the remedy, before there is a directory for the run."""
    for name, value in {"WANDB_MODE": "online", "HOME": str(tmp_path), "WANDB_API_KEY": ""}.items():
        monkeypatch.setenv(name, value)
    done = launch(*SERIAL, "--trainer.logger", "WandbLogger", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("lit-a3c: "))
    assert line.startswith("lit-a3c: WandbLogger cannot begin a run: ")
    assert line.endswith("Without an account: --trainer.logger.offline true.")
    assert not list(tmp_path.glob("runs/CartPole-v1/*"))


def test_mlflow_receives_metrics_config_and_name(cli: Lightning, tmp_path: Path) -> None:
    """In a database in the present directory, where ``mlflow ui`` looks."""
    pytest.importorskip("mlflow", minversion="2")
    from mlflow.tracking import MlflowClient

    cli(*SERIAL, "--data.total_steps", "800", "--trainer.logger", "MLFlowLogger", *CALLBACK)
    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("lit-a3c")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "CartPole-v1"
    assert run.info.status == "FINISHED"
    assert run.data.params["data/total_steps"] == "800"
    for name in ("val/return_mean", "lr-RMSprop"):
        found = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name)]
        assert found == by_step(tmp_path / RUN, name)
        assert found
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"config.yaml"}
