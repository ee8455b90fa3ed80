"""How two learners end together: at the budget, by an error of one, by a signal to one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import launch, read

Pair = list[dict[str, Any]]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All trainings of ``together.py``, in two processes."""
    directory = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "tests.engines.learners.together", str(directory)]
    done = launch(cwd=directory, command=command, timeout=240)
    assert done.returncode == 0, done.stderr
    return directory


def pair(directory: Path, name: str) -> Pair:
    return [json.loads((directory / f"{name}_{rank}.json").read_text()) for rank in range(2)]


def last_checkpoint(directory: Path, name: str) -> dict[str, Any]:
    return read(directory / f"runs/{name}/version_0/checkpoints/last.ckpt")


def test_a_whole_training(trainings: Path) -> None:
    """Two networks with recurrent cores, a sum as loss, and two passes in minibatches; the last of all has one pass."""
    first, second = pair(trainings, "whole")
    assert first["error"] == second["error"] == ""
    assert first["learned"] == second["learned"] == 400
    assert first["updates"] == 9 * 4 + 2
    assert first["digest"] == second["digest"]
    assert len(first["episodes"]) == 5
    assert first["episodes"] == second["episodes"]


def test_ranks_that_were_given_different_options(trainings: Path) -> None:
    """Both refuse, before a step is taken."""
    for rank in pair(trainings, "options"):
        assert rank["error"].startswith(
            "AgreedConfigError: the learners were given different options: model.gamma is 0.9 at rank 0 and 0.95 at "
            "rank 1."
        )
        assert rank["collected_by_own"] == 0


@pytest.mark.parametrize(("name", "updates"), [("training", 2), ("evaluation", 5)])
def test_an_error_of_one_ends_all(trainings: Path, name: str, updates: int) -> None:
    """While it collects, and while it plays. Rank 0 saves the last update, which all have made."""
    first, second = pair(trainings, name)
    assert second["error"].startswith("EnvError: ")
    assert "as was asked for" in second["error"]
    assert first["error"] == "PeerError: the learner of rank 1 has failed, and says why itself. All learners stop."
    assert first["updates"] == second["updates"] == updates
    assert first["digest"] == second["digest"]
    assert last_checkpoint(trainings, name)["updates"] == updates
    assert max(first["seconds"], second["seconds"]) < 30


def test_a_signal_to_one_stops_all_at_the_same_update(trainings: Path) -> None:
    first, second = pair(trainings, "signal")
    assert first["error"] == second["error"] == "KeyboardInterrupt: "
    assert first["updates"] == second["updates"] == 3
    assert first["digest"] == second["digest"]
    assert last_checkpoint(trainings, "signal")["updates"] == 3


def test_an_error_that_the_others_are_not_told_of(trainings: Path) -> None:
    """In the middle of an update. Its process ends, and that ends the connection on which the others wait."""
    first, second = pair(trainings, "nan")
    assert second["error"].startswith("NotFiniteError: the loss is nan")
    assert first["error"]
    assert first["updates"] == 3
    assert last_checkpoint(trainings, "nan")["updates"] == 3
