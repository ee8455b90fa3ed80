"""Two nodes on the command line: all of them end together, whatever ends one of them, and node 0 saves."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands import LAUNCH, RUN, column, living, read, shared_memory, wait_for
from tests.engines.hogwild.nodes import started_nodes
from tests.engines.hogwild.trainings import GENEROUS

FIT = [
    *(*LAUNCH[1:], "fit", "--config", "cartpole.yaml", "--engine", "hogwild", "--num_workers", "1"),
    *("--trainer.num_nodes", "2", "--data.average_every", "20", "--data.envs_per_worker", "4"),
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "10", "--video.every_n_steps", "-1"),
    *("--trainer.val_check_interval", "1000000", "--data.eval_episodes", "2"),
]
LONG = [*FIT, "--data.total_steps", "10_000_000"]
Nodes = list[subprocess.Popen[str]]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Nodes]:
    """A long training of two nodes that has begun. It may leave no process, and nothing in shared memory."""
    before = shared_memory()
    with started_nodes(tmp_path, LONG, LONG) as nodes:
        wait_for(
            lambda: (tmp_path / RUN / "metrics.csv").exists() and any(column(tmp_path / RUN, "step")), 2 * GENEROUS
        )
        yield nodes
        for process in nodes:
            wait_for(lambda group=process.pid: not living(group), GENEROUS)  # type: ignore[misc]
        wait_for(lambda: not shared_memory() - before, GENEROUS)


def end(nodes: Nodes) -> tuple[list[int], list[str]]:
    """The exit codes and the errors of both nodes."""
    errors = [process.communicate(timeout=GENEROUS)[1] for process in nodes]
    assert "Traceback" not in "".join(errors)
    return [process.returncode for process in nodes], errors


@pytest.mark.parametrize("node", [1, pytest.param(0, marks=pytest.mark.exhaustive)])
def test_a_signal_to_one_node_stops_all_of_them(running: Nodes, tmp_path: Path, node: int) -> None:
    """The checkpoint has the steps of both nodes up to the last one, and what both have learned."""
    running[node].send_signal(signal.SIGTERM)
    codes, errors = end(running)
    assert codes == [128 + signal.SIGTERM] * 2, errors
    assert "SIGTERM: saving and stopping" in errors[node]
    assert "SIGTERM at another node: saving and stopping" in errors[1 - node]
    checkpoint = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert checkpoint["steps"] == checkpoint["updates"] * 4 * 5
    assert 0.7 * checkpoint["steps"] < checkpoint["state_dict"]["policy.encoder.body.norm.count"]


@pytest.mark.parametrize(
    "node", [pytest.param(0, marks=pytest.mark.exhaustive), pytest.param(1, marks=pytest.mark.campaign)]
)
def test_the_loss_of_a_node_ends_the_others(running: Nodes, tmp_path: Path, node: int) -> None:
    """In one line, with exit code 1. Where node 0 is left, it saves."""
    os.kill(running[node].pid, signal.SIGKILL)
    codes, errors = end(running)
    assert codes[node] == -signal.SIGKILL
    assert codes[1 - node] == 1
    assert "the connection to another node is lost" in errors[1 - node]
    assert len(errors[1 - node].strip().splitlines()) == 1
    if node == 1:
        assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] > 0


@pytest.mark.campaign
def test_a_node_that_fails_ends_the_others(tmp_path: Path) -> None:
    """Its only worker is killed, and may not be replaced."""
    last = [*LONG, "--data.max_restarts", "0"]
    with started_nodes(tmp_path, last, last) as nodes:
        wait_for(lambda: (tmp_path / RUN / "metrics.csv").exists(), 2 * GENEROUS)
        worker = subprocess.run(
            ["pgrep", "-g", str(nodes[1].pid), "--newest"], capture_output=True, text=True, check=True
        )
        os.kill(int(worker.stdout), signal.SIGKILL)
        codes, errors = end(nodes)
    assert codes == [1, 1], errors
    assert "worker 0 ended without a message" in errors[1]
    assert "node 1 has failed, and the job ends" in errors[0]
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] > 0


@pytest.mark.exhaustive
def test_nodes_with_different_options_are_refused(tmp_path: Path) -> None:
    with started_nodes(tmp_path, LONG, [*LONG, "--model.gamma", "0.9"]) as nodes:
        codes, errors = end(nodes)
    assert codes == [2, 2], errors
    for error in errors:
        assert "model.gamma is 0.99 on node 0 and 0.9 on node 1" in error


@pytest.mark.exhaustive
def test_max_steps_are_updates_of_the_job(tmp_path: Path) -> None:
    stopped = [*LONG, "--trainer.max_steps", "200"]
    with started_nodes(tmp_path, stopped, stopped) as nodes:
        codes, errors = end(nodes)
    assert codes == [0, 0], errors
    assert 200 <= read(tmp_path / RUN / "checkpoints/last.ckpt")["updates"] < 400
