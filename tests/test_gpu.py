"""One learner on a GPU, its actors on the CPU. Nothing runs here where there is none."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import seed_everything

from lit_a3c import A3C, GRU, BetaHead, MLPBody, RMSprop, RolloutData
from lit_a3c.collect import collect
from tests.commands import RUN, Lightning, column, read
from tests.test_collect import MODES, always, setting
from tests.toys import toy
from tests.trainers import quiet

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

GPU = ["--trainer.strategy", "auto", "--trainer.accelerator", "gpu"]
SMALL = [
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "10", "--data.eval_episodes", "2"),
    *("--trainer.val_check_interval", "20", "--data.test_episodes", "5", "--trainer.callbacks", "[]"),
    *("--trainer.callbacks+", "lightning.pytorch.callbacks.ModelCheckpoint", "--trainer.callbacks.filename", "best"),
    *("--trainer.callbacks+", "lit_a3c.callbacks.checkpoint.LastCheckpoint"),
]
FIT = ["fit", "--config", "cartpole.yaml", "--data.total_steps", "4000", "--data.num_workers", "2", *SMALL]


def train(accelerator: str, env_id: str, updates: int, mode: str = "serial", **model: Any) -> A3C:
    """The module after so many updates; serial, actors on the CPU draw the same for the same weights."""
    seed_everything(0, verbose=False)
    data = RolloutData(env_id, total_steps=40 * updates, mode=mode, num_workers=1, envs_per_worker=8)
    module = A3C(data.spec, data.total_steps, **model)
    trainer = quiet(accelerator=accelerator, devices=1, gradient_clip_val=0.5, limit_val_batches=0)
    trainer.fit(module, datamodule=data)
    return module


@pytest.mark.parametrize(
    ("env_id", "model"),
    [
        ("CartPole-v1", {"normalize_returns": True, "memory": functools.partial(GRU, hidden_size=16), "vtrace": True}),
        ("HalfCheetah-v5", {"head": BetaHead, "share_body": False, "body": functools.partial(MLPBody, normalize=True)}),
        ("ALE/Pong-v5", {}),
        (toy("Counter"), {"gae_lambda": 0.9}),
    ],
)
def test_updates_are_those_of_the_cpu(env_id: str, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, statistics and scale after ten updates from the same steps."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    on_cpu, on_gpu = (train(accelerator, env_id, 10, **model) for accelerator in ("cpu", "gpu"))
    start = train("cpu", env_id, 1, **model).state_dict()
    moved = [name for name, value in on_cpu.state_dict().items() if not torch.equal(value, start[name])]
    assert moved
    torch.testing.assert_close(
        {name: value.cpu() for name, value in on_gpu.state_dict().items()}, on_cpu.state_dict(), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("mode", MODES)
def test_pushed_weights_reach_the_actors(mode: str) -> None:
    """A pushed version arrives soon, and acts as it says."""
    config, policy = setting("CartPole-v1", mode, workers=2, envs=4, length=8)
    collection = collect(config, policy.cuda())
    try:
        assert set(collection.next().action.unique().tolist()) == {0, 1}
        for version, action in ((1, 0), (2, 1)):
            always(policy, action)
            collection.push()
            rollouts = (collection.next() for _ in range(12))
            rollout = next(rollout for rollout in rollouts if rollout.version == version)
            assert (rollout.action == action).all()
            assert rollout.observation.device.type == "cpu"
    finally:
        collection.close()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("mode", MODES)
def test_a_run_moves_between_gpu_and_cpu(mode: str, precision: str, cli: Lightning, tmp_path: Path) -> None:
    """Trained on one, gone on with on the other and back; the score is the same twice."""
    cli(*FIT, *GPU, "--data.mode", mode, "--trainer.precision", precision)
    checkpoint = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert checkpoint["steps"] >= 4_000
    assert len(column(tmp_path / RUN, "train/policy_loss")) > 1
    returns = []
    for accelerator in ("cpu", "gpu", "gpu"):
        cli("test", "--ckpt_path", str(tmp_path / RUN), "--trainer.accelerator", accelerator)
        returns.append(json.loads((tmp_path / RUN / "test-best.json").read_text())["returns"])
    assert returns[1] == returns[2]
    for steps, accelerator in ((6_000, "cpu"), (8_000, "gpu")):
        cli(
            *("fit", "--ckpt_path", str(tmp_path / RUN), "--data.total_steps", str(steps)),
            *("--trainer.accelerator", accelerator, "--trainer.precision", "32-true"),
        )
        assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] >= steps


@pytest.mark.learning
@pytest.mark.parametrize("mode", MODES)
def test_a_gpu_balances_the_pole(mode: str) -> None:
    """195 is what Gymnasium called solved; chance gives 20."""
    optimizer = functools.partial(RMSprop, lr=1e-3, eps=1e-5, initial_square=0.0)
    module = train("gpu", "CartPole-v1", 2_500, mode, gae_lambda=0.95, normalize_returns=True, optimizer=optimizer)
    assert module.meter.episodes()["return"] > 195
