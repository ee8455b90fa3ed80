"""Loggers by override: whose directory the run has, what they are called, and what is refused."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.cli.conftest import Refused
from tests.cli.test_summary import next_command
from tests.cli.trainings import ROLLOUT, SERIAL, STEPS
from tests.commands import RUN, Lightning, read, rows

SHORT = [*SERIAL, "--trainer.max_steps", "5"]
WITHOUT = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}
"""Loggers whose package is an extra of ours."""


@pytest.mark.parametrize("logger", WITHOUT)
def test_a_missing_package_is_named_with_its_command(
    logger: str, refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone and in a list, before there is a directory."""
    package = WITHOUT[logger]
    if importlib.util.find_spec(package) is not None:
        pytest.skip(f"{package} is here")
    monkeypatch.syspath_prepend(tmp_path)  # the console script has it in the path
    (tmp_path / package).mkdir()  # as W&B leaves one, which Python takes for a package
    expected = f"{logger} needs the package {package}: pip install 'lit-a3c[{package}]'"
    for option in (["--trainer.logger", logger], [f"--trainer.logger+={logger}"]):
        assert refused(*SHORT, *option) == expected
    assert [entry.name for entry in tmp_path.iterdir()] == [package]


def test_commands_that_do_not_train_need_no_logger(cli: Lightning, tmp_path: Path) -> None:
    """A config may name one whose package is not there."""
    cli(*SHORT)
    (tmp_path / "mine.yaml").write_text("base: cartpole.yaml\ntrainer: {logger: CometLogger}\n")
    out = cli("test", "--config", "mine.yaml", "--ckpt_path", str(RUN), "--data.test_episodes", "1")
    assert "episodes" in out


def test_no_logger_keeps_the_files_of_each_run_apart(cli: Lightning, tmp_path: Path) -> None:
    """A directory each, with config and checkpoints, and without logs. The run can be continued."""
    for _ in range(2):
        out = cli(*SHORT, "--trainer.logger", "false", "--trainer.log_every_n_steps", "1")
    runs = tmp_path / RUN.parent
    assert {run.name for run in runs.iterdir()} == {"version_0", "version_1"}
    files = {file.name for file in (runs / "version_1").iterdir()}
    assert files == {".lock", "config.yaml", "starts.jsonl", "checkpoints"}
    assert next_command(out, "next")[2] == str(RUN.parent / "version_1")
    cli("fit", "--ckpt_path", str(RUN), "--trainer.max_steps", "8")
    assert read(runs / "version_0/checkpoints/last.ckpt")["steps"] == 8 * ROLLOUT
    assert not (runs / "version_0/metrics.csv").exists()
    assert {entry.name for entry in tmp_path.iterdir()} == {"runs"}


def test_true_is_the_default_logger(cli: Lightning, tmp_path: Path) -> None:
    cli(*SHORT, "--trainer.logger", "true")
    assert (tmp_path / RUN / "checkpoints/last.ckpt").is_file()


@pytest.mark.parametrize("logger", ["CSVLogger", "TensorBoardLogger"])
def test_lightnings_own_files_are_named_after_the_environment(logger: str, cli: Lightning, tmp_path: Path) -> None:
    """Each run has a directory of its own, which has its checkpoints and its config."""
    for _ in range(2):
        out = cli(*SERIAL, "--trainer.logger", logger)
    for number in (0, 1):
        run = tmp_path / RUN.parent / f"version_{number}"
        assert read(run / "checkpoints/last.ckpt")["steps"] == STEPS
        assert (run / "config.yaml").is_file()
    assert {entry.name for entry in (tmp_path / "runs").iterdir()} == {"CartPole-v1"}
    assert f"files in {RUN.parent}/version_1" in out
    arguments = next_command(out, "next")
    assert arguments[2] == f"{RUN.parent}/version_1"
    assert "CartPole-v1" in cli(*arguments, "--data.test_episodes", "1")


def test_a_csv_logger_overwrites_nothing(cli: Lightning, refused: Refused, tmp_path: Path) -> None:
    """Lightning's deletes the rows that are there. A continued run has a directory of its own."""
    cli(*SERIAL, "--trainer.logger", "CSVLogger")
    before = rows(tmp_path / RUN)
    assert before
    named = ["--trainer.logger.version", "0"]
    assert "holds a run already" in refused(*SERIAL, "--trainer.logger", "CSVLogger", *named)
    more = ["--ckpt_path", str(RUN), "--trainer.logger", "CSVLogger", "--data.total_steps", "4800"]
    cli("fit", "--config", f"{RUN}/config.yaml", *more)
    assert rows(tmp_path / RUN) == before
    assert read(tmp_path / RUN.parent / "version_1/checkpoints/last.ckpt")["steps"] == 4800
    steps = [int(row["step"]) for row in rows(tmp_path / RUN.parent / "version_1")]
    assert steps
    assert min(steps) > STEPS


def test_of_several_loggers_ours_has_the_directory(cli: Lightning, tmp_path: Path) -> None:
    """Wherever it stands in the list. The other one gets the rows, too, in a directory of its own."""
    cli(*SERIAL, "--trainer.logger", "[CSVLogger, lit_a3c.RunLogger]")
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == STEPS
    (other,) = (file.parent for file in tmp_path.rglob("metrics.csv") if file.parent != tmp_path / RUN)
    ours = [row["step"] for row in rows(tmp_path / RUN)]
    assert sorted({row["step"] for row in rows(other)}, key=int) == sorted(set(ours), key=int)
    assert not list(other.rglob("*.ckpt"))


def test_a_checkpoint_names_no_foreign_logger(cli: Lightning, tmp_path: Path) -> None:
    """So that it may be continued, and sends nothing anywhere. The command at the end names the config instead."""
    out = cli(*SHORT, "--trainer.logger", "[lit_a3c.RunLogger, CSVLogger]")
    assert re.search("^  next", out, re.MULTILINE)
    config = yaml.safe_load(read(tmp_path / RUN / "checkpoints/last.ckpt")["config"])
    assert config["trainer"]["logger"]["class_path"] == "lit_a3c.RunLogger"
    in_run = yaml.safe_load((tmp_path / RUN / "config.yaml").read_text())
    assert [logger["class_path"].rpartition(".")[2] for logger in in_run["trainer"]["logger"]] == [
        "RunLogger",
        "CSVLogger",
    ]
    cli("fit", "--config", f"{RUN}/config.yaml", "--ckpt_path", str(RUN), "--trainer.max_steps", "8")
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 8 * ROLLOUT


def test_tensorboard_opens_on_the_return(cli: Lightning, tmp_path: Path) -> None:
    """It sorts groups by name, and opens the first two. TEXT has the config, HPARAMS the options and the results."""
    cli(*SERIAL)
    events = EventAccumulator(str(tmp_path / RUN))
    events.Reload()
    tags = events.Tags()["scalars"]
    assert sorted({tag.partition("/")[0] for tag in tags}) == ["return", "time", "train", "val"]
    for copy, metric in (("return/train", "train/return"), ("return/val", "val/return_mean")):
        assert [(e.step, e.value) for e in events.Scalars(copy)] == [(e.step, e.value) for e in events.Scalars(metric)]
    assert {"time/frames", "time/seconds"} <= set(tags)
    (text,) = (event.tensor_proto.string_val[0].decode() for event in events.Tensors("config/text_summary"))
    assert text.startswith("```yaml\n")
    assert yaml.safe_load(text.strip("`").removeprefix("yaml"))["data"]["total_steps"] == STEPS
    best = max(event.value for event in events.Scalars("val/return_mean"))
    assert [(event.step, event.value) for event in events.Scalars("val/best_return")] == [(STEPS, best)]
    shown = hparams(events)
    assert shown["model.gamma"].number_value == 0.99
    assert shown["model.body"].string_value == "MLPBody"
    assert shown["data.env_id"].string_value == "CartPole-v1"
    assert "data.worker_timeout" not in shown


def hparams(events: EventAccumulator) -> dict[str, Any]:
    """The options in HPARAMS. The metrics and the end of the session must be there, too."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    def content(name: str) -> Any:
        data = HParamsPluginData()
        data.ParseFromString(events.SummaryMetadata(f"_hparams_/{name}").plugin_data.content)
        return data

    metrics = [info.name.tag for info in content("experiment").experiment.metric_infos]
    assert metrics == ["val/best_return", "val/return_mean", "train/return"]
    assert content("session_end_info").session_end_info.status == 1  # STATUS_SUCCESS
    return dict(content("session_start_info").session_start_info.hparams)
