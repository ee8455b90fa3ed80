"""The engine ``ray`` from the command line: what is refused, and what is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lit_a3c.cli.main import main
from tests.commands import RUN, alive, environment, read, rows, started, wait_for

FIT = ["fit", "--config", "cartpole.yaml", "--engine", "ray", "--ray.address", "local", "--num_workers", "2"]
TIMEOUT = 180.0
"""Seconds for what takes twenty on a machine that has nothing else to do."""


def test_the_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """One line with the command that installs it, and no directory of a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(FIT) == 2
    line = capsys.readouterr().err.strip()
    assert line == "lit-a3c: engine ray needs the package ray: pip install 'lit-a3c[ray]'"
    assert not list(tmp_path.iterdir())


def test_other_engines_do_not_import_it() -> None:
    """Neither the package nor the part of this library that stands on it."""
    program = (
        "import sys; import lit_a3c.cli.lightning_cli, lit_a3c.datamodule; "
        "print(sorted(m for m in sys.modules if m == 'ray' or m.startswith(('ray.', 'lit_a3c.engines.ray_pool.'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['lit_a3c.engines.ray_pool.options']"


@pytest.mark.exhaustive
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_leaves_nothing_behind(tmp_path: Path, signum: signal.Signals) -> None:
    """It reaches the whole process group, that of a cluster of this machine included."""
    pytest.importorskip("ray")
    run = tmp_path / RUN
    options = ["--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "5", "--model.vtrace", "true"]
    with started(tmp_path, *FIT, *options, "--data.total_steps", "10_000_000") as process:
        wait_for(lambda: (run / "metrics.csv").exists() and len(rows(run)) > 3, TIMEOUT)
        session = [int(file.parent.name) for file in Path("/proc").glob("[0-9]*/stat") if in_session(file, process.pid)]
        os.killpg(process.pid, signum)
        assert process.wait(TIMEOUT) == 128 + signum
        wait_for(lambda: not alive(process.pid), TIMEOUT)
        wait_for(
            lambda: not [pid for pid in session if Path(f"/proc/{pid}/cmdline").exists() and running(pid)], TIMEOUT
        )
    errors = (tmp_path / "stderr").read_text()
    assert (
        re.sub(r"\n\n+", "\n", errors).strip()
        == f"lit-a3c: {signum.name}: saving and stopping; once more ends at once."
    )
    assert read(run / "checkpoints/last.ckpt")["steps"] > 0
    assert {"train/steps_in_flight", "train/steps_discarded"} <= rows(run)[0].keys()


def in_session(file: Path, leader: int) -> bool:
    """Whether a process belongs to the session of this one. Actors have process groups of their own."""
    try:
        return int(file.read_text().rpartition(")")[2].split()[3]) == leader
    except OSError:
        return False


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
