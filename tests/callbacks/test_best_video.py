"""The video of the best policy, and what recording does to a training: nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_a3c import A3C, RolloutDataModule, SquashedGaussianHead
from lit_a3c.callbacks.video import VideoRecorder
from tests.cli.trainings import assert_equal
from tests.dummy_envs import dummy
from tests.dummy_envs.base import DummyEnv
from tests.trainers import quiet


class Worse(Callback):
    """Makes the policy always take action 0 for 100 steps, and action 1 after them."""

    def on_train_batch_start(self, trainer: Any, module: A3C, *_: Any) -> None:
        with torch.no_grad():
            module.policy.head.logits.weight.zero_()
            module.policy.head.logits.bias.copy_(torch.tensor([1000.0, 0.0] if module.steps < 100 else [0.0, 1000.0]))


class FirstIsRight(DummyEnv):
    """Pays for action 0."""

    def judge(self, action: Any) -> tuple[float, bool]:
        return float(action == 0), self.t == 4


def best_checkpoint() -> ModelCheckpoint:
    return ModelCheckpoint(filename="best", monitor="val/return_mean", mode="max", enable_version_counter=False)


def train_worse(directory: Path, more: Sequence[Callback] = ()) -> A3C:
    """Ten updates of a policy that is best in the first of two validations."""
    data = RolloutDataModule(FirstIsRight, 200, "serial", envs_per_worker=4, rollout_length=5, eval_episodes=2)
    module = A3C(data.spaces, normalize_returns=True)
    callbacks = [VideoRecorder(100), Worse(), best_checkpoint(), *more]
    options = {
        "val_check_interval": 5,
        "check_val_every_n_epoch": None,
        "limit_val_batches": None,
        "enable_checkpointing": True,
    }
    quiet(callbacks=callbacks, default_root_dir=directory, log_every_n_steps=0, **options).fit(module, data)
    return module


def test_the_last_video_is_of_the_best_policy(tmp_path: Path) -> None:
    """Those before are of the present one, and the training keeps its own weights."""
    module = train_worse(tmp_path)
    names = sorted(file.name for file in (tmp_path / "videos").iterdir())
    assert names == ["best-step-100-return-5.0.mp4", "step-100-return-5.0.mp4", "step-200-return-0.0.mp4"]
    assert module.policy.head.logits.bias[1] > 999


class Damaging(Callback):
    """Damages the best checkpoint at the end, before the video."""

    def on_train_end(self, trainer: Any, module: A3C) -> None:
        (file,) = Path(trainer.default_root_dir).rglob("best.ckpt")
        file.write_bytes(file.read_bytes()[:-100])


def test_a_best_checkpoint_that_cannot_be_read_costs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last policy is recorded, which has been recorded here."""
    train_worse(tmp_path, [Damaging()])
    assert sorted(file.name for file in (tmp_path / "videos").iterdir()) == [
        "step-100-return-5.0.mp4",
        "step-200-return-0.0.mp4",
    ]
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lit-a3c")]
    assert "best.ckpt cannot be read: it is damaged" in line


@pytest.mark.parametrize("head", [None, SquashedGaussianHead])
def test_a_training_is_the_same_with_videos_and_without(head: Any, tmp_path: Path) -> None:
    """To the bit. Some entropies are estimated by draws."""
    weights = []
    for every_n_steps in (-1, 40):
        seed_everything(1)
        data = RolloutDataModule(
            dummy("BoxIdentity" if head else "Identity"), 400, "serial", envs_per_worker=4, rollout_length=5
        )
        module = A3C(data.spaces, **({"head": head} if head else {}))
        options = {"default_root_dir": tmp_path / str(every_n_steps), "log_every_n_steps": 0, "limit_val_batches": 0}
        quiet(callbacks=[VideoRecorder(every_n_steps)], **options).fit(module, data)
        weights.append(module.state_dict())
    assert len(list((tmp_path / "40" / "videos").iterdir())) == 10
    assert_equal(*weights)
