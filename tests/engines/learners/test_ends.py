"""How two learners of the command line end: by signals to one or to both, killed, by errors, and by other launchers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import LAUNCH, RUN, environment, launch, living, read, rows, started, wait_for
from tests.engines.learners.conftest import TWO, UPDATE

LONG = [*TWO, "--data.total_steps", "10_000_000", "--trainer.val_check_interval", "100_000"]
TIMEOUT = 120.0


def rank_1(group: int) -> int:
    """The process of rank 1 in a group; 0 where there is none yet."""
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            child = int((directory / "stat").read_text().rpartition(")")[2].split()[1]) == group
            if child and b"LOCAL_RANK=1" in (directory / "environ").read_bytes().split(b"\0"):
                return int(directory.name)
    return 0


@pytest.mark.parametrize(
    ("to", "signum", "code", "says"),
    [
        pytest.param("rank 1", signal.SIGTERM, 143, "SIGTERM at rank 1: saving", marks=pytest.mark.campaign),
        pytest.param("all", signal.SIGINT, 130, "SIGINT: saving and stopping", marks=pytest.mark.exhaustive),
        pytest.param("rank 0", signal.SIGTERM, 143, "SIGTERM: saving and stopping", marks=pytest.mark.exhaustive),
        pytest.param("rank 1", signal.SIGKILL, 1, "another learner has ended", marks=pytest.mark.exhaustive),
        pytest.param("rank 0", signal.SIGKILL, -9, "", marks=pytest.mark.exhaustive),
    ],
)
def test_a_signal(to: str, signum: signal.Signals, code: int, says: str, tmp_path: Path) -> None:
    """Saved once, at an update that both have made; the exit code of the signal, one line, and no process left."""
    run = tmp_path / RUN
    with started(tmp_path, *LONG) as process:
        wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 3, TIMEOUT)
        if to == "all":
            os.killpg(process.pid, signum)
        else:
            os.kill(process.pid if to == "rank 0" else rank_1(process.pid), signum)
        assert process.wait(TIMEOUT) == code
        wait_for(lambda: not living(process.pid), TIMEOUT)
    errors = (tmp_path / "stderr").read_text().strip()
    assert says in errors
    assert len(errors.splitlines()) == (1 if says else 0), errors
    if says:
        steps = read(run / "checkpoints/last.ckpt")["steps"]
        assert steps >= 15 * UPDATE
        assert steps % UPDATE == 0


@pytest.mark.exhaustive
def test_a_signal_before_the_training_ends_all(tmp_path: Path) -> None:
    """To rank 0, which has just started the other one. That sees the end of the process that has started it."""
    with started(tmp_path, *LONG) as process:
        wait_for(lambda: bool(rank_1(process.pid)), TIMEOUT)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(TIMEOUT) == 143
        wait_for(lambda: not living(process.pid), TIMEOUT)


@pytest.mark.exhaustive
def test_an_error_at_one_rank(tmp_path: Path) -> None:
    """It names itself. The other one says that all stop, saves, and the command fails.

    Each of its two workers has taken two steps in 16 environments since its last rollout. They are lost to the job.
    """
    env = ["--data.env_id", "tests.engines.learners.fails:FailsAtRank-v0", "--trainer.logger.name", "CartPole-v1"]
    done = launch(*LONG, *env, "--data.max_restarts", "1", cwd=tmp_path, timeout=TIMEOUT)
    assert done.returncode == 1
    first, replaced, *last = done.stderr.strip().splitlines()
    assert "as was asked for" in first
    assert replaced == "lit-a3c: it is replaced (1 of at most 1 times)"
    assert len(last) == 2, done.stderr
    assert "lit-a3c: the learner of rank 1 has failed, and says why itself. All learners stop." in last
    assert any(line.startswith("lit-a3c: rank 1: ") and "as was asked for" in line for line in last)
    checkpoint = read(tmp_path / RUN / "checkpoints/last.ckpt")
    assert checkpoint["steps"] == 2 * 10 * UPDATE
    assert checkpoint["discarded"] == 2 * 2 * 16


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


@pytest.mark.exhaustive
def test_ranks_with_different_configs(tmp_path: Path) -> None:
    """As two machines on which the command was started by hand. Both refuse, and rank 0 says why."""
    port, done = free_port(), []
    for rank in range(2):
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "NODE_RANK": str(rank), "LOCAL_RANK": "0"}
        options = [
            "--trainer.devices",
            "1",
            "--trainer.num_nodes",
            "2",
            "--last_checkpoint.every_n_updates",
            f"10{rank}",
        ]
        done.append(
            subprocess.Popen(
                [*LAUNCH, *TWO, *options], cwd=tmp_path, env=environment() | where, stderr=subprocess.PIPE, text=True
            )
        )
    errors = [process.communicate(timeout=TIMEOUT)[1] for process in done]
    assert [process.returncode for process in done] == [2, 2], errors
    waits, refuses = errors[0].splitlines()
    assert waits == f"lit-a3c: waiting for the 1 learners of the other machines at 127.0.0.1:{port}."
    assert refuses == (
        "lit-a3c: the learners were given different options: last_checkpoint.every_n_updates is 100 at rank 0 and 101 "
        "at rank 1. Give all of them the same command, config and versions."
    )
    assert not errors[1]


@pytest.mark.exhaustive
def test_a_port_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", port)
        done = launch(*TWO, cwd=tmp_path, timeout=TIMEOUT)
    assert done.returncode == 2
    assert done.stderr == f"lit-a3c: MASTER_PORT {port} is in use on this machine. Give one that is free.\n"


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port"]


@pytest.mark.exhaustive
def test_started_by_torchrun(tmp_path: Path) -> None:
    command = [*TORCHRUN, free_port(), "-m", "lit_a3c"]
    small = ["--data.total_steps", "1600", "--trainer.val_check_interval", "100"]
    done = launch(*TWO, *small, cwd=tmp_path, command=command, timeout=240)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / RUN / "checkpoints/last.ckpt")["steps"] == 1_600
    assert [entry.name for entry in (tmp_path / RUN).parent.iterdir()] == ["version_0"]
    assert done.stdout.count("2 learners with 1 workers") == 1


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--trainer.strategy", "auto", "--trainer.devices", "1"], "--trainer.strategy ddp"),
        (["--trainer.devices", "3"], "trainer.devices 3 times trainer.num_nodes 1 is 3"),
    ],
)
def test_torchrun_with_other_numbers(options: list[str], says: str, tmp_path: Path) -> None:
    done = launch(*TWO, *options, cwd=tmp_path, command=[*TORCHRUN, free_port(), "-m", "lit_a3c"], timeout=240)
    assert done.returncode != 0
    assert "torchrun has started 2 processes" in done.stderr
    assert says in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.exhaustive
def test_slurm_asks_all_to_end_soon(tmp_path: Path) -> None:
    """As ``srun`` starts two tasks. All stop at one update, and rank 0 saves and asks for another turn."""
    (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho $* > {tmp_path}/requeued\n")
    (tmp_path / "scontrol").chmod(0o755)
    job = {"JOB_ID": "7", "JOB_NAME": "job", "NTASKS": "2", "NTASKS_PER_NODE": "2", "NODEID": "0", "NNODES": "1"}
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "MASTER_PORT": free_port()}
    tasks, run = [], tmp_path / RUN
    for rank in ("0", "1"):
        slurm = {f"SLURM_{name}": value for name, value in {**job, "PROCID": rank, "LOCALID": rank}.items()}
        where = environment() | path | slurm
        tasks.append(subprocess.Popen([*LAUNCH, *LONG], cwd=tmp_path, env=where, stderr=subprocess.PIPE, text=True))
    wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 3, TIMEOUT)
    for task in tasks:
        task.send_signal(signal.SIGUSR1)
    errors = [task.communicate(timeout=TIMEOUT)[1] for task in tasks]
    assert [task.returncode for task in tasks] == [128 + signal.SIGUSR1] * 2, errors
    assert errors[0].strip() == "lit-a3c: SIGUSR1: saving and stopping; once more ends at once."
    assert not errors[1]
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    (saved,) = tmp_path.glob("hpc_ckpt_*.ckpt")
    assert read(saved)["steps"] == read(run / "checkpoints/last.ckpt")["steps"] > 0
