"""The fork server: which signals it hears, what it leaves, and scripts that its workers would run again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from multiprocessing import forkserver
from pathlib import Path

import pytest

from lit_a3c.engines.processes import end_workers, start_worker
from lit_a3c.engines.start_method import ensure_fork_server
from lit_a3c.utils.signals import END_SIGNALS
from tests.commands import environment, wait_for
from tests.engines.sources import GENEROUS
from tests.utils.test_streams import echo

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def pid_of_the_server() -> int:
    return int(forkserver._forkserver._forkserver_pid)  # type: ignore[attr-defined]


def mask(pid: int, *names: str) -> set[int]:
    """The signals in these masks of a process: ``SigBlk``, ``SigIgn``."""
    text = Path(f"/proc/{pid}/status").read_text()
    values = [int(found[1], 16) for name in names if (found := re.search(rf"^{name}:\s*(\w+)", text, re.MULTILINE))]
    return {signum for signum in END_SIGNALS for value in values if value & 1 << signum - 1}


@linux
def test_a_fork_server_ignores_signals_from_its_start_and_so_does_the_one_after_it() -> None:
    """To what a terminal sends to all processes. This process hears it all the time."""
    ensure_fork_server()
    for _ in range(2):
        before = mask(os.getpid(), "SigBlk")
        first = pid_of_the_server()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda first=first: not runs(first), GENEROUS)  # type: ignore[misc]
        ensure_fork_server()
        assert pid_of_the_server() != first
        assert mask(pid_of_the_server(), "SigBlk", "SigIgn") == set(END_SIGNALS)
        assert mask(os.getpid(), "SigBlk") == before
    worker = start_worker(0, echo)  # once the imports are done, they are ignored and no longer blocked
    try:
        worker.send("hello")
        assert worker.receive() == "hello"
        assert mask(worker.process.pid, "SigIgn") == set(END_SIGNALS)
        assert not mask(worker.process.pid, "SigBlk")
        assert not mask(pid_of_the_server(), "SigBlk")
    finally:
        end_workers([worker])


LEARNER = """
import os, time
from multiprocessing import forkserver
from lit_a3c.engines.start_method import ensure_fork_server
ensure_fork_server()
while LATE and not os.path.exists("importing"):
    time.sleep(0.05)
print(forkserver._forkserver._forkserver_pid, flush=True)
os._exit(0)
"""


@linux
@pytest.mark.parametrize("late", [False, True], ids=["before", "during"])
def test_a_fork_server_ends_with_the_learner_during_its_imports_too(late: bool, tmp_path: Path) -> None:
    """They take ten minutes, here."""
    (tmp_path / "torchrl").mkdir()
    (tmp_path / "torchrl/__init__.py").write_text("import time\nopen('importing', 'w')\ntime.sleep(600)\n")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    command, variables = [sys.executable, "-c", f"LATE = {late}\n{LEARNER}"], environment() | {"PYTHONPATH": path}
    done = subprocess.run(command, cwd=tmp_path, env=variables, stdout=subprocess.PIPE, text=True, timeout=GENEROUS)
    wait_for(lambda: not runs(int(done.stdout)), GENEROUS)


def runs(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


SCRIPT = """
from lightning.pytorch import Trainer
from lit_a3c import A3C, RolloutDataModule
data = RolloutDataModule("CartPole-v1", 10_000, num_workers=2)
options = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
Trainer(max_epochs=-1, limit_val_batches=0, **options).fit(A3C(data.spaces), data)
"""


@pytest.mark.campaign
def test_a_script_without_a_main_guard_is_told_so(tmp_path: Path) -> None:
    """Once, by the one error of the script. No worker is replaced by another that runs the script again."""
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 1
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert done.stderr.count("Traceback") == 1, done.stderr
    assert "replaced" not in done.stderr
