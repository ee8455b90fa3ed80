"""An agent in the place of those that come with the package."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_a3c.checkpoint import shipped as module
from lit_a3c.checkpoint.agent_file import describe, pack
from lit_a3c.checkpoint.io import load_verified
from lit_a3c.cli.configs import SECTIONS
from tests.commands import RUN

SCORE = {"mean": 60.5, "sd": 1.0, "ci95": [60.25, 1061.0], "episodes": 100, "deterministic": True}
COMMAND = "lit-a3c fit --config=cartpole.yaml"


@pytest.fixture
def shipped(trained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """``agent:CartPole-v1`` is the best checkpoint of the shared training."""
    checkpoint = load_verified(trained / RUN / "checkpoints/best.ckpt")
    seeds = [SCORE | {"seed": 0}, SCORE | {"seed": 1, "mean": 40.0}]
    about = describe(checkpoint, sections=SECTIONS, score=SCORE, seeds=seeds, command=COMMAND)
    directory = tmp_path / "agents"
    directory.mkdir()
    file = directory / "CartPole-v1.safetensors"
    file.write_bytes(pack(checkpoint, about))
    monkeypatch.setattr(module, "AGENTS", directory)
    return file
