"""The agents that come with the package play as well as they are said to."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from lit_a3c.checkpoint.agent_header import read_header
from lit_a3c.checkpoint.shipped import shipped_agents
from tests.commands import Lightning

SHORT = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1")
"""Whose episodes take no time."""
EPISODES = {name: 20 if name in SHORT else 3 for name in shipped_agents()}
AGENTS = [
    pytest.param(name, marks=[] if name in SHORT else pytest.mark.campaign)
    for name in EPISODES
    if name not in ("Pong-v5", "Breakout-v5")  # an episode takes minutes
]


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_scores_what_is_said(name: str, cli: Lightning, tmp_path: Path) -> None:
    """The mean of a few episodes lies about the interval, by four of its own standard errors at most."""
    about = read_header(shipped_agents()[name])
    cli("test", "--ckpt_path", f"agent:{name}", f"--data.test_episodes={EPISODES[name]}")
    (file,) = tmp_path.glob("runs/*/agent/test-*.json")
    mean, said = json.loads(file.read_text())["mean"], about["score"]
    margin = 4 * said["sd"] / math.sqrt(EPISODES[name]) + 1e-3 * abs(said["mean"])
    assert said["ci95"][0] - margin <= mean <= said["ci95"][1] + margin


@pytest.mark.parametrize("name", EPISODES)
def test_what_is_said_of_an_agent_is_complete(name: str) -> None:
    about: dict[str, Any] = read_header(shipped_agents()[name])
    assert about["spaces"]["env_id"].rpartition("/")[2] == name
    assert about["command"].startswith("lit-a3c fit --config=")
    assert about["score"]["episodes"] == 100
    assert about["seed"] in [seed["seed"] for seed in about["seeds"]]
    assert {"python", "torch", "gymnasium"} <= set(about["versions"])


def test_they_are_small() -> None:
    assert sum(file.stat().st_size for file in shipped_agents().values()) < 10_000_000
