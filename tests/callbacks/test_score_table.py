"""The table of a score, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete

from lit_a3c import A3C, EnvSpaces, Episode, RolloutDataModule
from lit_a3c.callbacks.score_table import ScoreTable, table
from lit_a3c.evaluation.scores import summarize
from tests.dummy_envs import LIMIT, dummy
from tests.trainers import quiet


def test_table_shows_the_score() -> None:
    """Mean, median, steps and frames as a user reads them."""
    spaces = EnvSpaces("ALE/Pong-v5", Box(0, 255, (4, 84, 84), np.uint8), Discrete(6), frame_skip=4)
    score = summarize([Episode(0, 18.0, 1000), Episode(1, 20.0, 2000)], spaces) | {"trained_steps": 1_000_000}
    text = table(score)
    assert "19.00" in text
    assert "3,000 steps, 12,000 frames" in text
    assert "trained                 1,000,000 steps" in text
    assert "112.5%" in text  # (19 + 20.7) / (14.6 + 20.7)


def test_only_test_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both commands print the table. The file holds every return."""
    data = RolloutDataModule(dummy("TimeLimit"), eval_episodes=2, test_episodes=3)
    module = A3C(data.spaces)
    module.ledger.learned.total = 70
    trainer = quiet(callbacks=[ScoreTable()], default_root_dir=tmp_path)
    trainer.validate(module, data, verbose=False)
    assert "played                  14 steps" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    trainer.test(module, data, verbose=False)
    out = capsys.readouterr().out
    assert "played                  21 steps" in out
    (file,) = tmp_path.iterdir()
    assert f"written to {file}" in out
    score = json.loads(file.read_text())
    assert file.name == "test-untrained.json"
    assert score["returns"] == [LIMIT] * 3
    assert score["trained_steps"] == 70
