"""Limits of the machine, as a user meets them: one line, exit code 1 or 2, and no traceback."""

from __future__ import annotations

import math
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lit_a3c.cli.main import main
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.registry import make_source
from lit_a3c.utils import machine
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.machine import check_process, machine_problem
from tests.cli.conftest import Refused, assert_readable
from tests.commands import LAUNCH, launch
from tests.engines.sources import setting

linux = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
COMMAND = [*LAUNCH, "fit", "--config", "cartpole.yaml", "--engine", "serial"]


@linux
@pytest.mark.parametrize(
    ("prelude", "says"),
    [
        ("mkdir gone; cd gone; rmdir ../gone", "current directory"),
        ("ulimit -v 500000", "ulimit -v"),
        ("export PYTHONOPTIMIZE=2", "PYTHONOPTIMIZE=2"),
        ("export PYTHONWARNINGS=error", "PYTHONWARNINGS=error"),
        ("export MUJOCO_GL=egll", "MUJOCO_GL is 'egll'. Set it to egl"),
        ('export LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0; set -- "$@" --trainer.logger.name ü', "PYTHONUTF8=1"),
    ],
    ids=["deleted directory", "little memory", "no docstrings", "warnings", "renderer", "letters without a locale"],
)
def test_what_can_be_known_at_once_is_refused_at_once(prelude: str, says: str, tmp_path: Path) -> None:
    """Before torch is imported."""
    done = launch(*COMMAND, cwd=tmp_path, command=["bash", "-c", f'{prelude}; exec "$@"', "bash"])
    assert done.returncode == 2, done.stderr
    assert_readable(done.stderr)
    assert says in done.stderr


def test_a_directory_too_long_for_sockets_is_refused(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name and length. The engine serial needs none."""
    directory = tmp_path / ("x" * 100)
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    message = refused("fit", "--config", "cartpole.yaml")
    assert "TMPDIR" in message
    assert f"it has {len(str(directory))} bytes, and 75 are allowed" in message
    serial = ["fit", "--config", "cartpole.yaml", "--engine", "serial"]
    assert "trainer.devices" in refused(*serial, "--trainer.devices", "3"), "that is checked after the sockets"


class Usage(NamedTuple):
    """A disk as :func:`shutil.disk_usage` describes it."""

    total: int
    used: int
    free: int


@pytest.mark.parametrize("room", [True, False])
def test_shared_memory_that_is_too_small_is_refused(
    room: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any of it is used: beyond its end the process would die of SIGBUS. The size named is what is needed."""
    config, policy = setting("CartPole-v1", "async", workers=2, envs=64, length=50)
    # Bytes of a step: an observation and the next one, the reward, the action, two flags.
    slot = [64 * 50 * size for size in (16, 16, 4, 8, 1, 1)]
    weights = [tensor.nbytes for tensor in (*policy.parameters(), *policy.buffers())]
    pages = sum(math.ceil(size / 4096) for size in 2 * 2 * slot + 2 * weights)
    free = 4096 * (pages + 16) - (0 if room else 1)
    monkeypatch.setattr(machine, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(2 * free, free, free))
    if room:
        make_source(config, policy, StepLedger()).close()
        return
    with pytest.raises(ConfigError, match=r"0\.\d MiB of shared memory for 2 workers.*--shm-size"):
        make_source(config, policy, StepLedger())


@linux
def test_too_few_open_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soft limit is raised first, so the hard one counts."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    config, policy = setting("CartPole-v1", "async", workers=100)
    ledger = StepLedger()
    most = max(int(file.name) for file in Path("/proc/self/fd").iterdir()) + 20  # other tests may hold some
    monkeypatch.setattr(machine, "MOST_DESCRIPTORS", most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most - 4, limit[1]))
    try:
        with pytest.raises(ConfigError, match=rf"open files for 100 workers, and the limit is {most} \(`ulimit -n`\)"):
            make_source(config, policy, ledger)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == most
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(24, os.strerror(24)), "ulimit -n"),
        (
            RuntimeError("unable to open shared memory object </torch_1> in read-write mode: Too many open files (24)"),
            "-n",
        ),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (BlockingIOError(11, os.strerror(11)), "ulimit -u"),
        (OSError(12, os.strerror(12)), "not enough memory"),
        (MemoryError(), "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes."),
            "not enough memory",
        ),
        (ValueError("too many fds"), "too many tensors"),
        (OSError(28, os.strerror(28)), "disk is full"),
        (OSError(2, os.strerror(2)), None),
        (ZeroDivisionError("division by zero"), None),
    ],
    ids=str,
)
def test_errors_of_the_machine_are_told_from_others(error: Exception, told: str | None) -> None:
    """In one line, whichever library has raised them."""
    problem = machine_problem(error)
    assert (problem is None) == (told is None)
    assert told is None or (problem and told in problem and len(problem.splitlines()) == 1)


def test_an_error_of_the_machine_ends_the_command_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With the exit code 1. Any other error is a mistake of ours, and shows where it is."""
    monkeypatch.chdir(tmp_path)
    raised: list[Any] = [OSError(24, os.strerror(24)), OSError(2, os.strerror(2))]
    monkeypatch.setattr("lit_a3c.cli.lightning_cli.run", lambda _: (_ for _ in ()).throw(raised.pop(0)))
    assert main(["test"]) == 1
    assert_readable(capsys.readouterr().err)
    with pytest.raises(FileNotFoundError):
        main(["test"])


def test_an_ordinary_process_is_not_refused() -> None:
    check_process(["fit", "--trainer.logger.name", "größer 中"])
