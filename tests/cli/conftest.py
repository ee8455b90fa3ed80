"""What tests of the command line share: one finished training, and a call that must be refused."""

from __future__ import annotations

import contextlib
import io
import subprocess
import warnings
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from lit_a3c.cli.main import main
from tests.cli.trainings import FIT
from tests.commands import RUN

Refused = Callable[..., str]
"""The fixture ``refused``: ``lit-a3c ARGS``, which must be refused; the message."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which the shipped CartPole config was trained for a few steps."""
    directory = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(directory), contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(FIT) == 0
    assert "CartPole-v1, 4,000 steps, async" in out.getvalue()
    assert str(RUN) in out.getvalue()
    return directory


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Refused:
    """``lit-a3c ARGS`` in this process, in ``tmp_path``: exit code 2, no worker, and one short message: its result."""
    monkeypatch.chdir(tmp_path)
    started: list[Any] = []
    start, run = BaseProcess.start, subprocess.Popen.__init__

    def record_worker(self: BaseProcess) -> None:
        started.append(self.name)
        start(self)

    def record_command(self: subprocess.Popen[Any], args: Any, **kwargs: Any) -> None:
        if "-c" not in args:  # jsonargparse asks an interpreter for its path
            started.append(args)
        run(self, args, **kwargs)

    monkeypatch.setattr(BaseProcess, "start", record_worker)
    monkeypatch.setattr(subprocess.Popen, "__init__", record_command)

    def call(*args: str) -> str:
        capfd.readouterr()
        with warnings.catch_warnings(record=True) as warned:
            code = main(list(args))
        message = capfd.readouterr().err
        assert code == 2, message
        assert_readable(message)
        assert not started
        assert not [str(warning.message) for warning in warned]
        return message.removeprefix("lit-a3c: ").strip()

    return call


def assert_readable(message: str) -> None:
    """At most three lines, from us, without the internals of Python and jsonargparse."""
    assert message.startswith("lit-a3c: ")
    assert 1 <= len(message.splitlines()) <= 3
    assert len(message) < 600
    for internals in ("Traceback", "NestedArg", "<class ", "'--.", "{at}", "config.", "Parser key", "Union"):
        assert internals not in message
