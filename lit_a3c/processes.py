"""Worker processes: how they start, how they end, and how their last words reach the user.

Imports nothing heavy, so that the fork server can start before torch is imported.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import multiprocessing as mp
import multiprocessing.util
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

log = logging.getLogger(__name__)


class WorkerError(RuntimeError):
    """A worker ended by itself. The message names it and holds its own exception and traceback.

    Args:
        message: What happened.
        raised: Whether the worker raised an exception, as one that cannot work does at once each time.
    """

    def __init__(self, message: str, *, raised: bool = False) -> None:
        super().__init__(message)
        self.raised = raised


class _Failed(NamedTuple):
    """A worker's last message: it ends with this exception."""

    summary: str
    traceback: str


class Restarts:
    """How often workers may be replaced.

    Args:
        limit: Replacements before the failure of a worker ends the training.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.made = 0

    def make(self, error: WorkerError) -> None:
        """Count one more, and say why.

        Raises:
            WorkerError: The one given; there have been enough.
        """
        if self.made >= self._limit:
            raise error
        self.made += 1
        log.warning("lit-a3c: %s\nlit-a3c: it is replaced (%d of at most %d times)", error, self.made, self._limit)


@dataclass
class Worker:
    """A worker process as its owner sees it. It ends when the connection closes, however that comes about.

    Attributes:
        number: The worker's number.
        process: The process.
        connection: The owner's end of a pipe to it.
        lifeline: The owner's end of a pipe whose closing ends the process wherever it is.
    """

    number: int
    process: Any
    connection: Connection
    lifeline: Connection

    def send(self, message: Any) -> None:
        """Send what it waits for. That it has ended meanwhile is found and reported by who listens to it."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def receive(self) -> Any:
        """The next message, waited for.

        Raises:
            WorkerError: It has failed, or ended without a word.
        """
        try:
            message = self.connection.recv()
        except (EOFError, OSError):  # the end of a process closes its pipe
            self.process.join(timeout=5)
            raise WorkerError(
                f"worker {self.number} ended without a word (exit code {self.process.exitcode})"
            ) from None
        if isinstance(message, _Failed):
            raise WorkerError(f"worker {self.number} failed: {message.summary}\n{message.traceback}", raised=True)
        return message


def start_worker(number: int, work: Callable[..., None], *args: Any) -> Worker:
    """Start a process that runs ``work(connection, *args)`` on one thread, deaf to signals of the whole group.

    Args:
        number: The worker's number.
        work: A function of a module. It should return when its connection closes.
        args: Further arguments, pickled; shared memory stays shared.
    """
    ours, theirs = context().Pipe()
    watched, lifeline = context().Pipe(duplex=False)
    process = context().Process(
        target=_live, args=(theirs, watched, work, *args), name=f"lit-a3c worker {number}", daemon=True
    )
    process.start()
    theirs.close()
    watched.close()
    # An interpreter that ends without closing its workers waits for them.
    mp.util.Finalize(process, lifeline.close, exitpriority=0)
    return Worker(number, process, ours, lifeline)


def end_workers(workers: Iterable[Worker]) -> None:
    """End processes: politely first, by force after a second."""
    workers = list(workers)
    for worker in workers:
        worker.connection.close()  # who waits for a message sees this and returns
    deadline = time.monotonic() + 1
    for worker in workers:
        worker.process.join(timeout=max(0.0, deadline - time.monotonic()))
        kill_worker(worker)


def kill_worker(worker: Worker) -> None:
    """End a process whatever it does, stopped ones included."""
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    worker.connection.close()
    worker.lifeline.close()


def _live(connection: Connection, lifeline: Connection, work: Callable[..., None], *args: Any) -> None:
    """A worker's life."""
    import torch

    threading.Thread(target=_follow, args=(lifeline,), daemon=True).start()
    be_deaf()
    torch.set_num_threads(1)
    try:
        work(connection, *args)
    except Exception as error:
        with contextlib.suppress(OSError):
            connection.send(_Failed(f"{type(error).__name__}: {error}", traceback.format_exc()))


def _follow(lifeline: Connection) -> None:
    """End with the owner, in the middle of a step that takes minutes as well."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)


def be_deaf() -> dict[int, Any]:
    """Ignore what reaches the whole group and is for the learner to decide upon; returns the handlers before."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    signums = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return {signum: signal.signal(signum, signal.SIG_IGN) for signum in signums}


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """Workers of a training for which no number is given: one per core, at most 16, as the paper's."""
    return min(16, cores())


@functools.cache
def context() -> Any:
    """A fork server imports torch and TorchRL once and forks every worker from itself: 0.1 s each instead of 5 s.

    It is a process of its own without threads, so forking from it is safe. Windows has only spawn.
    """
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    forkserver = mp.get_context("forkserver")
    forkserver.set_forkserver_preload(["lit_a3c.fork_server"])
    return forkserver


def warm_up() -> None:
    """Let the fork server begin with its imports while this process goes on with its own.

    It is born deaf to signals that reach the whole group: they would end its imports with a traceback, and later
    the restarts of workers.
    """
    if context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        before = be_deaf()
        try:
            ensure_running()
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
