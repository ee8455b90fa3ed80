"""One small sweep, which the tests of this directory share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands import launch

SMALL = [
    *("--engine", "serial", "--data.total_steps", "800", "--trainer.val_check_interval", "5"),
    *("--data.eval_episodes", "2", "--data.test_episodes", "3", "--data.envs_per_worker", "8"),
]
"""Options of a training of twenty updates."""
SWEEP = ["sweep", "cartpole.yaml", "--seeds", "3", *SMALL]


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which a sweep of one run was made."""
    directory = tmp_path_factory.mktemp("swept")
    done = launch(*SWEEP, cwd=directory, timeout=180)
    assert done.returncode == 0, done.stderr
    assert "CartPole-v1, serial, seed 3 starts" in done.stdout
    assert "(1 of 1 done)" in done.stdout
    return directory
