"""What a training leaves, and the engines."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import seed_everything

from lit_a3c import A3C, MLPBody, RolloutDataModule
from tests.cli.trainings import FIT, ROLLOUT, SERIAL, STEPS, assert_mp4, assert_same_policy
from tests.commands import RUN, Lightning, column, read, rows
from tests.trainers import quiet


def test_fit_leaves_its_files(trained: Path) -> None:
    run = trained / RUN
    assert {file.name for file in (trained / "runs").iterdir()} == {"CartPole-v1"}
    assert {"config.yaml", "metrics.csv", "checkpoints", "videos"} <= {file.name for file in run.iterdir()}
    assert {file.name for file in (run / "checkpoints").iterdir()} == {"last.ckpt", "best.ckpt"}
    assert list(run.glob("events.out.tfevents.*"))
    (video,) = run.glob("videos/*step-*")  # other tests record videos with predict
    best = torch.load(run / "checkpoints/best.ckpt", weights_only=True)["steps"]
    assert video.name.startswith(f"best-step-{best}-return-")
    assert_mp4(video)


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


def test_the_run_and_its_checkpoints_carry_the_config(trained: Path) -> None:
    in_run = yaml.safe_load((trained / RUN / "config.yaml").read_text())
    assert in_run["data"]["env_id"] == "CartPole-v1"
    assert in_run["data"]["total_steps"] == STEPS
    in_checkpoint = yaml.safe_load(read(trained / RUN / "checkpoints/last.ckpt")["config"])
    for section in ("engine", "num_workers", "model", "data", "trainer", "seed_everything", "last_checkpoint", "video"):
        assert in_checkpoint[section] == in_run[section], section


def test_checkpoints_hold_tensors_and_plain_types(trained: Path) -> None:
    for name, steps in (("last", STEPS), ("best", None)):
        checkpoint = read(trained / RUN / f"checkpoints/{name}.ckpt")
        assert checkpoint["spaces"]["env_id"] == "CartPole-v1"
        assert steps is None or checkpoint["steps"] == steps


def test_load_from_checkpoint_gives_the_trained_policy(trained: Path) -> None:
    file = trained / RUN / "checkpoints/last.ckpt"
    module = A3C.load_from_checkpoint(file)
    assert_same_policy(module, read(file))
    assert module.hparams["gae_lambda"] == 0.95


def test_load_from_checkpoint_of_a_config_with_another_network(cli: Lightning, tmp_path: Path) -> None:
    """The config's body comes back without being named again."""
    cli(*SERIAL, "--data.total_steps", "80", "--model.body.hidden", "[24,12]")
    file = tmp_path / RUN / "checkpoints/last.ckpt"
    module = A3C.load_from_checkpoint(file)
    assert [layer.out_features for layer in module.policy.encoder.body.layers[::2]] == [24, 12]
    assert_same_policy(module, read(file))


def test_load_from_checkpoint_of_the_python_api(tmp_path: Path) -> None:
    """Nothing is given again, and an option that changes no shape is there."""
    seed_everything(1, verbose=False)
    data = RolloutDataModule("CartPole-v1", total_steps=400, engine="serial", envs_per_worker=4)
    body = functools.partial(MLPBody, hidden=[32], activation="relu")
    module = A3C(data.spaces, body=body)
    trainer = quiet(limit_val_batches=0, default_root_dir=tmp_path)
    trainer.fit(module, datamodule=data)
    file = tmp_path / "mine.ckpt"
    trainer.save_checkpoint(file)
    again = A3C.load_from_checkpoint(file)
    assert_same_policy(again, read(file))
    observation = torch.randn(9, 4)
    for output, expected in zip(again.policy(observation), module.policy(observation), strict=True):
        output, expected = (getattr(x, "logits", x) for x in (output, expected))
        assert torch.equal(output, expected)


@pytest.mark.parametrize(("engine", "workers"), [("sync", 2), ("serial", 1)])
def test_other_engines_run(engine: str, workers: int, cli: Lightning, tmp_path: Path) -> None:
    out = cli(*FIT, "--engine", engine, "--num_workers", str(workers), "--trainer.logger.name", "try1")
    assert f"{engine}, {workers} workers" in out
    run = tmp_path / "runs/try1/version_0"
    assert read(run / "checkpoints/last.ckpt")["steps"] == STEPS
    assert column(run, "train/policy_lag")[1:] == [0.0] * (len(column(run, "train/policy_lag")) - 1)


def test_several_updates_of_one_rollout(cli: Lightning, tmp_path: Path) -> None:
    """Each has its own environments; the last of four learns from actions three updates old."""
    options = ["--data.num_minibatches", "4", "--trainer.log_every_n_steps", "20"]
    cli(*SERIAL, *options, "--trainer.logger.name", "try1")
    run = tmp_path / "runs/try1/version_0"
    checkpoint = read(run / "checkpoints/last.ckpt")
    assert checkpoint["steps"] == STEPS
    assert checkpoint["global_step"] == 4 * STEPS // ROLLOUT
    assert column(run, "train/policy_lag")[-1] == 1.5


def test_serial_is_reproducible(cli: Lightning, tmp_path: Path) -> None:
    """One seed gives one result to the bit, whatever else was logged; another seed gives another."""
    for i, seed in enumerate(("3", "3", "4")):
        cli(*SERIAL, "--data.total_steps=1600", "--seed_everything", seed, "--trainer.logger.name", f"{i}")
    first, second, third = (read(tmp_path / f"runs/{i}/version_0/checkpoints/last.ckpt") for i in range(3))
    for name, tensor in first["state_dict"].items():
        assert torch.equal(tensor, second["state_dict"][name]), name
    assert any(not torch.equal(tensor, third["state_dict"][name]) for name, tensor in first["state_dict"].items())
