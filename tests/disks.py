"""Disks without room, in any environment that has Linux: a limit for the size of files makes every write fail."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

UNLIMITED = resource.RLIM_INFINITY


def limit_files(size: int, pid: int = 0) -> None:
    """Let a process write no file beyond so many bytes. 0 is a full disk, ``UNLIMITED`` has room again."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, UNLIMITED))


@contextlib.contextmanager
def full_disk(size: int = 0) -> Iterator[None]:
    """No file can be written beyond so many bytes by this process. Use ``capsys``: ``capfd`` writes to files."""
    limit_files(size)
    try:
        yield
    finally:
        limit_files(UNLIMITED)


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """A directory is on a read-only file system for all files that are opened now, root's included. Needs root."""
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def can_mount(directory: Path) -> bool:
    """Whether :func:`read_only` works here."""
    if shutil.which("mount") is None:
        return False
    if subprocess.run(["mount", "--bind", directory, directory], capture_output=True).returncode:
        return False
    return subprocess.run(["umount", directory], capture_output=True).returncode == 0
