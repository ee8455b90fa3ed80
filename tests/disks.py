"""Disks without room, in any environment that has Linux: a limit for the size of files makes every write fail."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.commands import LAUNCH, environment

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


class Training(NamedTuple):
    """A running ``lit-a3c``, whose stderr is no file."""

    process: subprocess.Popen[str]
    messages: list[str]
    """Lines of its stderr so far, those of other libraries left out unless they are of a traceback."""

    def wait_for(self, said: str | Callable[[], bool], seconds: float = 60) -> None:
        """Wait for a message that contains this, or for a condition."""
        deadline = time.monotonic() + seconds
        while not (said() if callable(said) else any(said in message for message in self.messages)):
            assert time.monotonic() < deadline, f"waited in vain for {said}: {self.messages}"
            assert self.process.poll() is None, self.messages
            time.sleep(0.05)

    def stop(self) -> int:
        """Ask it to end; the exit code, once all of its messages are there."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextlib.contextmanager
def training(directory: Path, *args: str) -> Iterator[Training]:
    """``lit-a3c ARGS`` as the leader of a process group."""
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen([*LAUNCH, *args], cwd=directory, env=environment(), **pipes)  # type: ignore[call-overload]
    run = Training(process, [])

    def read() -> None:
        for line in process.stderr:
            if line.startswith(("lit-a3c: ", "Traceback")):
                run.messages.append(line.strip())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        reader.join()
        process.stderr.close()
        process.wait()
