"""Imported by the fork server alone: what its workers need, how it takes signals and errors, and a quick end.

It starts with the signals blocked that reach all processes of a training, and ignores them from here on.
"""

# ruff: noqa: F401

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import TracebackType

from lit_a3c.engines.start_method import LEARNER_VARIABLE
from lit_a3c.utils import compat_processes
from lit_a3c.utils.machine import machine_problem
from lit_a3c.utils.signals import END_SIGNALS, ignore_signals
from lit_a3c.utils.streams import make_streams_tolerant

POLL_SECONDS = 0.2


@contextlib.contextmanager
def ending_with_the_learner() -> Iterator[None]:
    """End inside the block if the learner has ended. The server itself looks only once its imports are done.

    No thread is left after the block: processes are forked from this one.
    """
    learner, done = os.environ.get(LEARNER_VARIABLE), threading.Event()
    if learner is None:  # somebody has started the server directly, without ``ensure_fork_server``
        yield
        return

    def watch() -> None:
        while not done.wait(POLL_SECONDS):
            if str(os.getppid()) != learner:
                os._exit(0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def report(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Say in one line why the fork server or a worker that has just been forked ends."""
    if not isinstance(error, EOFError):  # the learner is gone
        print(f"lit-a3c: no worker can be started: {machine_problem(error) or error!r}", file=sys.stderr, flush=True)


def end() -> None:
    """End at once: shutting the interpreter down would take a second and a half. Workers never come here."""
    if socket := compat_processes.fork_server_socket():
        with contextlib.suppress(OSError):  # the learner has removed it, unless it was killed
            socket.unlink(missing_ok=True)
            socket.parent.rmdir()
    os._exit(0)


sys.excepthook = report
make_streams_tolerant()
with ending_with_the_learner():  # seconds
    import torchrl.collectors
    import torchrl.envs

    import lit_a3c.engines.registry
ignore_signals()
signal.pthread_sigmask(signal.SIG_UNBLOCK, END_SIGNALS)
atexit.register(end)
