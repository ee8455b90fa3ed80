"""Commands as children: several at a time, and none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lit_a3c.experiments.jobs import run_jobs
from lit_a3c.utils.errors import RunError
from tests.commands import environment, wait_for


class Commands:
    """A job of given commands."""

    def __init__(self, log: Path, *commands: list[str], seconds: float = 1e9) -> None:
        self.log, self._commands, self._end = log, commands, time.monotonic() + seconds

    def commands(self) -> Iterator[list[str]]:
        for command in self._commands:
            if command == ["broken"]:
                raise RunError("nothing was left")
            yield command

    def goes_on(self) -> bool:
        return time.monotonic() < self._end


def test_each_job_ends_with_its_own_message(tmp_path: Path) -> None:
    jobs = [
        Commands(tmp_path / "good", ["--version"], ["--version"]),
        Commands(tmp_path / "bad", ["--version"], ["fti"], ["--version"]),
        Commands(tmp_path / "broken", ["--version"], ["broken"]),
    ]
    ended = {over.job.log.name: over for over in run_jobs(iter(jobs), 2)}
    assert [ended[name].error is None for name in ("good", "bad", "broken")] == [True, False, False]
    assert (tmp_path / "good").read_text().count("lit-a3c 0.") == 2
    assert (ended["bad"].error or "").startswith("'fti' is not a command")
    assert ended["broken"].error == "nothing was left"
    assert (tmp_path / "bad").read_text().count("lit-a3c 0.") == 1


TRAINS = [
    "fit",
    "--config=cartpole.yaml",
    "--engine=serial",
    "--data.total_steps=10_000_000",
    "--video.every_n_steps=-1",
]
PARENT = """
import sys
from pathlib import Path
from lit_a3c.experiments.jobs import run_jobs
from tests.experiments.test_jobs import Commands, TRAINS
for _ in run_jobs(iter([Commands(Path("log"), [*TRAINS, "--trainer.log_every_n_steps=5"])]), 1):
    pass
"""


def test_a_parent_that_is_killed_leaves_a_checkpoint_and_no_process(tmp_path: Path) -> None:
    """Nothing tells the child but its closed pipe."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=tmp_path, env=environment(), start_new_session=True)
    try:
        run = tmp_path / "runs/CartPole-v1/version_0"
        wait_for((run / "metrics.csv").exists, 60)
        children = of_session(parent.pid)
        assert len(children) >= 2
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    wait_for(lambda: not of_session(parent.pid), 30)
    assert (run / "checkpoints/last.ckpt").exists()
    assert "SIGTERM: saving and stopping" in (tmp_path / "log").read_text()


def of_session(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = file.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(file.parent.name))
    return found


def test_a_job_can_be_given_up_and_a_caller_can_leave(tmp_path: Path) -> None:
    jobs = iter([Commands(tmp_path / "log", [*TRAINS, f"--trainer.logger.save_dir={tmp_path}"], seconds=3)])
    (over,) = run_jobs(jobs, 1)
    assert over.given_up
    assert over.error is None
    started = [Commands(tmp_path / "first", ["--version"]), Commands(tmp_path / "second", TRAINS)]
    with closing(run_jobs(iter(started), 2)) as ended:
        assert next(ended).job is started[0]
    assert not [pid for pid in of_session(os.getsid(0)) if parent_of(pid) == os.getpid() and "fit" in command_of(pid)]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
