"""Ctrl-C, SIGTERM and their like, a killed learner and Slurm's signal: what is saved, and what is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.trainings import FIT, ROLLOUT, SERIAL
from tests.commands import RUN, Lightning, alive, living, read, rows, shared_memory, started, wait_for
from tests.dummy_envs import dummy

TIMEOUT = 120.0
"""Seconds for what takes a few on a machine that has nothing else to do."""


def orphaned_memory() -> set[Path]:
    """Shared memory of processes that are gone: torch writes the process into the name."""
    owners = {file: re.match(r"torch_(\d+)_", file.name) for file in shared_memory()}
    return {file for file, owner in owners.items() if owner and not Path("/proc", owner[1]).exists()}


@pytest.mark.parametrize(
    "signum",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.campaign),  # hogwild has a test of it in the short suite
        pytest.param(signal.SIGHUP, marks=pytest.mark.exhaustive),
        pytest.param(signal.SIGUSR1, marks=pytest.mark.exhaustive),
    ],
)
def test_a_signal_saves_and_leaves_nothing_behind(tmp_path: Path, cli: Lightning, signum: signal.Signals) -> None:
    """It reaches the whole process group, as from a terminal or a cluster."""
    before, run = orphaned_memory(), tmp_path / RUN
    with started(tmp_path, *FIT, "--data.total_steps", "10_000_000") as process:
        wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 3, TIMEOUT)
        os.killpg(process.pid, signum)
        assert process.wait(TIMEOUT) == 128 + signum
        wait_for(lambda: not alive(process.pid), TIMEOUT)
        wait_for(lambda: not orphaned_memory() - before, TIMEOUT)
    errors = (tmp_path / "stderr").read_text()
    assert errors.strip() == f"lit-a3c: {signum.name}: saving and stopping; once more ends at once."
    steps = read(run / "checkpoints/last.ckpt")["steps"]
    assert steps >= 10 * ROLLOUT
    cli("fit", "--ckpt_path", "last", "--data.total_steps", str(steps + 800))
    assert steps + 800 <= read(run / "checkpoints/last.ckpt")["steps"] < steps + 800 + ROLLOUT


def slow(file: Path, fast: int) -> list[str]:
    """Rollouts of twenty steps. Steps after the first N take a second each; every step adds a byte to the file."""
    env = ["--data.env_id", "tests.cli.slow_env:SlowsDown-v0", "--data.env_kwargs", f"{{file: {file}, fast: {fast}}}"]
    size = ["--data.rollout_length", "20", "--data.envs_per_worker", "1"]
    run = ["--trainer.logger.name", "CartPole-v1", "--trainer.log_every_n_steps", "1"]
    return [*SERIAL, *env, *size, *run, "--trainer.val_check_interval", "1000"]


@pytest.mark.parametrize("signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.exhaustive)])
def test_a_second_signal_ends_at_once(tmp_path: Path, signum: signal.Signals) -> None:
    """The first waits for an update of twenty seconds, of which it would give up after four, and then saves."""
    steps, errors = tmp_path / "steps", tmp_path / "stderr"
    with started(tmp_path, *slow(steps, fast=25)) as process:
        wait_for(lambda: steps.exists() and steps.stat().st_size > 25, TIMEOUT)
        process.send_signal(signum)
        wait_for(lambda: "once more ends at once" in errors.read_text(), TIMEOUT)
        assert process.poll() is None
        process.send_signal(signum)
        assert process.wait(TIMEOUT) == 128 + signum
    assert not list(tmp_path.rglob("*.ckpt")), "it saved"


@pytest.mark.campaign
def test_a_signal_does_not_wait_for_a_long_update(tmp_path: Path) -> None:
    """The second update takes twenty seconds. The first one is saved."""
    steps = tmp_path / "steps"
    with started(tmp_path, *slow(steps, fast=25)) as process:
        wait_for(lambda: steps.exists() and steps.stat().st_size > 25, TIMEOUT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) == 143
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 20
    assert steps.stat().st_size < 40


def test_a_signal_breaks_off_an_evaluation(tmp_path: Path) -> None:
    """Of a hundred thousand episodes, here."""
    run, steps = tmp_path / RUN, tmp_path / "steps"
    task = ["--data.env_id", dummy("Counted"), "--data.env_kwargs", f"{{file: {steps}}}", "--trainer.logger.name"]
    options = [*task, "CartPole-v1", "--data.eval_episodes", "100_000", "--trainer.log_every_n_steps", "20"]
    with started(tmp_path, *SERIAL, *options) as process:
        wait_for(lambda: steps.exists() and steps.stat().st_size > 20 * ROLLOUT + 100, TIMEOUT)  # so it evaluates
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 130
    assert len(rows(run)) == 1
    assert steps.stat().st_size < 100_000 * 10


def test_a_signal_before_the_training_ends_at_once(tmp_path: Path) -> None:
    for wait in (0.3, 1.5):
        with started(tmp_path, *FIT) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(wait)
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) in (130, -signal.SIGINT)  # the latter while the interpreter itself starts
    assert not (tmp_path / RUN / "metrics.csv").exists()


def test_workers_end_with_a_killed_learner(tmp_path: Path) -> None:
    """Long before the step that they are in, which takes ten minutes."""
    before, file = orphaned_memory(), tmp_path / "steps"
    task = ["--data.env_id", dummy("Counted"), "--data.env_kwargs", f"{{file: {file}, pause: 600}}"]
    with started(tmp_path, *FIT, *task, "--num_workers", "2", "--data.envs_per_worker", "1") as process:
        wait_for(lambda: file.exists() and file.stat().st_size == 2, TIMEOUT)
        process.kill()
        process.wait()
        wait_for(lambda: not living(process.pid), TIMEOUT)
        wait_for(lambda: not orphaned_memory() - before, TIMEOUT)


def test_slurms_signal_saves_and_requeues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent to every process of the job, as ``scancel --signal`` may: Lightning saves and asks, and nobody ends."""
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho $* > {tmp_path}/requeued\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for name, value in {"JOB_ID": "7", "JOB_NAME": "job", "NTASKS": "1", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    run = tmp_path / RUN
    with started(tmp_path, *FIT, "--data.total_steps", "10_000_000") as process:
        wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 3, TIMEOUT)
        os.killpg(process.pid, signal.SIGUSR1)
        wait_for((tmp_path / "requeued").exists, TIMEOUT)
        seen = len(rows(run))
        wait_for(lambda: len(rows(run)) > seen, TIMEOUT)
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    (saved,) = tmp_path.glob("hpc_ckpt_*.ckpt")
    assert read(saved)["steps"] > 0


@pytest.mark.campaign
def test_pong_trains_with_the_shipped_config(tmp_path: Path) -> None:
    """From pressing enter to the first update; about fifteen seconds on two cores that do nothing else."""
    metrics = tmp_path / "runs/Pong-v5/version_0/metrics.csv"
    with started(tmp_path, "fit", "--config", "atari.yaml", "--trainer.log_every_n_steps", "1"):
        wait_for(lambda: metrics.exists() and "\n" in metrics.read_text().partition("\n")[2], TIMEOUT)
