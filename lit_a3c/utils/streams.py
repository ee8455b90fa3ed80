"""Standard output and error that cannot end a training: a closed terminal or pipe costs what is printed, no more."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import Any

from lit_a3c.utils.signals import INTERRUPTION

WRITE_TIMEOUT_SECONDS = 1.0
"""Seconds that a reader may take after a signal. Before one, a full pipe makes the writer wait, as everywhere."""


class _TolerantFile(io.RawIOBase):
    """A file descriptor that takes everything, whether or not it can be written to.

    A terminal that was closed refuses with EIO, a pipe without reader with EPIPE, a file on a full disk with ENOSPC.

    Args:
        descriptor: The number of the descriptor, which stays open.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        timeout = None if INTERRUPTION.signum is None else WRITE_TIMEOUT_SECONDS
        try:
            if select.select([], [self._descriptor], [], timeout)[1]:
                return os.write(self._descriptor, data[: select.PIPE_BUF])
        except OSError:
            pass
        return len(data)


@contextlib.contextmanager
def tolerant_streams() -> Iterator[None]:
    """Make ``sys.stdout`` and ``sys.stderr`` tolerant inside the block, unless they have been redirected already."""
    before = sys.stdout, sys.stderr
    make_streams_tolerant()
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(ValueError):  # closed by someone else
                stream.flush()
        sys.stdout, sys.stderr = before


def make_streams_tolerant() -> None:
    """Make ``sys.stdout`` and ``sys.stderr`` tolerant from now on. Descriptors that are closed become ``/dev/null``.

    A descriptor that stays closed would be given to the next file that is opened, which would then hold what libraries
    print. What an encoding does not have is printed as an escape.
    """
    if os.name != "posix":  # where select() knows sockets only
        return
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout, sys.stderr = _tolerant(sys.stdout, 1), _tolerant(sys.stderr, 2)


def _tolerant(stream: Any, descriptor: int) -> Any:
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
        try:
            if stream.fileno() != descriptor:
                return stream
        except (OSError, ValueError, AttributeError):  # no file at all
            return stream
    return io.TextIOWrapper(
        io.BufferedWriter(_TolerantFile(descriptor)),
        encoding=getattr(stream, "encoding", "utf-8"),
        errors="backslashreplace",
        line_buffering=descriptor == 2 or os.isatty(descriptor),
        write_through=getattr(stream, "write_through", False),
    )
