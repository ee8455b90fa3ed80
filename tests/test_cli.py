"""The command line end to end: train, score, film, resume, interrupt."""

from __future__ import annotations

import copy
import functools
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import seed_everything

from lit_a3c import A3C, MLPBody, RolloutData
from lit_a3c.main import main
from lit_a3c.recipes import shipped_recipes
from tests.commands import RUN, Lightning, alive, column, launch, living, read, rows, shared_memory, started, wait_for
from tests.toys import toy
from tests.trainers import quiet

STEPS, ROLLOUT = 4_000, 80
SMALL = [
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "10"),
    *("--trainer.val_check_interval", "20", "--data.eval_episodes", "2", "--data.test_episodes", "20"),
]
FIT = ["fit", "--config", "cartpole.yaml", "--data.total_steps", str(STEPS), *SMALL]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the shipped CartPole recipe was trained for a few steps, by a process of its own."""
    directory = tmp_path_factory.mktemp("trained")
    done = launch(*FIT, cwd=directory, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "CartPole-v1, 4,000 steps, async" in done.stdout
    assert str(RUN) in done.stdout
    return directory


# What a training leaves


def test_fit_leaves_its_files(trained: Path) -> None:
    run = trained / RUN
    assert {file.name for file in (trained / "runs").iterdir()} == {"CartPole-v1"}
    assert {"config.yaml", "metrics.csv", "checkpoints", "videos"} <= {file.name for file in run.iterdir()}
    assert {file.name for file in (run / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    assert list(run.glob("events.out.tfevents.*"))
    (video,) = (run / "videos").iterdir()
    assert video.name.startswith(f"step-{STEPS}-return-")
    assert_mp4(video)


def assert_mp4(file: Path) -> None:
    assert file.suffix == ".mp4"
    assert file.read_bytes()[4:8] == b"ftyp"


def test_metrics_have_steps_as_their_axis(trained: Path) -> None:
    run = trained / RUN
    learning = ["policy_loss", "value_loss", "entropy", "explained_variance", "grad_norm", "policy_lag"]
    others = ["return", "episode_length", "steps_per_second", "learning_rate", "steps_in_flight", "steps_discarded"]
    columns = {"step", "frames", "seconds", "val/return_mean", "val/return_sd", "val/episode_length"}
    columns |= {f"train/{name}" for name in learning + others}
    assert set(rows(run)[0]) == columns
    steps = column(run, "step")
    assert steps == sorted(steps)
    assert steps == column(run, "frames")
    trained_at = [float(row["step"]) for row in rows(run) if row["train/policy_loss"]]
    assert trained_at == [10 * ROLLOUT * i for i in range(1, 6)]
    assert [float(row["step"]) for row in rows(run) if row["val/return_mean"]] == [1600, 3200, STEPS]
    # The rate that the last update of each interval used, or the one to come.
    rates = column(run, "train/learning_rate")
    assert rates == pytest.approx([1e-3 * (1 - step / STEPS) for step in trained_at], abs=1.1e-3 * ROLLOUT / STEPS)
    for lag in column(run, "train/policy_lag"):
        assert 0 <= lag <= 8


def test_config_in_the_run_is_the_recipe(trained: Path) -> None:
    config = yaml.safe_load((trained / RUN / "config.yaml").read_text())
    assert config["data"]["env_id"] == "CartPole-v1"
    assert config["data"]["total_steps"] == STEPS
    recipe = yaml.safe_load(read(trained / RUN / "checkpoints/last.ckpt")["recipe"])
    for section in ("model", "data", "trainer", "seed_everything"):
        assert recipe[section] == config[section]


def test_checkpoints_hold_tensors_and_plain_types(trained: Path) -> None:
    for name, steps in (("last", STEPS), ("best", None)):
        checkpoint = read(trained / RUN / f"checkpoints/{name}.ckpt")
        assert checkpoint["spec"]["env_id"] == "CartPole-v1"
        assert steps is None or checkpoint["steps"] == steps


def test_load_from_checkpoint_gives_the_trained_policy(trained: Path) -> None:
    file = trained / RUN / "checkpoints/last.ckpt"
    module = A3C.load_from_checkpoint(file)
    assert_same_policy(module, read(file))
    assert module.hparams["gae_lambda"] == 0.95


def assert_same_policy(module: A3C, checkpoint: dict[str, Any]) -> None:
    weights = module.state_dict()
    assert weights.keys() == checkpoint["state_dict"].keys()
    for name, tensor in checkpoint["state_dict"].items():
        assert torch.equal(weights[name], tensor), name
    assert module.spec.env_id == checkpoint["spec"]["env_id"]


def test_load_from_checkpoint_of_a_recipe_with_another_network(cli: Lightning, tmp_path: Path) -> None:
    """The recipe's body comes back without being named again."""
    cli(*FIT, "--data.total_steps", "80", "--data.mode", "serial", "--model.body.hidden", "[24,12]")
    file = tmp_path / RUN / "checkpoints/last.ckpt"
    module = A3C.load_from_checkpoint(file)
    assert [layer.out_features for layer in module.policy.trunk.body.layers[::2]] == [24, 12]
    assert_same_policy(module, read(file))


def test_load_from_checkpoint_of_the_python_api(tmp_path: Path) -> None:
    """A factory is code, so it is passed again; the policy is the same."""
    seed_everything(1, verbose=False)
    data = RolloutData("CartPole-v1", total_steps=400, mode="serial", envs_per_worker=4)
    body = functools.partial(MLPBody, hidden=[32])
    module = A3C(data.spec, 400, body=body)
    trainer = quiet(limit_val_batches=0, default_root_dir=tmp_path)
    trainer.fit(module, datamodule=data)
    file = tmp_path / "mine.ckpt"
    trainer.save_checkpoint(file)
    again = A3C.load_from_checkpoint(file, body=body)
    assert_same_policy(again, read(file))
    observation = torch.randn(9, 4)
    for output, expected in zip(again.policy(observation), module.policy(observation), strict=True):
        output, expected = (getattr(x, "logits", x) for x in (output, expected))
        assert torch.equal(output, expected)


# Playing


def test_test_writes_the_score(trained: Path, cli: Lightning) -> None:
    """From the run's directory alone; as many episodes as asked for."""
    out = cli("test", "--ckpt_path", str(trained / RUN))
    score = json.loads((trained / RUN / "test-best.json").read_text())
    keys = {"env_id", "episodes", "mean", "sd", "ci95", "median", "length", "steps", "frames"}
    assert set(score) == keys | {"deterministic", "trained_steps", "returns", "checkpoint"}
    assert score["episodes"] == len(score["returns"]) == 20
    assert score["mean"] == pytest.approx(sum(score["returns"]) / 20)
    assert score["ci95"][0] <= score["mean"] <= score["ci95"][1]
    assert score["steps"] == score["frames"] == sum(score["returns"])  # CartPole pays 1 a step
    assert score["checkpoint"] == str(trained / RUN / "checkpoints/best.ckpt")
    assert 0 < score["trained_steps"] <= STEPS
    assert score["deterministic"] is True
    assert f"{score['mean']:.2f}" in out
    assert "test-best.json" in out


def test_test_of_the_last_checkpoint_and_fewer_episodes(trained: Path, cli: Lightning) -> None:
    cli("test", "--ckpt_path", str(trained / RUN / "checkpoints/last.ckpt"), "--data.test_episodes=3")
    score = json.loads((trained / RUN / "test-last.json").read_text())
    assert (score["episodes"], score["trained_steps"]) == (3, STEPS)


def test_test_is_reproducible(trained: Path, cli: Lightning) -> None:
    returns = []
    for _ in range(2):
        cli("test", f"--ckpt_path={trained / RUN}", "--data.test_episodes=5")
        returns.append(json.loads((trained / RUN / "test-best.json").read_text())["returns"])
    assert returns[0] == returns[1]


def test_validate_prints_the_score_and_starts_no_run(trained: Path, cli: Lightning, tmp_path: Path) -> None:
    out = cli("validate", "--ckpt_path", str(trained / RUN))
    assert "CartPole-v1" in out
    assert "return, mean" in out
    assert not list(tmp_path.iterdir())


def test_predict_films(trained: Path, cli: Lightning) -> None:
    """The film's name holds its return; CartPole pays 1 a step, so it is a whole number."""
    out = cli("predict", "--ckpt_path", str(trained / RUN), "--data.predict_episodes", "2")
    films = sorted((trained / RUN / "videos").glob("predict-*.mp4"))
    assert [film.name.split("-return-")[0] for film in films] == ["predict-0", "predict-1"]
    for film in films:
        assert_mp4(film)
        assert str(film) in out
        ret = float(film.stem.rpartition("-return-")[2])
        assert ret == int(ret) > 0


# Recipes


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_parses_and_prints_itself(name: str, cli: Lightning) -> None:
    """What is printed is a recipe itself, and prints the same again."""
    printed = cli("fit", "--config", name, "--print_config")
    Path("mine.yaml").write_text(printed)
    assert cli("fit", "--config", "mine.yaml", "--print_config") == printed
    recipe, shipped = yaml.safe_load(printed), yaml.safe_load(shipped_recipes()[name].read_text())
    assert recipe["data"]["env_id"] == shipped["data"]["env_id"]
    assert recipe["model"]["gamma"] == shipped["model"]["gamma"]


def test_a_local_recipe_comes_before_the_shipped_one(cli: Lightning) -> None:
    Path("cartpole.yaml").write_text("data: {env_id: Acrobot-v1}\n")
    printed = yaml.safe_load(cli("fit", "--config", "cartpole.yaml", "--print_config"))
    assert printed["data"]["env_id"] == "Acrobot-v1"
    shorter = yaml.safe_load(cli("fit", "--config=mujoco", "--print_config"))
    assert shorter["data"]["env_id"] == "HalfCheetah-v5"


def test_options_override_the_recipe_wherever_they_stand(cli: Lightning) -> None:
    printed = yaml.safe_load(cli("fit", "--data.mode", "sync", "--config", "cartpole.yaml", "--print_config"))
    after = yaml.safe_load(cli("fit", "--config", "cartpole.yaml", "--data.mode", "sync", "--print_config"))
    assert after["data"]["mode"] == "sync"
    assert printed["data"]["mode"] == "sync"
    later = yaml.safe_load(cli("fit", "--data.rollout_length", "3", "--config", "cartpole.yaml", "--print_config"))
    assert later["data"]["rollout_length"] == 5  # jsonargparse: what comes later wins


# Modes


@pytest.mark.parametrize(("mode", "workers"), [("sync", 2), ("serial", 1)])
def test_other_modes_run(mode: str, workers: int, cli: Lightning, tmp_path: Path) -> None:
    out = cli(*FIT, "--data.mode", mode, "--data.num_workers", str(workers), "--trainer.logger.name", "try1")
    assert f"{mode}, {workers} workers" in out
    run = tmp_path / "runs/try1/version_0"
    assert read(run / "checkpoints/last.ckpt")["steps"] == STEPS
    assert column(run, "train/policy_lag")[1:] == [0.0] * (len(column(run, "train/policy_lag")) - 1)


def test_several_updates_of_one_rollout(cli: Lightning, tmp_path: Path) -> None:
    """Each has its own environments; the last of four learns from actions three updates old."""
    options = ["--data.mode", "serial", "--data.updates_per_rollout", "4", "--trainer.log_every_n_steps", "20"]
    cli(*FIT, *options, "--trainer.logger.name", "try1")
    run = tmp_path / "runs/try1/version_0"
    checkpoint = read(run / "checkpoints/last.ckpt")
    assert checkpoint["steps"] == STEPS
    assert checkpoint["global_step"] == 4 * STEPS // ROLLOUT
    assert column(run, "train/policy_lag")[-1] == 1.5


def test_serial_is_reproducible(cli: Lightning, tmp_path: Path) -> None:
    """One seed, one result to the bit, whatever else was logged; another seed gives another."""
    for i, seed in enumerate(("3", "3", "4")):
        cli(
            *FIT,
            "--data.mode=serial",
            "--data.total_steps=1600",
            "--seed_everything",
            seed,
            "--trainer.logger.name",
            f"{i}",
        )
    first, second, third = (read(tmp_path / f"runs/{i}/version_0/checkpoints/last.ckpt") for i in range(3))
    for name, tensor in first["state_dict"].items():
        assert torch.equal(tensor, second["state_dict"][name]), name
    assert any(not torch.equal(tensor, third["state_dict"][name]) for name, tensor in first["state_dict"].items())


# Going on


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
        state["best"] = float(self.trainer.checkpoint_callbacks[0].best_model_score or "nan")  # type: ignore[attr-defined]
        state["hparams"] = dict(self.hparams)

    monkeypatch.setattr(A3C, "on_train_start", record)
    return state


def assert_equal(given: Any, expected: Any, where: str = "") -> None:
    """Nested containers of tensors and plain values."""
    if isinstance(expected, dict):
        assert given.keys() == expected.keys(), where
        for key in expected:
            assert_equal(given[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list | tuple):
        assert len(given) == len(expected), where
        for i, pair in enumerate(zip(given, expected, strict=True)):
            assert_equal(*pair, f"{where}[{i}]")
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(given, expected), where
    else:
        assert given == expected, where


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


def test_a_finished_run_can_be_trained_for_longer(cli: Lightning, tmp_path: Path) -> None:
    cli(*FIT, "--data.total_steps", "800")
    cli("fit", "--ckpt_path", "last", "--data.total_steps", "2400")
    run = tmp_path / RUN
    assert read(run / "checkpoints/last.ckpt")["steps"] == 2400
    assert [float(row["step"]) for row in rows(run) if row["train/policy_loss"]] == [800, 1600, 2400]
    rate = {float(row["step"]): float(row["train/learning_rate"]) for row in rows(run) if row["train/learning_rate"]}
    # Of the new, longer training a third is over, not all.
    assert rate[1600.0] == pytest.approx(1e-3 * (1 - 1600 / 2400), abs=1.1e-3 * ROLLOUT / 2400)


def test_resuming_a_finished_run_ends_at_once(trained: Path, tmp_path: Path) -> None:
    """There is nothing to do, and that is not a reason to spin for ever."""
    run = tmp_path / RUN
    run.parent.mkdir(parents=True)
    subprocess.run(["cp", "-r", trained / RUN, run], check=True)
    try:
        done = launch("fit", "--ckpt_path", "last", cwd=tmp_path, timeout=30)
    except subprocess.TimeoutExpired:
        pytest.fail("still running after 30 s")
    assert done.returncode in (0, 2)
    assert "Traceback" not in done.stderr
    assert read(run / "checkpoints/last.ckpt")["steps"] == STEPS


def test_options_override_the_checkpoint(cli: Lightning, restored: dict[str, Any], tmp_path: Path) -> None:
    """Lightning would keep the checkpoint's values without a word."""
    cli(*FIT, "--trainer.max_steps", "5")
    cli(
        *("fit", "--ckpt_path", "last", "--trainer.max_steps", "-1", "--data.total_steps", "1600"),
        *("--model.entropy_coef", "0.5", "--data.rollout_length", "10", "--model.optimizer.lr", "0.002"),
    )
    checkpoint = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert restored["hparams"]["entropy_coef"] == checkpoint["hyper_parameters"]["entropy_coef"] == 0.5
    recipe = yaml.safe_load(checkpoint["recipe"])
    assert recipe["data"]["rollout_length"] == 10
    assert recipe["model"]["optimizer"]["init_args"]["lr"] == 0.002
    group = restored["optimizer"]["param_groups"][0]
    assert group["initial_lr"] == 0.002
    assert group["lr"] == pytest.approx(0.002 * (1 - 400 / 1600))
    assert checkpoint["steps"] == 1680  # 5 * 80, and then 160 a rollout until 1600 are reached


def test_a_resumed_run_can_have_a_directory_of_its_own(cli: Lightning, tmp_path: Path) -> None:
    cli(*FIT, "--trainer.max_steps", "5", "--data.mode", "serial")
    resume = ["fit", "--ckpt_path", "last", "--trainer.max_steps", "8"]
    cli(*resume, "--trainer.logger.name", "other")
    assert read(tmp_path / "runs/other/version_0/checkpoints/last.ckpt")["steps"] == 8 * ROLLOUT
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 5 * ROLLOUT


@pytest.mark.parametrize(
    "options",
    [
        ["--config", "cartpole.yaml", *SMALL, "--data.updates_per_rollout", "3", "--data.num_workers", "2"],
        ["--config", "cartpole.yaml", *SMALL, "--model.memory", "lit_a3c.LSTM", "--model.memory.hidden_size", "8"],
        ["--config", "mujoco.yaml", *SMALL, "--data.env_id", "Hopper-v5", "--trainer.devices", "1"],
        ["--config", "atari.yaml", *SMALL, "--data.atari.sticky", "0.25", "--data.envs_per_worker", "3"],
    ],
    ids=["cartpole", "lstm", "hopper", "pong"],
)
def test_a_resumed_serial_run_is_the_uninterrupted_one(cli: Lightning, tmp_path: Path, options: list[str]) -> None:
    """To the bit, from the middle of the training and of a rollout, and though only the resumed run validates."""
    saving = "{class_path: lit_a3c.callbacks.checkpoint.LastCheckpoint, init_args: {every_n_updates: 7}}"
    fit = ["fit", *options, "--trainer.strategy", "auto", "--data.mode", "serial", "--trainer.callbacks", f"[{saving}]"]
    steps = 4 * 20 * (2 if "cartpole" in str(options) else 1)
    budget = ["--data.rollout_length", "4", "--data.total_steps", str(steps), "--trainer.val_check_interval", "1000"]
    cli(*fit, *budget, "--data.envs_per_worker", "3", "--data.updates_per_rollout", "3")
    [last] = tmp_path.rglob("last.ckpt")
    before, whole = read(last.with_name("previous.ckpt")), read(last)
    assert before["global_step"] < whole["global_step"]
    assert before["global_step"] % 3, "in the middle of a rollout"
    validating = ["--trainer.val_check_interval", "10", "--data.eval_episodes", "1"] if "lstm" in str(options) else []
    cli("fit", "--ckpt_path", str(last.with_name("previous.ckpt")), "--trainer.logger.name", "resumed", *validating)
    resumed = read(tmp_path / "runs/resumed/version_0/checkpoints/last.ckpt")
    assert_equal(resumed["state_dict"], whole["state_dict"])
    assert_equal(resumed["optimizer_states"], whole["optimizer_states"])
    assert_equal(resumed["RolloutData"], whole["RolloutData"])
    assert (resumed["steps"], resumed["recent"]) == (whole["steps"], whole["recent"])
    assert resumed["global_step"] == whole["global_step"]


def test_a_rollout_that_an_error_broke_off_is_not_gone_on_with(tmp_path: Path, cli: Lightning) -> None:
    """What the environments did in it was not learned from; a resumed run begins new episodes."""
    task = ["--data.env_id", toy("Poisoned"), "--data.env_kwargs", "{at: 23}", "--data.mode", "serial"]
    callbacks = ["--trainer.callbacks", "[{class_path: lit_a3c.callbacks.checkpoint.LastCheckpoint}]"]
    task += ["--trainer.logger.name", "CartPole-v1", "--trainer.limit_val_batches", "0", *callbacks]
    assert main([*FIT, *task]) == 1
    last = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert last["steps"] == 4 * ROLLOUT
    assert "RolloutData" not in last
    cli("fit", "--ckpt_path", "last", "--data.total_steps", str(8 * ROLLOUT))


def test_episodes_begin_anew_in_other_environments(cli: Lightning, tmp_path: Path) -> None:
    cli(*FIT, "--data.mode", "serial", "--trainer.max_steps", "5")
    with pytest.warns(match="episodes begin anew"):
        cli("fit", "--ckpt_path", "last", "--trainer.max_steps", "8", "--data.envs_per_worker", "3")
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 5 * ROLLOUT + 3 * 15


# Damage


@pytest.fixture
def damaged(cli: Lightning, tmp_path: Path) -> Path:
    """A run whose ``last.ckpt`` is cut short."""
    for updates in ("12", "25"):
        cli(
            *FIT,
            "--data.mode",
            "serial",
            "--trainer.max_steps",
            updates,
            *(["--ckpt_path", "last"] if updates == "25" else []),
        )
    last = tmp_path / RUN / "checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    return last


def test_a_damaged_checkpoint_is_passed_over(cli: Lightning, damaged: Path, capfd: pytest.CaptureFixture[str]) -> None:
    previous = read(damaged.with_name("previous.ckpt"))
    assert 0 < previous["steps"] <= 25 * ROLLOUT
    assert main(["fit", "--ckpt_path", "last", "--trainer.max_steps", "30"]) == 0
    assert f"{damaged.name} is damaged; going on with" in capfd.readouterr().err
    assert read(damaged)["global_step"] == 30


def test_a_damaged_file_that_was_named_is_refused(damaged: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With its newest neighbour, and without a new run."""
    assert main(["fit", "--ckpt_path", str(damaged)]) == 2
    assert "best.ckpt' is whole" in capfd.readouterr().err
    assert len(list(Path("runs/CartPole-v1").iterdir())) == 1


def test_a_checkpoint_may_be_remote(cli: Lightning, tmp_path: Path) -> None:
    cli(*FIT, "--data.mode", "serial", "--trainer.max_steps", "5")
    url = (tmp_path / RUN / "checkpoints/last.ckpt").as_uri()
    assert "400 steps" in cli("test", "--ckpt_path", url, "--data.test_episodes", "2")
    assert main(["test", "--ckpt_path", "file:///nowhere/last.ckpt"]) == 2


# Stopping


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_leaves_nothing_behind(tmp_path: Path, cli: Lightning, signum: signal.Signals) -> None:
    """It reaches the whole process group, as from a terminal or a cluster."""
    before = shared_memory()
    run = tmp_path / RUN
    with started(tmp_path, *FIT, "--data.total_steps", "10_000_000") as process:
        wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 3, 60)
        os.killpg(process.pid, signum)
        assert process.wait(10) == 128 + signum
        wait_for(lambda: not alive(process.pid), 5)
        wait_for(lambda: not shared_memory() - before, 5)
    errors = (tmp_path / "stderr").read_text()
    assert errors.strip() == f"lit-a3c: {signum.name}: saving and stopping; once more ends at once."
    steps = read(run / "checkpoints/last.ckpt")["steps"]
    assert steps >= 10 * ROLLOUT
    cli("fit", "--ckpt_path", "last", "--data.total_steps", str(steps + 800))
    assert steps + 800 <= read(run / "checkpoints/last.ckpt")["steps"] < steps + 800 + ROLLOUT


def slow(tmp_path: Path, pause: float) -> list[str]:
    """Serial rollouts of twenty steps that take so many seconds each."""
    task = ["--data.env_id", toy("Counted"), "--data.env_kwargs", f"{{file: {tmp_path / 'steps'}, pause: {pause}}}"]
    size = ["--data.rollout_length", "20", "--data.envs_per_worker", "1", "--data.mode", "serial"]
    run = ["--trainer.logger.name", "CartPole-v1", "--trainer.log_every_n_steps", "1"]
    return [*FIT, *task, *size, *run, "--trainer.val_check_interval", "1000"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(tmp_path: Path, signum: signal.Signals) -> None:
    """The first waits for an update of several seconds, the second for nothing."""
    with started(tmp_path, *slow(tmp_path, pause=0.15)) as process:
        wait_for((tmp_path / RUN / "metrics.csv").exists, 60)
        process.send_signal(signum)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signum)
        assert process.wait(2) == 128 + signum


def test_a_signal_does_not_wait_for_a_long_update(tmp_path: Path) -> None:
    with started(tmp_path, *slow(tmp_path, pause=0.6)) as process:
        wait_for((tmp_path / RUN / "metrics.csv").exists, 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 143
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 20


def test_a_signal_breaks_off_an_evaluation(tmp_path: Path) -> None:
    """Of a hundred thousand episodes, here."""
    run = tmp_path / RUN
    options = ["--data.eval_episodes", "100_000", "--trainer.callbacks", "[]", "--data.mode", "serial"]
    with started(tmp_path, *FIT, *options, "--trainer.log_every_n_steps", "20") as process:
        wait_for((run / "metrics.csv").exists, 60)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert len(rows(run)) == 1


def test_a_signal_before_the_training_ends_at_once(tmp_path: Path) -> None:
    for wait in (0.3, 1.5):
        with started(tmp_path, *FIT) as process:
            time.sleep(wait)
            process.send_signal(signal.SIGINT)
            assert process.wait(5) in (130, -signal.SIGINT)  # the latter while the interpreter itself starts
    assert not (tmp_path / RUN / "metrics.csv").exists()


def test_workers_end_with_a_killed_learner(tmp_path: Path) -> None:
    """Within two seconds, in the middle of a step that takes a minute."""
    before, file = shared_memory(), tmp_path / "steps"
    slow = ["--data.env_id", toy("Counted"), "--data.env_kwargs", f"{{file: {file}, pause: 60}}"]
    with started(tmp_path, *FIT, *slow, "--data.num_workers", "2", "--data.envs_per_worker", "1") as process:
        wait_for(lambda: file.exists() and file.stat().st_size == 2, 60)
        process.kill()
        process.wait()
        wait_for(lambda: not living(process.pid), 2)
    assert not shared_memory() - before


def test_slurms_signal_saves_and_requeues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent to every process of the job, as ``scancel --signal`` may: Lightning saves and asks, and nobody ends."""
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho $* > {tmp_path}/requeued\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name, value in {"JOB_ID": "7", "JOB_NAME": "job", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    run = tmp_path / RUN
    with started(tmp_path, *FIT, "--data.total_steps", "10_000_000") as process:
        wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 3, 60)
        os.killpg(process.pid, signal.SIGUSR1)
        wait_for((tmp_path / "requeued").exists, 20)
        seen = len(rows(run))
        wait_for(lambda: len(rows(run)) > seen, 20)
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    (saved,) = tmp_path.glob("hpc_ckpt_*.ckpt")
    assert read(saved)["steps"] > 0


def test_pong_trains_within_twenty_seconds(tmp_path: Path) -> None:
    """From pressing enter to the first update, with the shipped recipe."""
    metrics = tmp_path / "runs/Pong-v5/version_0/metrics.csv"
    with started(tmp_path, "fit", "--config", "atari.yaml", "--trainer.log_every_n_steps", "1"):
        wait_for(lambda: metrics.exists() and "\n" in metrics.read_text().partition("\n")[2], 20)
