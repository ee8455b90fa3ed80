"""Two nodes of lock-free workers that average: what is the same at the end, what is counted, who writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.commands import column, read, rows
from tests.engines.hogwild.nodes import NODES, train
from tests.engines.hogwild.trainings import ROLLOUT

UPDATES = 400
RUN = Path("runs/run/version_0")


class Training:
    """What a training of two nodes with one worker each has left."""

    def __init__(self, directory: Path, *options: str) -> None:
        train(directory, *options)
        self.directory = directory
        self.nodes: list[dict[str, Any]] = [torch.load(directory / f"node-{rank}.pt") for rank in range(NODES)]


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    return Training(tmp_path_factory.mktemp("nodes"), f"updates={UPDATES}", "devices=2")


def test_both_nodes_end_with_the_same(training: Training) -> None:
    """Parameters, running statistics and the optimizer's state, to the bit."""
    first, other = training.nodes
    assert [name for name, value in first["state"].items() if not torch.equal(value, other["state"][name])] == []
    for index, state in first["optimizer"].items():
        assert all(torch.equal(value, other["optimizer"][index][name]) for name, value in state.items())


def test_every_step_of_the_job_is_counted_once(training: Training) -> None:
    """The last slot of a node is what the others have counted. The checkpoint has the sum."""
    first, other = training.nodes
    for name in ("learned", "collected", "updates"):
        assert int(first[name][-1]) == int(other[name][1:-1].sum()) > 0
        assert int(other[name][-1]) == int(first[name][1:-1].sum()) > 0
    learned, updates = int(first["learned"].sum()), int(first["updates"].sum())
    assert learned == updates * ROLLOUT == int(other["learned"].sum())
    checkpoint = read(training.directory / RUN / "checkpoints/last.ckpt")
    assert (checkpoint["steps"], checkpoint["updates"], checkpoint["global_step"]) == (learned, updates, updates)
    assert UPDATES <= updates < 2 * UPDATES
    assert 0.8 * learned < float(first["state"]["policy.encoder.body.norm.count"]) <= learned


def test_no_two_workers_play_the_same_environments(training: Training) -> None:
    """Four workers, two on each node, with seeds of their own."""
    assert len(list(training.directory.glob("seed-*"))) == 4


def test_node_zero_alone_writes_and_validates(training: Training) -> None:
    """Its rows are of the whole job."""
    assert [node["validated"] for node in training.nodes] == [True, False]
    assert [file.name for file in (training.directory / "runs/run").iterdir()] == ["version_0"]
    run = training.directory / RUN
    assert len(column(run, "val/return_mean")) > 0
    assert float(rows(run)[-1]["step"]) == int(training.nodes[0]["learned"].sum())
    assert (training.nodes[0]["global_step"], training.nodes[1]["global_step"]) == (
        int(training.nodes[0]["updates"].sum()),
        0,
    )


@pytest.mark.exhaustive
def test_a_run_goes_on_with_other_nodes(training: Training, tmp_path: Path) -> None:
    """Four workers on two nodes become two: the steps before count once, and so do the observations."""
    checkpoint = training.directory / RUN / "checkpoints/last.ckpt"
    before = read(checkpoint)
    after = Training(tmp_path, f"updates={2 * UPDATES}", f'checkpoint="{checkpoint}"')
    first, other = after.nodes
    assert int(first["learned"][0]) == int(other["learned"][0]) == before["steps"]
    learned = int(first["learned"].sum())
    assert learned == int(other["learned"].sum()) > before["steps"]
    count = float(first["state"]["policy.encoder.body.norm.count"])
    assert 0.8 * learned < count <= learned
