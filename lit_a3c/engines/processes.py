"""Worker processes: how they start, how they end, and how their errors reach the user.

Imports nothing heavy: what needs no torch must not wait for it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import multiprocessing as mp
import multiprocessing.util
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from lit_a3c.engines.start_method import NO_MAIN_GUARD, context, ensure_fork_server
from lit_a3c.utils.errors import ConfigError, RunError
from lit_a3c.utils.machine import machine_problem
from lit_a3c.utils.signals import ignore_signals

log = logging.getLogger(__name__)

FAULT_FRAMES = 5
"""Lines that say where a worker was when a fault ended it. Those of the environment are the innermost."""


class WorkerError(RunError):
    """A worker has ended by itself. The message names it and holds its own exception.

    The worker's traceback is in the message as well, unless its exception says all: that of an environment, say.

    Args:
        message: What happened.
        raised: Whether the worker raised an exception. One that cannot work at all raises it each time.
        traceback: The worker's traceback, where it is not in the message.
    """

    def __init__(self, message: str, *, raised: bool = False, traceback: str = "") -> None:
        super().__init__(message)
        self.raised, self.traceback = raised, traceback


class Failed(NamedTuple):
    """The last message of a worker that ends with an exception."""

    summary: str
    traceback: str
    says_all: bool

    @classmethod
    def by(cls, error: BaseException) -> Failed:
        """Of the exception that is being handled."""
        if problem := machine_problem(error):
            return cls(problem, traceback.format_exc(), says_all=True)
        says_all = isinstance(error, RunError | ConfigError)
        summary = str(error) if says_all else f"{type(error).__name__}: {error}"
        return cls(summary, traceback.format_exc(), says_all)

    def error(self, number: int) -> WorkerError:
        """What the owner of the worker raises."""
        failed = f"worker {number} failed: {self.summary}"
        if self.says_all:
            return WorkerError(failed, raised=True, traceback=self.traceback)
        return WorkerError(f"{failed}\n{self.traceback}", raised=True)


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
        if error.traceback:
            log.debug("%s", error.traceback)


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
            if self.process.exitcode == NO_MAIN_GUARD:
                raise ConfigError(
                    "every worker process imports the script that trains, and the script trains again there. Put what "
                    'it does below `if __name__ == "__main__":`.'
                ) from None
            raise WorkerError(
                f"worker {self.number} ended without a message (exit code {self.process.exitcode}){self._fault()}"
            ) from None
        if isinstance(message, Failed):
            raise message.error(self.number)
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

    Raises:
        ConfigError: The temporary directory has no room for a socket, or the script that trains has no main guard.
        WorkerError: No process can be started.
    """
    try:
        ensure_fork_server()
        return _start(number, work, *args)
    except Exception as error:
        reason = machine_problem(error)
        if reason is None and not isinstance(error, OSError | EOFError):  # the latter where the fork server has ended
            raise
        raise WorkerError(f"worker {number} cannot be started: {reason or repr(error)}", raised=True) from error


def _start(number: int, work: Callable[..., None], *args: Any) -> Worker:
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
    except BaseException as error:  # sys.exit(0) would look like the end of a worker that has finished
        with contextlib.suppress(OSError):
            connection.send(Failed.by(error))


def exit_with_parent(parent_pipe: Connection) -> None:
    """End with the owner, even in the middle of a step that takes minutes."""
    with contextlib.suppress(EOFError, OSError):
        parent_pipe.recv()
    os._exit(1)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_workers() -> int:
    """Workers of a training for which no number is given: one per core, at most 16, as the paper's."""
    return min(16, cores())
