"""One learner on a GPU, with its actors on the CPU. Without a GPU all of these tests are skipped."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import seed_everything

from lit_a3c import A3C, GRU, BetaHead, MLPBody, RolloutDataModule
from lit_a3c.engines.registry import SOURCES
from lit_a3c.engines.staging import RolloutStaging
from lit_a3c.rollout import Rollout
from tests.commands import RUN, Lightning, column, read
from tests.devices import needs_gpu
from tests.dummy_envs import dummy
from tests.trainers import quiet

pytestmark = needs_gpu

STEPS = 4_000
FIT = [
    *("fit", "--config", "cartpole.yaml", "--data.total_steps", str(STEPS), "--num_workers", "2"),
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "10"),
    *("--trainer.val_check_interval", "20", "--data.eval_episodes", "2", "--data.test_episodes", "20"),
    *("--trainer.accelerator", "gpu"),
]


def train(accelerator: str, env_id: str, updates: int, rollouts: int = 1, **model: Any) -> A3C:
    """The module after so many updates with the engine serial, whose actors draw the same for the same weights."""
    seed_everything(0, verbose=False)
    steps = 40 * updates * rollouts
    data = RolloutDataModule(env_id, steps, "serial", envs_per_worker=8, rollouts_per_update=rollouts)
    module = A3C(data.spaces, **model)
    trainer = quiet(accelerator=accelerator, devices=1, gradient_clip_val=0.5, limit_val_batches=0)
    trainer.fit(module, datamodule=data)
    return module


@pytest.mark.parametrize(
    ("env_id", "model"),
    [
        (
            "CartPole-v1",
            {"normalize_returns": True, "recurrent": functools.partial(GRU, hidden_size=16), "vtrace": True},
        ),
        ("HalfCheetah-v5", {"head": BetaHead, "share_body": False, "body": functools.partial(MLPBody, normalize=True)}),
        ("ALE/Pong-v5", {}),
        (dummy("Counter"), {"gae_lambda": 0.9}),
    ],
)
def test_updates_are_those_of_the_cpu(env_id: str, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten updates from the same steps lead to the same weights, statistics and scale."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    on_cpu, on_gpu = (train(accelerator, env_id, 10, **model) for accelerator in ("cpu", "gpu"))
    start = train("cpu", env_id, 1, **model).state_dict()
    moved = [name for name, value in on_cpu.state_dict().items() if not torch.equal(value, start[name])]
    assert moved
    torch.testing.assert_close(
        {name: value.cpu() for name, value in on_gpu.state_dict().items()}, on_cpu.state_dict(), rtol=1e-3, atol=1e-5
    )


def test_updates_of_several_rollouts_are_those_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three rollouts each, which reach the GPU in one copy from page-locked memory. Some episodes are cut short."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    options: dict[str, Any] = {"vtrace": True, "recurrent": functools.partial(GRU, hidden_size=16)}
    blocks: list[RolloutStaging] = []
    take = RolloutStaging.take

    def taken(self: RolloutStaging) -> Rollout:
        blocks.append(self)
        return take(self)

    monkeypatch.setattr(RolloutStaging, "take", taken)
    on_cpu, on_gpu = (train(accelerator, dummy("Counter"), 10, 3, **options) for accelerator in ("cpu", "gpu"))
    assert [(block._block.is_pinned(), block._moved.is_cuda) for block in (blocks[0], blocks[-1])] == [
        (False, False),
        (True, True),
    ]
    assert len(blocks) == 20
    torch.testing.assert_close(
        {name: value.cpu() for name, value in on_gpu.state_dict().items()}, on_cpu.state_dict(), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("engine", SOURCES)
def test_a_run_moves_between_gpu_and_cpu(engine: str, precision: str, cli: Lightning, tmp_path: Path) -> None:
    """A run of the GPU goes on on the CPU, and on the GPU again. Its score is the same twice."""
    cli(*FIT, "--engine", engine, "--trainer.precision", precision)
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] >= STEPS
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
