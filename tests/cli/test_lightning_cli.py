"""What Lightning's own classes refuse, and what is refused before a run has a directory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_a3c.cli.main import main
from tests.cli.conftest import Refused
from tests.cli.trainings import SERIAL

SHORT = [*SERIAL, "--data.total_steps", "1", "--data.envs_per_worker", "1"]
TIMER = ["--trainer.callbacks+=Timer", "--trainer.callbacks.duration"]

CLASSES = {
    # name: (arguments, what the message must say)
    "callback of a package that is not there": (
        ["--trainer.callbacks+=RichProgressBar"],
        ["RichProgressBar cannot be made: ", "requires `rich`"],
    ),
    "two options of a callback": (
        ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.save_top_k", "2"],
        ["save_top_k=2, monitor=None"],
    ),
    "option of a callback": (
        [*TIMER, "soon"],
        ["`Timer(duration='soon')` is not a valid duration"],
    ),
    "number among callbacks": (["--trainer.callbacks", "[Timer, 3]"], ["trainer.callbacks '3' is no Callback"]),
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_that_cannot_be_made_says_why(name: str, refused: Refused) -> None:
    """The reason is that of the class itself."""
    arguments, words = CLASSES[name]
    message = refused(*SHORT, *arguments)
    assert "Union" not in message
    for word in words:
        assert word in message


def test_a_default_may_be_a_member_of_an_enumeration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of Lightning's ``Timer`` is. The config of the run has it as text."""
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, *TIMER, "00:01:00:00"]) == 0
    config = yaml.safe_load(Path("runs/CartPole-v1/version_0/config.yaml").read_text())
    assert config["trainer"]["callbacks"][0]["init_args"]["interval"] == "step"


EARLY = {
    # name: (arguments, what the message must say)
    "rate": (["--model.optimizer.lr", "-1"], ["model.optimizer.lr -1.0 must be a number above 0"]),
    "option of an optimizer": (
        ["--model.optimizer", "Adam", "--model.optimizer.betas", "[0.9, 2]"],
        ["model.optimizer cannot be made: ", "2.0"],
    ),
    "optimizer of sparse gradients": (
        ["--model.optimizer", "SparseAdam"],
        ["model.optimizer SparseAdam cannot be used: ", "dense gradients"],
    ),
    "monitor of the best checkpoint": (
        ["--best_checkpoint.monitor", "val/retrun_mean"],
        ["the monitor of ModelCheckpoint 'val/retrun_mean'", "Did you mean 'val/return_mean'?"],
    ),
    "monitor of a callback": (
        ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor", "nosuch"],
        ["the monitor of EarlyStopping 'nosuch'", "val/return_mean, val/return_sd, val/episode_length"],
    ),
    "directory of the best checkpoint": (
        ["--best_checkpoint.dirpath", "/dev/null/x"],
        ["'/dev/null/x' cannot be written to"],
    ),
    "directory of another checkpoint": (
        ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.dirpath", "/dev/null/x"],
        ["'/dev/null/x' cannot be written to"],
    ),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_refusal_leaves_no_run(name: str, refused: Refused, tmp_path: Path) -> None:
    arguments, words = EARLY[name]
    message = refused(*SHORT, *arguments)
    for word in words:
        assert word in message
    assert not list(tmp_path.glob("runs/**/*.*"))


def test_what_lightning_refuses_of_slurm_is_one_line(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NTASKS": "2", "JOB_NAME": "train", "JOB_ID": "5", "NODEID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert refused(*SHORT).startswith("You set `--ntasks=2` in your SLURM bash script")


class Logging(Callback):
    """Logs a metric of its own."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.callback_metrics["mine"] = torch.zeros(())


def test_a_callback_may_log_what_another_waits_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = ["--trainer.callbacks+=tests.cli.test_lightning_cli.Logging"]
    assert main([*SHORT, *mine, "--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor", "mine"]) == 0


def test_what_lightning_raises_during_a_run_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A callback of the user's own may log any metric, so this one is noticed at the first validation."""
    monkeypatch.chdir(tmp_path)
    mine = ["--trainer.callbacks+=tests.cli.test_lightning_cli.Logging"]
    assert main([*SHORT, *mine, "--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor", "nosuch"]) == 1
    message = capfd.readouterr().err
    assert message.startswith(
        "lit-a3c: the run has failed: RuntimeError: Early stopping conditioned on metric `nosuch`"
    )
    assert len(message.splitlines()) == 1


def test_a_rollout_that_is_longer_than_the_training_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, "--data.rollout_length", "7"]) == 0
    assert "CartPole-v1, 1 steps (one rollout has 7), serial" in capfd.readouterr().out


def test_an_optimizer_that_needs_a_closure_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*SHORT, "--model.optimizer", "LBFGS"]) == 0
