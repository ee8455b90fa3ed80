"""Standard output and error that take everything."""

from __future__ import annotations

import io
import os
import sys
from multiprocessing.connection import Connection

import pytest

from lit_a3c.utils.signals import INTERRUPTION
from lit_a3c.utils.streams import _tolerant, tolerant_streams


def echo(connection: Connection) -> None:
    """A worker that sends back what it gets."""
    connection.send(connection.recv())


@pytest.fixture
def pipe() -> tuple[int, int]:
    return os.pipe()


def stream_to(descriptor: int) -> io.TextIOWrapper:
    """A tolerant stream in place of the usual one."""
    usual = io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False), encoding="ascii")
    stream = _tolerant(usual, descriptor)
    assert isinstance(stream, io.TextIOWrapper)
    assert stream is not usual
    return stream


def test_everything_arrives_while_somebody_reads(pipe: tuple[int, int]) -> None:
    """What the encoding does not have arrives as an escape."""
    stream = stream_to(pipe[1])
    text = "x" * 20_000
    print(text, "é", file=stream, flush=True)
    os.close(pipe[1])
    with os.fdopen(pipe[0]) as reader:
        assert reader.read() == f"{text} \\xe9\n"


def test_a_reader_that_is_gone_is_no_error(pipe: tuple[int, int]) -> None:
    stream = stream_to(pipe[1])
    os.close(pipe[0])
    for _ in range(3):
        print("nobody reads this", file=stream, flush=True)


def test_a_full_pipe_holds_nobody_up_after_a_signal(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Before one it makes the writer wait, so that a pager gets everything."""
    monkeypatch.setattr(INTERRUPTION, "signum", 15)
    stream = stream_to(pipe[1])
    print("x" * 70_000, file=stream, flush=True)
    os.close(pipe[0])


def test_streams_that_were_redirected_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with tolerant_streams():
        assert sys.stdout is before
        print("hello")
    assert capsys.readouterr().out == "hello\n"
