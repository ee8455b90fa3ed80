"""``--init_from``: a new training with the weights of another one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.cli.conftest import Refused
from tests.cli.trainings import FIT
from tests.commands import RUN, Lightning, read
from tests.dummy_envs import dummy

OTHER = ["--data.env_id", "Acrobot-v1", "--trainer.val_check_interval", "1000", "--video.every_n_steps", "-1"]


def value_weight(weights: dict[str, Tensor]) -> Tensor:
    """That of the value head, in units of the rewards: it changes with the scale of the returns."""
    return weights["policy.value.weight"] * weights["return_scale.norm.var"].sqrt()


def test_a_training_begins_from_another_one(cli: Lightning, trained: Path, tmp_path: Path) -> None:
    """On another environment: the layer between both, the value and its scale are taken. The counters are new."""
    shutil.copytree(trained / "runs", tmp_path / "runs")
    out = cli(*FIT, *OTHER, "--init_from", str(RUN), "--data.total_steps", "80", "--model.optimizer.lr", "1e-30")
    assert f"begins from the weights of {RUN}/checkpoints/best.ckpt" in out
    assert "  policy.head.logits is new: its weight is (2, 64) in the checkpoint and (3, 64) here." in out
    (last,) = tmp_path.glob("runs/Acrobot-v1/version_0/checkpoints/last.ckpt")
    old, new = read(tmp_path / RUN / "checkpoints/best.ckpt"), read(last)
    assert new["steps"] == 80
    name = "policy.encoder.body.layers.2.weight"
    assert torch.equal(new["state_dict"][name], old["state_dict"][name])
    torch.testing.assert_close(*(value_weight(checkpoint["state_dict"]) for checkpoint in (new, old)))
    shutil.rmtree(tmp_path / RUN)  # a run that goes on needs it no more
    cli("fit", "--ckpt_path", "last", "--data.total_steps", "160", "--video.every_n_steps", "-1")
    assert read(last)["steps"] == 160


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--init_from", "nowhere.ckpt"], "--init_from 'nowhere.ckpt' does not exist."),
        (["--init_from", "best"], "--init_from 'best': there is no best.ckpt below"),
        (["--init_from", "noise.ckpt"], "--init_from 'noise.ckpt' cannot be read as a checkpoint"),
        (["--init_from=old.ckpt", "--ckpt_path", "old.ckpt"], "and --ckpt_path continues a run. Give one of them."),
        (["--init_from", "old.ckpt", "--data.env_id", dummy("Car")], "have no layer in common"),
    ],
)
def test_what_cannot_be_begun_from_is_refused(
    refused: Refused, trained: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    shutil.copy(trained / RUN / "checkpoints/best.ckpt", tmp_path / "old.ckpt")
    (tmp_path / "noise.ckpt").write_bytes(b"noise")
    different = ["--model.body.hidden", "[7]"] if "Car" in str(options) else []
    assert said in refused(*FIT, *different, *options)
    assert not list(tmp_path.glob("runs/*/*"))


def test_other_commands_do_not_take_it(refused: Refused) -> None:
    assert "--init_from is for fit." in refused("test", "--init_from", "x.ckpt")
