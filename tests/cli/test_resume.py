"""A training goes on where it stopped."""

from __future__ import annotations

import copy
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_a3c import A3C
from lit_a3c.cli.main import main
from tests.cli.trainings import FIT, ROLLOUT, SERIAL, SMALL, STEPS, assert_equal
from tests.commands import RUN, Lightning, column, launch, read, rows
from tests.dummy_envs import dummy

MINIGRID = ["--data.env_id", "minigrid:MiniGrid-DoorKey-5x5-v0", "--data.wrappers+", "minigrid.wrappers.ImgObsWrapper"]
"""Every episode has another room."""
needs_minigrid = pytest.mark.skipif(importlib.util.find_spec("minigrid") is None, reason="minigrid is not installed")


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a resumed training starts from, filled when it starts."""
    state: dict[str, Any] = {}
    original = A3C.on_train_start

    def record(self: A3C) -> None:
        original(self)
        (optimizer,) = self.trainer.optimizers
        state["steps"] = self.steps
        state["global_step"] = self.trainer.global_step
        state["state_dict"] = copy.deepcopy(self.state_dict())
        state["optimizer"] = copy.deepcopy(optimizer.state_dict())
        state["schedule"] = copy.deepcopy(self.trainer.lr_scheduler_configs[0].scheduler.state_dict())
        (best,) = (one for one in self.trainer.checkpoint_callbacks if isinstance(one, ModelCheckpoint))
        state["best"] = float("nan" if best.best_model_score is None else best.best_model_score)
        state["hparams"] = dict(self.hparams)

    monkeypatch.setattr(A3C, "on_train_start", record)
    return state


def test_resuming_goes_on_where_it_stopped(cli: Lightning, restored: dict[str, Any], tmp_path: Path) -> None:
    """By ``last``, by the run's directory and by the file: same directory, same state, no row lost."""
    run = tmp_path / RUN
    last = run / "checkpoints/last.ckpt"
    cli(*FIT, "--trainer.max_steps", "20")
    assert read(last)["steps"] == 20 * ROLLOUT
    for given, updates in (("last", 30), (str(RUN), 40), (str(last), 50)):
        before, rows_before = read(last), rows(run)
        cli("fit", "--ckpt_path", given, "--trainer.max_steps", str(updates))
        assert_equal(restored["state_dict"], before["state_dict"])
        assert_equal(restored["optimizer"], before["optimizer_states"][0])
        assert_equal(restored["schedule"], before["lr_schedulers"][0])
        assert restored["steps"] == before["steps"]
        assert restored["global_step"] == before["global_step"]
        scores = [float(row["val/return_mean"]) for row in rows_before if row["val/return_mean"]]
        assert restored["best"] == max(scores)
        assert read(last)["steps"] == updates * ROLLOUT
        after = rows(run)
        assert [row["step"] for row in after[: len(rows_before)]] == [row["step"] for row in rows_before]
        assert len(after) > len(rows_before)
        assert float(after[len(rows_before)]["step"]) > before["steps"]
        assert float(after[len(rows_before)]["seconds"]) > before["seconds"] > 0
    assert [file.name for file in (tmp_path / "runs/CartPole-v1").iterdir()] == ["version_0"]
    assert {file.name for file in (run / "checkpoints").iterdir()} == {"last.ckpt", "previous.ckpt", "best.ckpt"}
    steps = [float(row["step"]) for row in rows(run) if row["train/learning_rate"]]
    assert steps == [10 * ROLLOUT * i for i in range(1, 6)]
    rates = column(run, "train/learning_rate")
    assert rates == pytest.approx([1e-3 * (1 - step / STEPS) for step in steps], abs=1.1e-3 * ROLLOUT / STEPS)
    assert not list(run.glob("**/*-v1.ckpt"))


def test_a_run_goes_on_with_its_own_config_named_beside_it(cli: Lightning, tmp_path: Path) -> None:
    """The config holds ``ckpt_path: null``, which does not make the training begin anew."""
    run = tmp_path / RUN
    cli(*FIT, "--trainer.max_steps", "20")
    again = ("--trainer.max_steps", "30", "--trainer.logger.version", run.name)
    cli("fit", "--ckpt_path", str(run), "--config", str(run / "config.yaml"), *again)
    assert read(run / "checkpoints/last.ckpt")["steps"] == 30 * ROLLOUT


def test_a_finished_run_can_be_trained_for_longer(cli: Lightning, tmp_path: Path) -> None:
    cli(*SERIAL, "--data.total_steps", "800")
    cli("fit", "--ckpt_path", "last", "--data.total_steps", "2400")
    run = tmp_path / RUN
    assert read(run / "checkpoints/last.ckpt")["steps"] == 2400
    assert [float(row["step"]) for row in rows(run) if row["train/policy_loss"]] == [800, 1600, 2400]
    rate = {float(row["step"]): float(row["train/learning_rate"]) for row in rows(run) if row["train/learning_rate"]}
    # Of the new, longer training a third is over, not all.
    assert rate[1600.0] == pytest.approx(1e-3 * (1 - 1600 / 2400), abs=1.1e-3 * ROLLOUT / 2400)


def test_resuming_a_finished_run_ends_at_once(trained: Path, tmp_path: Path) -> None:
    """There is nothing to do, and the command does not wait for it for ever."""
    run = tmp_path / RUN
    shutil.copytree(trained / RUN, run)
    try:
        done = launch("fit", "--ckpt_path", "last", cwd=tmp_path, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.fail("still running after two minutes")
    assert done.returncode == 2
    assert done.stderr == "lit-a3c: the run has finished its 4,000 steps. Give it more with --data.total_steps.\n"
    assert read(run / "checkpoints/last.ckpt")["steps"] == STEPS


def test_options_override_the_checkpoint(cli: Lightning, restored: dict[str, Any], tmp_path: Path) -> None:
    """Lightning would keep the values of the checkpoint without a message."""
    cli(*SERIAL, "--trainer.max_steps", "5")
    cli(
        *("fit", "--ckpt_path", "last", "--trainer.max_steps", "-1", "--data.total_steps", "1600"),
        *("--model.entropy_coef", "0.5", "--data.rollout_length", "10", "--model.optimizer.lr", "0.002"),
    )
    checkpoint = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert restored["hparams"]["entropy_coef"] == checkpoint["hyper_parameters"]["entropy_coef"] == 0.5
    config = yaml.safe_load(checkpoint["config"])
    assert config["data"]["rollout_length"] == 10
    assert config["model"]["optimizer"]["init_args"]["lr"] == 0.002
    group = restored["optimizer"]["param_groups"][0]
    assert group["initial_lr"] == 0.002
    assert group["lr"] == pytest.approx(0.002 * (1 - 400 / 1600))
    assert checkpoint["steps"] == 1680  # 5 * 80, and then 160 a rollout until 1600 are reached


def test_a_resumed_run_can_have_a_directory_of_its_own(cli: Lightning, tmp_path: Path) -> None:
    cli(*SERIAL, "--trainer.max_steps", "5")
    resume = ["fit", "--ckpt_path", "last", "--trainer.max_steps", "8"]
    cli(*resume, "--trainer.logger.name", "other")
    assert read(tmp_path / "runs/other/version_0/checkpoints/last.ckpt")["steps"] == 8 * ROLLOUT
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 5 * ROLLOUT


def test_a_resumed_run_may_have_another_engine(cli: Lightning, tmp_path: Path) -> None:
    """The checkpoint's own config names the first one, and the command line the second."""
    cli(*SERIAL, "--trainer.max_steps", "5")
    with pytest.warns(match="episodes begin anew"):
        out = cli("fit", "--ckpt_path", "last", "--trainer.max_steps", "8", "--engine", "sync", "--num_workers", "1")
    assert "sync, 1 workers" in out
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 8 * ROLLOUT


def environments(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The state of the train loader: of environments, of draws, and of what is still to be learned from."""
    (state,) = checkpoint["loops"]["fit_loop"]["state_dict"]["combined_loader"]
    return dict(state)


@pytest.mark.parametrize(
    ("workers", "options"),
    [
        (2, ["--config", "cartpole.yaml", *SMALL]),
        (1, ["--config", "cartpole.yaml", *SMALL, "--model.recurrent", "LSTM", "--model.recurrent.hidden_size", "8"]),
        (1, ["--config", "mujoco.yaml", *SMALL, "--data.env_id", "Hopper-v5"]),
        (1, ["--config", "mujoco.yaml", *SMALL, "--data.env_id", "FrozenLake-v1"]),
        (2, ["--config", "mujoco.yaml", *SMALL, "--data.env_id", dummy("Clues")]),
        (1, ["--config", "cartpole.yaml", *SMALL, "--data.wrappers+", "TimeAwareObservation"]),
        pytest.param(1, ["--config", "cartpole.yaml", *SMALL, *MINIGRID], marks=needs_minigrid),
        pytest.param(1, ["--config", "atari.yaml", *SMALL, "--data.atari.sticky", "0.25"], marks=pytest.mark.campaign),
    ],
    ids=["cartpole", "lstm", "hopper", "lake", "clues", "wrapped", "minigrid", "pong"],
)
def test_a_resumed_serial_run_is_the_uninterrupted_one(
    cli: Lightning, tmp_path: Path, workers: int, options: list[str]
) -> None:
    """To the bit, from the middle of the training and of a rollout, and though only the resumed run validates."""
    saving = ["--last_checkpoint.every_n_updates", "7", "--video.every_n_steps", "-1"]
    fit = ["fit", *options, "--engine", "serial", "--num_workers", str(workers), *saving]
    steps = 4 * 20 * workers
    budget = ["--data.rollout_length", "4", "--data.total_steps", str(steps), "--trainer.val_check_interval", "1000"]
    cli(*fit, *budget, "--data.envs_per_worker", "3", "--data.num_minibatches", "3")
    [last] = tmp_path.rglob("last.ckpt")
    before, whole = read(last.with_name("previous.ckpt")), read(last)
    assert before["global_step"] < whole["global_step"]
    assert before["global_step"] % 3, "in the middle of a rollout"
    validating = ["--trainer.val_check_interval", "10", "--data.eval_episodes", "1"] if "LSTM" in options else []
    trust = ["--trust_checkpoint"] if any(":" in option for option in options) else []
    previous = str(last.with_name("previous.ckpt"))
    cli("fit", "--ckpt_path", previous, "--trainer.logger.name", "resumed", *validating, *trust)
    resumed = read(tmp_path / "runs/resumed/version_0/checkpoints/last.ckpt")
    assert_equal(resumed["state_dict"], whole["state_dict"])
    assert_equal(resumed["optimizer_states"], whole["optimizer_states"])
    assert_equal(environments(resumed), environments(whole))
    assert environments(whole)
    assert (resumed["steps"], resumed["recent_episodes"]) == (whole["steps"], whole["recent_episodes"])
    assert resumed["global_step"] == whole["global_step"]


def test_a_rollout_that_an_error_broke_off_is_not_gone_on_with(tmp_path: Path, cli: Lightning) -> None:
    """The broken rollout was not learned from; a resumed run begins new episodes."""
    task = ["--data.env_id", dummy("Poisoned"), "--data.env_kwargs", "{at: 23}"]
    task += ["--trainer.logger.name", "CartPole-v1", "--trainer.limit_val_batches", "0"]
    assert main([*SERIAL, *task]) == 1
    last = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert last["steps"] == 4 * ROLLOUT
    assert not environments(last)
    cli("fit", "--ckpt_path", "last", "--trust_checkpoint", "--data.total_steps", str(8 * ROLLOUT))


def test_episodes_begin_anew_in_other_environments(cli: Lightning, tmp_path: Path) -> None:
    cli(*SERIAL, "--trainer.max_steps", "5")
    with pytest.warns(match="episodes begin anew"):
        cli("fit", "--ckpt_path", "last", "--trainer.max_steps", "8", "--data.envs_per_worker", "3")
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 5 * ROLLOUT + 3 * 15
