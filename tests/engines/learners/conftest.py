"""One training of two learners, which several tests look at: each takes seconds to start."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.commands import RUN, launch

STEPS, UPDATE = 4_000, 2 * 80
"""The budget, and the steps of an update: two learners with a rollout of 16 environments x 5."""
TWO = [
    *("fit", "--config", "cartpole.yaml", "--engine", "async", "--num_workers", "1", "--trainer.accelerator", "cpu"),
    *("--trainer.strategy", "ddp", "--trainer.devices", "2", "--video.every_n_steps", "-1"),
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "5", "--data.eval_episodes", "3"),
]


class Job(NamedTuple):
    """A training of two learners."""

    directory: Path
    done: subprocess.CompletedProcess[str]
    ranks: list[dict[str, Any]]

    @property
    def run(self) -> Path:
        return self.directory / RUN


def train(directory: Path, *args: str) -> Job:
    """Train with two learners by Lightning's own launcher."""
    notes = "--trainer.callbacks+=tests.engines.learners.notes.Notes", f"--trainer.callbacks.directory={directory}"
    done = launch(*TWO, *args, *notes, cwd=directory, timeout=240)
    files = [directory / f"rank_{rank}.json" for rank in range(2)]
    return Job(directory, done, [json.loads(file.read_text()) for file in files if file.exists()])


@pytest.fixture(scope="session")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A whole training, with validations on the way."""
    job = train(tmp_path_factory.mktemp("two"), "--data.total_steps", str(STEPS), "--trainer.val_check_interval", "10")
    assert job.done.returncode == 0, job.done.stderr
    return job
