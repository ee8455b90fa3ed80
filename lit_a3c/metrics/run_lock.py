"""One training at a time in a directory: it is taken by making it, and is locked while it is written to."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import weakref
from pathlib import Path

from lit_a3c.utils.disk import reason, say
from lit_a3c.utils.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
"""The file that is locked. It stays: another process may be about to lock it."""


def take_version(runs: Path) -> int:
    """Make the directory ``version_N`` with the next free number. Each is given to one process only.

    Args:
        runs: Its parent, made if missing.

    Raises:
        ConfigError: It cannot be made.
    """
    try:
        runs.mkdir(parents=True, exist_ok=True)
        taken = [re.fullmatch(r"version_(\d+)", entry.name) for entry in runs.iterdir()]
        version = max((int(match[1]) for match in taken if match), default=-1) + 1
        while True:
            try:
                (runs / f"version_{version}").mkdir()
            except FileExistsError:
                version += 1
            else:
                return version
    except OSError as error:
        raise ConfigError(f"no directory for the run can be made in {str(runs)!r}: {reason(error)}.") from error


def holds_run(directory: Path) -> bool:
    """Whether a training has left rows or checkpoints here."""
    return (directory / "metrics.csv").exists() or any(directory.glob("**/*.ckpt"))


class RunLock:
    """A lock on a directory. The kernel frees it when the process ends in any way, ``kill -9`` included.

    Where the file system has no locks, this is said, and the directory is not locked.

    Args:
        directory: The directory, made if missing.
        what: What runs in it, for the message.
        option: The option that gives another directory.

    Raises:
        ConfigError: Another process holds it. The message has the number and host of that process.
    """

    def __init__(self, directory: Path, what: str = "a training", option: str = "--trainer.logger.name") -> None:
        self._descriptor: int | None = None
        self._what, self._option = what, option
        problem = "this system has no flock()"
        if fcntl is not None:
            try:
                self._lock(directory)
            except OSError as error:
                problem = reason(error)
        if self._descriptor is None:
            say(f"{str(directory)!r} is not locked, so start no second training there: {problem}.")

    def _lock(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 300, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise ConfigError(
                f"{self._what} is running in {str(directory)!r}: {owner or 'another process'}. Wait until it has "
                f"ended, or give this one a directory of its own with {self._option}."
            ) from error
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _HELD.add(self)
        with contextlib.suppress(OSError):  # on a full disk the lock holds, too
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)

    def release(self) -> None:
        """Let others take the directory."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __del__(self) -> None:
        self.release()


_HELD: weakref.WeakSet[RunLock] = weakref.WeakSet()


def _close_inherited() -> None:
    """In a forked child: a descriptor that it kept would hold the lock after the end of the training."""
    for lock in list(_HELD):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_inherited)
