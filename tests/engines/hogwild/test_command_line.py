"""Hogwild on the command line: what it leaves behind, and how a run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lightning.pytorch.strategies import SingleDeviceStrategy

from lit_a3c import Hogwild
from lit_a3c.cli.lightning_cli import A3CCLI
from lit_a3c.engines.processes import cores
from tests.commands import RUN, Lightning, column, living, read, rows, shared_memory, started, wait_for
from tests.engines.hogwild.trainings import GENEROUS

SMALL = [
    *("--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "10", "--video.every_n_steps", "-1"),
    *("--trainer.val_check_interval", "1000000", "--data.envs_per_worker", "4", "--data.test_episodes", "2"),
]
HOGWILD = ["--engine", "hogwild", "--num_workers", "2"]
FIT = ["fit", "--config", "cartpole.yaml", *SMALL, *HOGWILD]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A long training, once both workers take part. It may leave no process, and nothing in shared memory."""
    before, run = shared_memory(), tmp_path / RUN
    with started(tmp_path, *FIT, "--data.total_steps", "10_000_000") as process:
        wait_for(lambda: (run / "metrics.csv").exists() and any(column(run, "train/policy_lag")), GENEROUS)
        yield process
        wait_for(lambda: not living(process.pid), GENEROUS)
        wait_for(lambda: not shared_memory() - before, GENEROUS)


def test_kill_9_leaves_nothing_behind(running: subprocess.Popen[bytes]) -> None:
    """Rank zero alone is killed: the other worker ends by itself, and the fork server."""
    assert len(living(running.pid)) > 2
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait(GENEROUS) == -signal.SIGKILL


@pytest.mark.campaign
def test_an_end_while_workers_are_being_started_is_silent(tmp_path: Path) -> None:
    """Pong's network is larger than a pipe, so that the start of a worker waits for it to read."""
    pong = ["fit", "--config", "atari.yaml", *SMALL, "--engine", "hogwild", "--num_workers", "12"]
    with started(tmp_path, *pong) as process:
        wait_for(lambda: len(living(process.pid)) > 5, GENEROUS)
        os.kill(process.pid, signal.SIGKILL)
        wait_for(lambda: not living(process.pid), GENEROUS)
    assert "Traceback" not in (tmp_path / "stderr").read_text()


@pytest.mark.parametrize("signum", [pytest.param(signal.SIGINT, marks=pytest.mark.campaign), signal.SIGTERM])
def test_a_signal_saves_and_leaves_nothing_behind(
    running: subprocess.Popen[bytes], tmp_path: Path, signum: signal.Signals
) -> None:
    """It reaches the whole process group, as from a terminal or a cluster."""
    seen = float(rows(tmp_path / RUN)[-1]["step"])
    os.killpg(running.pid, signum)
    assert running.wait(GENEROUS) == 128 + signum
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] >= seen
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_as_many_workers_as_cores_unless_told(cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a number, which is ``auto``. Other engines have as many, and one learner."""
    learners, before_fit = [], A3CCLI.before_fit

    def recorded(self: A3CCLI) -> None:
        strategy = self.trainer.strategy
        learners.append((type(strategy), getattr(strategy, "num_processes", 1)))
        before_fit(self)

    monkeypatch.setattr(A3CCLI, "before_fit", recorded)
    fit = ["fit", "--config", "cartpole.yaml", *SMALL, "--trainer.max_steps", "1"]
    workers = min(16, cores())
    assert f"hogwild, {workers} workers" in cli(*fit, "--engine", "hogwild")
    assert "hogwild, 1 workers" in cli(*fit, "--engine", "hogwild", "--num_workers", "1")
    assert f"async, {workers} workers" in cli(*fit)
    assert learners == [(Hogwild, workers), (Hogwild, 1), (SingleDeviceStrategy, 1)]


def test_auto_is_the_cpu_even_beside_a_gpu(cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning itself would take the GPU that it is told of here, and find none."""
    monkeypatch.setattr("lightning.fabric.accelerators.cuda.CUDAAccelerator.is_available", lambda: True)
    options = ["--num_workers", "1", "--data.total_steps", "100", "--trainer.accelerator", "auto"]
    assert "hogwild, 1 workers" in cli(*FIT, *options)


def test_going_on_with_other_workers(tmp_path: Path, cli: Lightning, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run goes on with any engine where the last one stopped, and is evaluated without workers."""
    last = tmp_path / RUN / "checkpoints/last.ckpt"
    resumed = ["fit", "--ckpt_path", "last"]
    chain = {
        "hogwild, 2 workers of 4": FIT,
        "async, 1 workers": [*resumed, "--engine", "async", "--num_workers", "1"],
        "serial, 1 workers": [*resumed, "--engine", "serial", "--num_workers", "auto"],
        "hogwild, 2 workers": [*resumed, *HOGWILD],
    }
    steps = 0
    for said, args in chain.items():
        assert said in cli(*args, "--data.total_steps", str(steps + 200))
        checkpoint = read(last)
        assert steps + 200 <= checkpoint["steps"] < steps + 240
        steps = checkpoint["steps"]
        assert 0.7 * steps < checkpoint["state_dict"]["policy.encoder.body.norm.count"] <= steps
    assert [file.name for file in (tmp_path / "runs/CartPole-v1").iterdir()] == ["version_0"]

    monkeypatch.setattr("lit_a3c.engines.hogwild.strategy.start_worker", pytest.fail)
    assert "return" in cli("validate", "--ckpt_path", "last", "--data.eval_episodes", "2")
    assert "test-last.json" in cli("test", "--ckpt_path", "last")
