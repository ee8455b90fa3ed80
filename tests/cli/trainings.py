"""Small trainings of the command line, and how their results are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from lit_a3c import A3C

STEPS, ROLLOUT = 4_000, 80
"""The budget of ``FIT``, and the steps of one rollout of ``cartpole.yaml``: 16 environments x 5."""
SMALL = [
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "10"),
    *("--trainer.val_check_interval", "20", "--data.eval_episodes", "2", "--data.test_episodes", "20"),
]
FIT = ["fit", "--config", "cartpole.yaml", "--data.total_steps", str(STEPS), *SMALL]
SERIAL = [*FIT, "--engine", "serial", "--video.every_n_steps", "-1"]
"""The same without worker processes and without a video."""


def assert_mp4(file: Path) -> None:
    assert file.suffix == ".mp4"
    assert file.read_bytes()[4:8] == b"ftyp"


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


def assert_same_policy(module: A3C, checkpoint: dict[str, Any]) -> None:
    """The weights of a checkpoint, for the environment of the checkpoint."""
    assert_equal(dict(module.state_dict()), dict(checkpoint["state_dict"]))
    assert module.spaces.env_id == checkpoint["spaces"]["env_id"]
