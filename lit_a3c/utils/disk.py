"""Files on a disk that may be full or read-only: what cannot be written is said once, and nothing is cut in the middle.

Imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path


class DiskError(OSError):
    """A directory has no room, or is read-only. It has the number, the words and the path of an ``OSError``."""


class Outage:
    """Tells the user once that something cannot be written, and once that it can be written again.

    Args:
        what: What is written, as the start of a sentence.
        consequence: The rest of the message: what the failure costs.

    Attributes:
        error: Why it cannot be written at present, or None.
    """

    def __init__(self, what: str, consequence: str) -> None:
        self._what, self._consequence = what, consequence
        self.error: OSError | None = None

    def begin(self, error: OSError, file: str = "") -> None:
        """It cannot be written, or this file of it cannot."""
        if self.error is None:
            say(f"{file or self._what} cannot be written: {reason(error)}. {self._consequence}")
        self.error = error

    def end(self, result: str = "") -> None:
        """It has been written. ``result`` is the end of the message where it could not be written before."""
        if self.error is not None:
            say(f"{self._what} can be written again.{f' {result}' if result else ''}")
        self.error = None


def say(message: str) -> None:
    """Print a line on stderr, which may itself be a file on a full disk."""
    with contextlib.suppress(OSError):
        print(f"lit-a3c: {message}", file=sys.stderr, flush=True)


def reason(error: OSError) -> str:
    """The system's words for an error."""
    return error.strerror or str(error)


def append_whole(file: Path, end: int, data: bytes) -> int:
    """Append to a file, all of the data or nothing.

    Args:
        file: Made if missing.
        end: Size of what has been written before. What lies behind it is the start of something that did not fit: it
            is cut off.
        data: What to append.

    Returns:
        The new size.

    Raises:
        OSError: Not all of it could be written.
    """
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "wb", 0) as out:
        end = min(end, out.seek(0, os.SEEK_END))  # less where somebody has cut the file
        try:
            out.truncate(end)
            out.seek(end)
            rest = memoryview(data)
            while rest:  # a disk that is almost full takes a part
                rest = rest[out.write(rest) or 0 :]
        except OSError:
            with contextlib.suppress(OSError):
                out.truncate(end)
            raise
    return end + len(data)


def replace_whole(file: Path, data: bytes) -> None:
    """Write a file beside its target, flush it to the disk and rename it: the target is the old or the new one.

    Raises:
        OSError: It could not be written. The target is as before.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the name is safe once the directory is
        directory = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def check_room(directory: Path) -> None:
    """Make a directory, and write as much as a small checkpoint: on a full disk an empty file may still be made.

    Raises:
        DiskError: The directory cannot be made, or the file cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DiskError(error.errno, error.strerror, str(directory)) from error
