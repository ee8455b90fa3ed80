"""Spaces beyond Discrete and Box, recurrent cores and other heads: trained, scored, recorded, gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands import Lightning, read
from tests.dummy_envs import dummy

SMALL = [
    *("--trainer.enable_progress_bar", "false", "--trainer.val_check_interval", "10"),
    *("--data.total_steps", "2000", "--data.eval_episodes", "2", "--data.test_episodes", "4"),
]
CASES = {
    "Dict, Beta, LSTM, two networks, lock-free": [
        *("--data.env_id", dummy("Car"), "--engine", "hogwild", "--num_workers", "2"),
        *("--model.recurrent", "lit_a3c.LSTM", "--model.recurrent.hidden_size", "16", "--model.share_body", "false"),
        *("--model.head", "lit_a3c.JointHead", "--model.head.box", "lit_a3c.BetaHead"),
    ],
    "Tuple of all kinds, sync": ["--data.env_id", dummy("Robot"), "--engine", "sync", "--num_workers", "2"],
    "MultiDiscrete, GRU, V-trace, async": [
        *("--data.env_id", dummy("Grid"), "--model.recurrent", "GRU", "--model.vtrace", "true"),
        *("--model.final_entropy_coef", "0", "--data.num_minibatches", "4"),
    ],
    "MultiBinary, serial": ["--data.env_id", dummy("Buttons"), "--engine", "serial"],
    "Dict observations, serial": [
        *("--data.env_id", dummy("Senses"), "--engine", "serial"),
        *("--model.body", "lit_a3c.DictBody", "--model.body.vector", "lit_a3c.MLPBody", "--model.body.join", "32"),
    ],
    "nested observations, LSTM, lock-free": [
        *("--data.env_id", dummy("Clues"), "--engine", "hogwild", "--num_workers", "2", "--model.recurrent", "LSTM"),
    ],
    "nested observations, async": ["--data.env_id", dummy("Clues"), "--engine", "async", "--num_workers", "2"],
    "Discrete observations, sync": ["--data.env_id", "FrozenLake-v1", "--engine", "sync", "--num_workers", "1"],
    "Tuple observations, serial": ["--data.env_id", "Blackjack-v1", "--engine", "serial"],
    "wrappers, lock-free": [
        *("--data.env_id", "CartPole-v1", "--engine", "hogwild", "--num_workers", "2"),
        *("--data.wrappers+", "TimeAwareObservation"),
        *("--data.wrappers+", "{class_path: FrameStackObservation, init_args: {stack_size: 3}}"),
    ],
    "masked parts, LSTM, V-trace, async": [
        *("--data.env_id", dummy("Dials"), "--engine", "async", "--num_workers", "2", "--model.recurrent", "LSTM"),
        *("--model.vtrace", "true", "--data.num_minibatches", "2"),
    ],
    "masked parts, lock-free": ["--data.env_id", dummy("Dials"), "--engine", "hogwild", "--num_workers", "2"],
    "masks of observations, sync": ["--data.env_id", dummy("DoorsSeen"), "--engine", "sync", "--num_workers", "2"],
    "masks, serial": ["--data.env_id", "Taxi-v4", "--engine", "serial"],
    "mixture, serial": ["--data.env_id", "Pendulum-v1", "--engine", "serial", "--model.head", "lit_a3c.MixtureHead"],
}


SHORT = ("MultiBinary, serial", "Dict observations, serial")
LONGER = (
    *("Tuple of all kinds, sync", "MultiDiscrete, GRU, V-trace, async", "wrappers, lock-free"),
    *("masked parts, lock-free", "nested observations, LSTM, lock-free", "masks of observations, sync"),
)
"""With the campaigns. All other cases run with ``scripts/test.sh --all``."""


def tier(name: str) -> list[pytest.MarkDecorator]:
    """The marks of a case."""
    if name in SHORT:
        return []
    return [pytest.mark.campaign if name in LONGER else pytest.mark.exhaustive]


@pytest.mark.parametrize("name", [pytest.param(name, marks=tier(name)) for name in CASES])
def test_a_training_is_scored_recorded_and_gone_on_with(cli: Lightning, name: str, tmp_path: Path) -> None:
    """Four commands of a user, and their files. A body that the config names is replaced where it does not fit."""
    cli("fit", "--config", "cartpole.yaml", *SMALL, *CASES[name])
    (last,) = tmp_path.glob("runs/*/version_0/checkpoints/last.ckpt")
    run = last.parent.parent
    assert read(last)["steps"] >= 2000
    cli("test", "--trust_checkpoint", "--ckpt_path", str(run))
    assert json.loads((run / "test-best.json").read_text())["episodes"] == 4
    cli("predict", "--trust_checkpoint", "--ckpt_path", str(run))
    assert list(run.glob("videos/predict-0-return-*.mp4"))
    cli("fit", "--trust_checkpoint", "--ckpt_path", str(last), "--data.total_steps", "3000")
    assert read(last)["steps"] >= 3000
