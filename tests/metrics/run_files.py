"""Runs as a training leaves them, without the training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from lit_a3c.metrics.table import MetricsTable
from lit_a3c.utils.disk import Outage


def write_run(
    directory: Path, env_id: str = "CartPole-v1", seed: int = 0, values: Sequence[float] = (1, 2, 3), **model: Any
) -> Path:
    """A run with a value of ``train/return`` every 10 steps of 4 frames, and two validations."""
    directory.mkdir(parents=True)
    config = {"seed_everything": seed, "data": {"env_id": env_id}, "model": {"gamma": 0.99, **model}}
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    table = MetricsTable(directory / "metrics.csv", None, Outage("the table", ""))
    for i, value in enumerate(values, 1):
        table.add({"train/return": value, "frames": 40.0 * i, "seconds": 0.5 * i}, 10 * i)
    for i in (1, len(values)):
        table.add({"val/return_mean": values[i - 1] + 0.5, "frames": 40.0 * i, "seconds": 0.5 * i}, 10 * i)
    return directory


def write_test(directory: Path, mean: float, checkpoint: str = "best", env_id: str = "CartPole-v1") -> Path:
    """The score of a run."""
    score = {"env_id": env_id, "mean": mean, "sd": 1.0, "ci95": [mean - 1, mean + 1], "episodes": 3, "steps": 3}
    (directory / f"test-{checkpoint}.json").write_text(json.dumps(score))
    return directory
