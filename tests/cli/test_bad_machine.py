"""What is said where the machine, a path or a number cannot work: one short message, and the exit code 2."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Refused
from tests.commands import Lightning
from tests.dummy_envs import dummy

SHORT = ["--data.total_steps", "1", "--data.envs_per_worker", "1", "--trainer.enable_progress_bar", "false"]
FIT = ["fit", "--config", "cartpole.yaml", "--engine", "serial", "--num_workers", "1", *SHORT]
HUGE, NAME = "1" + "0" * 400, "x" * 300

CASES: dict[str, tuple[list[str], list[str]]] = {
    # name: (arguments, what the message must say)
    "huge steps": ([*FIT, "--data.total_steps", HUGE], ["data.total_steps 1000", "401 characters", "whole number"]),
    "huger steps": ([*FIT, "--data.total_steps", HUGE * 11], ["data.total_steps"]),
    "huge environments": ([*FIT, "--data.envs_per_worker", HUGE], ["data.envs_per_worker", "at most 4096"]),
    "huge minibatches": ([*FIT, "--data.num_minibatches", HUGE], ["data.num_minibatches", "at most 9.2"]),
    "huge workers": ([*FIT, "--num_workers", HUGE], ["num_workers", "at most 1024"]),
    "huge seed": ([*FIT, "--seed_everything", HUGE], ["seed_everything", "at most 4.29497e+09"]),
    "huge interval": ([*FIT, "--video.every_n_steps", HUGE], ["video.every_n_steps", "at most 9.2"]),
    "huge log interval": ([*FIT, "--trainer.log_every_n_steps", HUGE], ["trainer.log_every_n_steps"]),
    "huge validation interval": ([*FIT, "--trainer.val_check_interval", HUGE], ["trainer.val_check_interval"]),
    "huge layer": ([*FIT, "--model.body.hidden", f"[{HUGE}]"], ["model.body.hidden"]),
    "huge float": ([*FIT, "--model.entropy_coef", "1e400"], ["model.entropy_coef"]),
    "huge float without exponent": ([*FIT, "--model.entropy_coef", HUGE], ["too large"]),
    "huge clip": ([*FIT, "--trainer.gradient_clip_val", HUGE], ["trainer.gradient_clip_val"]),
    "huge time": ([*FIT, "--data.worker_timeout", HUGE], ["too large"]),
    "huge learning rate": ([*FIT, "--model.optimizer.lr", HUGE], ["too large"]),
    "huge number in a config": (["fit", "--config", "huge.yaml", *SHORT[2:]], ["data.total_steps"]),
    "long environment": ([*FIT, "--data.env_id", NAME], ["data.env_id", "is not a registered environment"]),
    "long logger name": ([*FIT, "--trainer.logger.name", NAME], ["trainer.logger.name", "too long"]),
    "long directory": ([*FIT, "--trainer.logger.save_dir", NAME], ["trainer.logger.save_dir", "too long"]),
    "long checkpoint": (["test", "--ckpt_path", NAME], ["--ckpt_path", "too long"]),
    "long config": (["fit", "--config", NAME], ["--config", "too long"]),
    "checkpoint of nobody": (["test", "--ckpt_path", "~nosuchuser/x.ckpt"], ["--ckpt_path", "no user 'nosuchuser'"]),
    "config of nobody": (["fit", "--config", "~nosuchuser/x.yaml"], ["--config", "no user 'nosuchuser'"]),
    "directory of nobody": ([*FIT, "--trainer.logger.save_dir", "~nosuchuser/x"], ["no user 'nosuchuser'"]),
    "directory as config": (["fit", "--config", "directory"], ["--config 'directory'", "neither a file"]),
    "pipe as config": (["fit", "--config", "pipe"], ["--config 'pipe'", "neither a file"]),
    "pipe as checkpoint": (["test", "--ckpt_path", "pipe"], ["--ckpt_path 'pipe'"]),
    "binary config": (["fit", "--config", "binary.yaml"], ["--config 'binary.yaml'", "cannot be read"]),
    "empty Box": ([*FIT, "--data.env_id", dummy("EmptyBox")], ["DummyEmptyBox-v0", "empty"]),
    "empty Dict": ([*FIT, "--data.env_id", dummy("EmptyDict")], ["DummyEmptyDict-v0", "empty"]),
    "empty Tuple": ([*FIT, "--data.env_id", dummy("EmptyTuple")], ["DummyEmptyTuple-v0", "empty"]),
    "empty action": ([*FIT, "--data.env_id", dummy("EmptyAction")], ["DummyEmptyAction-v0", "empty"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_cannot_work_is_refused(name: str, refused: Refused) -> None:
    """Nothing is made in the directory, either."""
    Path("directory").mkdir()
    os.mkfifo("pipe")
    Path("binary.yaml").write_bytes(bytes(range(256)))
    Path("huge.yaml").write_text(f"data: {{env_id: CartPole-v1, total_steps: {HUGE}}}\nengine: serial\n")
    arguments, words = CASES[name]
    message = refused(*arguments)
    for word in words:
        assert word in message
    assert not [file for file in Path().rglob("*") if file.suffix in (".ckpt", ".csv")]


def test_a_single_action_is_trained(cli: Lightning) -> None:
    cli(*FIT, "--data.env_id", dummy("OneAction"), "--video.every_n_steps", "-1", "--trainer.limit_val_batches", "0")


def test_a_path_may_have_spaces_commas_equals_signs_and_other_letters(cli: Lightning, tmp_path: Path) -> None:
    """As the directory of the run, as its name, as a config and as a checkpoint."""
    strange = tmp_path / "a b, c=d [1] é中"
    strange.mkdir()
    config = strange / "my = config, ü.yaml"
    config.write_text("# größer\nbase: cartpole.yaml\nengine: serial\n", encoding="utf-8")
    options = ["--video.every_n_steps", "-1", "--data.eval_episodes", "1", "--trainer.logger.name", "run = 1, ä"]
    cli("fit", f"--config={config}", "--num_workers", "1", *SHORT, *options, "--trainer.logger.save_dir", str(strange))
    run = strange / "run = 1, ä" / "version_0"
    assert (run / "checkpoints/last.ckpt").is_file()
    assert "CartPole-v1" in cli("test", f"--ckpt_path={run}", "--data.test_episodes", "1")
