"""Configs by name, configs that build on another, what options change of them, and which callbacks a training has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch import Trainer

from lit_a3c.callbacks.last_checkpoint import LastCheckpoint
from lit_a3c.cli.configs import config_chain, defaults, shipped_configs
from lit_a3c.utils.errors import ConfigError
from tests.cli.conftest import Refused
from tests.cli.trainings import SERIAL, STEPS
from tests.commands import RUN, Lightning

SHORT = ["--data.total_steps", "80"]


def printed(cli: Lightning, *options: str) -> Any:
    """The whole config that a command would use."""
    return yaml.safe_load(cli("fit", *options, "--print_config"))


# By name


def test_a_local_config_comes_before_the_shipped_one(cli: Lightning) -> None:
    Path("cartpole.yaml").write_text("data: {env_id: Acrobot-v1}\n")
    assert printed(cli, "--config", "cartpole.yaml")["data"]["env_id"] == "Acrobot-v1"


def test_the_ending_of_a_name_may_be_left_out(cli: Lightning) -> None:
    assert printed(cli, "--config=mujoco")["data"]["env_id"] == "HalfCheetah-v5"


def test_options_override_the_config(cli: Lightning) -> None:
    """Wherever they stand, if the config does not name them; else what comes later wins."""
    for options in (
        ["--num_workers", "3", "--config", "cartpole.yaml"],
        ["--config", "cartpole.yaml", "--num_workers=3"],
    ):
        assert printed(cli, *options)["num_workers"] == 3
    assert printed(cli, "--config", "cartpole.yaml", "--engine", "sync")["engine"] == "sync"
    assert printed(cli, "--engine", "sync", "--config", "cartpole.yaml")["engine"] == "async"


def test_a_second_config_changes_the_first(cli: Lightning) -> None:
    Path("mine.yaml").write_text("model: {gamma: 0.5}\nvideo: {every_n_steps: 7}\n")
    config = printed(cli, "--config", "cartpole.yaml", "--config", "mine.yaml")
    assert (config["model"]["gamma"], config["model"]["gae_lambda"]) == (0.5, 0.95)
    assert (config["video"]["every_n_steps"], config["engine"]) == (7, "async")


# What every training starts from


def test_the_defaults_are_those_of_the_file(cli: Lightning) -> None:
    config = printed(cli, "--data.env_id", "CartPole-v1")
    for option, value in defaults().items():
        given = config
        for name in option.split("."):
            given = given[name]
        if isinstance(value, dict):  # a class, whose other parameters are its own defaults
            assert given["class_path"] == value["class_path"]
            assert value["init_args"].items() <= given["init_args"].items()
        else:
            assert given == value, option


def test_options_of_atari_may_be_given_one_by_one(cli: Lightning) -> None:
    """The shipped config leaves them out, so their section is null."""
    assert printed(cli, "--config", "atari.yaml")["data"]["atari"] is None
    changed = printed(cli, "--config", "atari.yaml", "--data.atari.sticky", "0.25", "--data.atari.frame_skip", "3")
    assert (changed["data"]["atari"]["sticky"], changed["data"]["atari"]["frame_skip"]) == (0.25, 3)
    assert changed["data"]["atari"]["noop_max"] == 30


# base


def test_a_config_builds_on_another(cli: Lightning, tmp_path: Path) -> None:
    """From the deepest up; beside the file first, then among the shipped ones; the rest stays."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/middle.yaml").write_text("base: swimmer.yaml\nmodel: {gamma: 0.5, gae_lambda: 0.6}\n")
    (tmp_path / "configs/mine.yaml").write_text("# Mine.\nbase: middle.yaml  # beside this file\nmodel: {gamma: 0.7}\n")
    config = printed(cli, "--config", "configs/mine.yaml")
    assert (config["model"]["gamma"], config["model"]["gae_lambda"]) == (0.7, 0.6)
    assert config["data"]["rollout_length"] == 100  # of swimmer.yaml
    assert config["data"]["envs_per_worker"] == 8  # of mujoco_beta.yaml, on which swimmer.yaml builds
    assert config["model"]["optimizer"]["init_args"] == {
        **{"lr": 1.4e-3, "alpha": 0.99},  # of swimmer.yaml and of the class
        **{"eps": 1e-10, "initial_accumulator_value": 1e-4},  # of mujoco_beta.yaml
    }


def test_a_config_may_hold_nothing_but_its_base(cli: Lightning) -> None:
    Path("mine.yaml").write_text("base:\n  cartpole.yaml\n")
    assert printed(cli, "--config", "mine.yaml") == printed(cli, "--config", "cartpole.yaml")


def test_a_base_that_leads_back_to_itself_is_refused(refused: Refused) -> None:
    Path("one.yaml").write_text("base: two.yaml\n")
    Path("two.yaml").write_text("base: one.yaml\n")
    assert refused("fit", "--config", "one.yaml") == "base 'one.yaml' builds on itself: its key base leads back to it."
    Path("self.yaml").write_text("base: self.yaml\n")
    assert "builds on itself" in refused("fit", "--config", "self.yaml")


def test_a_base_that_does_not_exist_is_refused(refused: Refused) -> None:
    Path("mine.yaml").write_text("base: mujco.yaml\n")
    message = refused("fit", "--config", "mine.yaml")
    assert message.startswith("base 'mujco.yaml' is neither a file nor a shipped config")
    assert message.endswith("Did you mean 'mujoco.yaml'?")


def test_every_shipped_config_is_a_chain_of_files_that_exist() -> None:
    for name in shipped_configs():
        assert 1 <= len(config_chain(name)) <= 4


@pytest.mark.parametrize(
    ("line", "source"),
    [
        ("data: {engine: serial}", "engine"),
        ("data: {num_workers: 2}", "num_workers"),
        ("model: {spaces: null}", "data.spaces"),
    ],
)
def test_what_follows_from_another_option_is_no_option(tmp_path: Path, line: str, source: str) -> None:
    """Else jsonargparse would overwrite it without a message."""
    (tmp_path / "mine.yaml").write_text(f"base: cartpole.yaml\n{line}\n")
    with pytest.raises(ConfigError, match=f"there is no option .*its value is that of {source}"):
        config_chain(str(tmp_path / "mine.yaml"))


# Callbacks


@pytest.mark.parametrize("sign", ["+=", "="])
def test_callbacks_of_the_user_are_added(cli: Lightning, tmp_path: Path, sign: str) -> None:
    """The checkpoints and the video stay."""
    options = [f"--trainer.callbacks{sign}[{{class_path: lightning.pytorch.callbacks.LearningRateMonitor}}]"]
    cli(*SERIAL, *SHORT, "--video.every_n_steps", "0", *options)
    run = tmp_path / RUN
    assert {file.name for file in (run / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    assert len(list(run.glob("videos/best-step-80-return-*.mp4"))) == 1
    (added,) = yaml.safe_load((run / "config.yaml").read_text())["trainer"]["callbacks"]
    assert added["class_path"] == "lightning.pytorch.callbacks.LearningRateMonitor"


def test_a_callback_of_the_user_runs(cli: Lightning, tmp_path: Path) -> None:
    options = ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.filename=mine-{step}"]
    cli(*SERIAL, *SHORT, *options, "--trainer.callbacks.every_n_train_steps=1")
    names = {file.name for file in (tmp_path / RUN / "checkpoints").iterdir()}
    assert names == {"last.ckpt", "best.ckpt", "mine-step=1.ckpt"}


def test_a_section_switches_videos_off(cli: Lightning, tmp_path: Path) -> None:
    cli(*SERIAL, *SHORT, "--video.every_n_steps", "-1")
    assert not list(tmp_path.rglob("*.mp4"))
    assert (tmp_path / RUN / "checkpoints/best.ckpt").is_file()


def test_a_section_has_its_options(cli: Lightning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the checkpoints, and of the video: every 2,000 steps and at the end."""
    saved: list[int] = []
    save = LastCheckpoint._save

    def record(self: LastCheckpoint, trainer: Trainer) -> None:
        saved.append(trainer.global_step)
        save(self, trainer)

    monkeypatch.setattr(LastCheckpoint, "_save", record)
    sections = ["--last_checkpoint.every_n_updates", "20", "--best_checkpoint.filename", "top"]
    cli(*SERIAL, *sections, "--video.every_n_steps", "2000")
    run = tmp_path / RUN
    assert saved == [20, 40, 50, 50]  # the last one before and after the validation
    assert {file.name for file in (run / "checkpoints").iterdir()} == {"last.ckpt", "previous.ckpt", "top.ckpt"}
    steps = sorted(int(video.name.split("-")[1]) for video in run.glob("videos/step-*"))
    assert steps == [2000, STEPS]
