"""Worker processes: how they start, how they end, and how their errors reach the user.

Imports nothing heavy, so that the fork server can start before torch is imported.
"""

from __future__ import annotations

import contextlib
import faulthandler
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

FAULT_FRAMES = 5
"""Lines that say where a worker was when a fault ended it. Those of the environment are the innermost."""


class WorkerError(RuntimeError):
    """A worker has ended by itself. The message names it and holds its own exception and traceback.

    Args:
        message: What happened.
        raised: Whether the worker raised an exception. One that cannot work at all raises it each time.
    """

    def __init__(self, message: str, *, raised: bool = False) -> None:
        super().__init__(message)
        self.raised = raised


class _Failed(NamedTuple):
    """The last message of a worker that ends with an exception."""

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
            WorkerError: The one given, if the limit is reached.
        """
        if self.made >= self._limit:
            raise error
        self.made += 1
        log.warning("lit-a3c: %s\nlit-a3c: it is replaced (%d of at most %d times)", error, self.made, self._limit)


@dataclass
class Worker:
    """A worker process as its owner sees it. It ends when the connection closes, for whatever reason.

    Attributes:
        number: The worker's number.
        process: The process.
        connection: The owner's end of a pipe to it.
        parent_pipe: The owner's end of a pipe. When it closes, the process ends at once, whatever it is doing.
        fault_pipe: The owner's end of a pipe in which a process that a fault ends (a segmentation fault, say) leaves
            where it was.
    """

    number: int
    process: Any
    connection: Connection
    parent_pipe: Connection
    fault_pipe: Connection

    def send(self, message: Any) -> None:
        """Send the message that it waits for. If it has ended meanwhile, the next poll reports that."""
        with contextlib.suppress(OSError):
            self.connection.send(message)

    def receive(self) -> Any:
        """Wait for the next message.

        Raises:
            WorkerError: It has failed, or has ended without a message.
        """
        try:
            message = self.connection.recv()
        except (EOFError, OSError):  # the end of a process closes its pipe
            self.process.join(timeout=5)
            raise WorkerError(
                f"worker {self.number} ended without a message (exit code {self.process.exitcode}){self._fault()}"
            ) from None
        if isinstance(message, _Failed):
            raise WorkerError(f"worker {self.number} failed: {message.summary}\n{message.traceback}", raised=True)
        return message

    def _fault(self) -> str:
        """Where the process was when a fault ended it: a line for each of the innermost Python frames."""
        text = b""
        with contextlib.suppress(OSError):  # nothing was written: the process was killed, or has ended by itself
            os.set_blocking(self.fault_pipe.fileno(), False)
            text = os.read(self.fault_pipe.fileno(), 65536)
        lines = text.decode(errors="replace").splitlines()
        frames = [line for line in lines if line.startswith("  File ")][:FAULT_FRAMES]
        return "\n".join([f", {lines[0]}, most recent call first:", *frames]) if frames else ""


def start_worker(number: int, work: Callable[..., None], *args: Any) -> Worker:
    """Start a process that runs ``work(connection, *args)`` on one thread and ignores signals of the whole group.

    Args:
        number: The worker's number.
        work: A function of a module. It should return when its connection closes.
        args: Further arguments, pickled; shared memory stays shared.
    """
    ours, theirs = context().Pipe()
    parent_end, parent_pipe = context().Pipe(duplex=False)
    # No socket, as the pipes with two directions are: faulthandler writes single bytes, which soon fill one.
    fault_pipe, fault_end = context().Pipe(duplex=False)
    process = context().Process(
        target=worker_main,
        args=(theirs, parent_end, fault_end, work, *args),
        name=f"lit-a3c worker {number}",
        daemon=True,
    )
    process.start()
    theirs.close()
    parent_end.close()
    fault_end.close()
    # An interpreter that ends without closing its workers waits for them.
    mp.util.Finalize(process, parent_pipe.close, exitpriority=0)
    return Worker(number, process, ours, parent_pipe, fault_pipe)


def end_workers(workers: Iterable[Worker]) -> None:
    """End processes: by closing their connections, and after a second by force."""
    workers = list(workers)
    for worker in workers:
        worker.connection.close()  # a worker that waits for a message sees this and returns
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
    worker.parent_pipe.close()
    worker.fault_pipe.close()


def worker_main(
    connection: Connection, parent_pipe: Connection, fault_pipe: Connection, work: Callable[..., None], *args: Any
) -> None:
    """The main function of a worker process."""
    import torch

    threading.Thread(target=exit_with_parent, args=(parent_pipe,), daemon=True).start()
    if os.name == "posix":  # else the pipe is no file that can be written to in a fault
        faulthandler.enable(fault_pipe.fileno(), all_threads=False)
    ignore_signals()
    torch.set_num_threads(1)
    try:
        work(connection, *args)
    except Exception as error:
        with contextlib.suppress(OSError):
            connection.send(_Failed(f"{type(error).__name__}: {error}", traceback.format_exc()))


def exit_with_parent(parent_pipe: Connection) -> None:
    """End with the owner, even in the middle of a step that takes minutes."""
    with contextlib.suppress(EOFError, OSError):
        parent_pipe.recv()
    os._exit(1)


def ignore_signals() -> dict[int, Any]:
    """Ignore signals that reach the whole group, on which the learner decides; returns the handlers before."""
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
    forkserver.set_forkserver_preload(["lit_a3c.engines.fork_server"])
    return forkserver


def warm_up() -> None:
    """Let the fork server start its imports while this process does its own.

    It ignores signals that reach the whole group from its start: they would end its imports with a traceback, and
    later the restarts of workers.
    """
    if context().get_start_method() == "forkserver":
        from multiprocessing.forkserver import ensure_running

        before = ignore_signals()
        try:
            ensure_running()
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)
