"""Signals that ask a training to end: the first stops it after its present update, the second ends it at once.

This module imports nothing heavy: the handlers are in place before torch is imported.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

GRACE_SECONDS = 4.0
"""Seconds for the present update. After them the update is given up: the learner may wait for a worker that hangs."""

END_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)  # Windows has only two of them
)
"""What a terminal or a cluster sends to end a training, often to all of its processes."""


class Interruption:
    """What a signal does, and which one came.

    Attributes:
        signum: The signal that asked to stop, or None.
        training: Whether there is something to save. Before the training, a signal ends the process at once.
        interruptible: Whether the training may be interrupted anywhere, because it is between two updates.
        shared: Whether several learners decide together when to stop. Each is then interrupted only where it is
            interruptible, and never in the middle of an update.
        quiet: Whether another learner tells the user of the signal.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.training = self.interruptible = self.shared = self.quiet = False
        self._follows = False  # another learner, whose signal may still come to this one, too

    @property
    def exit_code(self) -> int:
        """The exit code that a shell gives an end by this signal; 0 without a signal."""
        return 0 if self.signum is None else 128 + self.signum

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals inside the block. Python allows it in the main thread only; elsewhere nothing changes."""
        self.__init__()  # type: ignore[misc]
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handlers: dict[int, Any] = dict.fromkeys(_signals_to_handle(), self._stop)
        if hasattr(signal, "SIGALRM"):
            handlers[signal.SIGALRM] = self._give_up
        before = {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}
        try:
            yield
        finally:
            self._set_alarm(0)
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def listen(self) -> None:
        """Handle Ctrl-C again. Lightning ignores it while it shuts a training down."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._stop)

    def check(self) -> None:
        """Stop here if that was asked for, unless other learners would not know.

        Raises:
            KeyboardInterrupt: It was.
        """
        if self.signum is not None and (self.interruptible or not self.shared):
            self._set_alarm(0)
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def allowed(self) -> Iterator[None]:
        """Let a signal interrupt what is done inside the block.

        Raises:
            KeyboardInterrupt: It has.
        """
        before, self.interruptible = self.interruptible, True
        try:
            self.check()
            yield
        finally:
            self.interruptible = before

    def follow(self, signum: int) -> None:
        """Stop because another learner was sent this signal."""
        if self.signum is None:
            self.signum, self._follows = signum, True

    def ask(self, signum: int, frame: Any) -> None:
        """Handle a signal that asks to stop."""
        self._stop(signum, frame)

    def _stop(self, signum: int, frame: Any) -> None:
        if self._follows:
            self._follows = False
            return
        if self.signum is not None or not self.training:
            if self.signum is not None and signum == getattr(signal, "SIGHUP", None):
                return  # of a closed terminal the shell sends one as well
            self.signum = signum
            with contextlib.suppress(Exception):  # the reader is gone, or in the middle of a print itself
                sys.stdout.flush()
            os._exit(128 + signum)  # workers end when their pipes close
        self.signum = signum
        # print() may be what the signal has interrupted, and its buffers cannot be entered twice.
        name = signal.Signals(signum).name
        with contextlib.suppress(OSError, ValueError):
            if self.quiet:
                pass
            elif os.name != "posix" or select.select([], [2], [], 0)[1]:  # a pipe that nobody reads may be full
                os.write(2, f"\nlit-a3c: {name}: saving and stopping; once more ends at once.\n".encode())
        if self.interruptible:
            self.check()
        if not self.shared:
            self._set_alarm(GRACE_SECONDS)

    def _give_up(self, signum: int, frame: Any) -> None:
        self.check()

    @staticmethod
    def _set_alarm(seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)


INTERRUPTION = Interruption()
"""The interruption of this process."""


def ignore_signals() -> None:
    """Ignore the signals that reach all processes of a training: the learner decides on them. In the main thread."""
    if threading.current_thread() is threading.main_thread():
        for signum in END_SIGNALS:
            signal.signal(signum, signal.SIG_IGN)


def restore_handlers() -> None:
    """Put Python's handlers in place again. Ray's C++ part takes SIGTERM, and leaves it without one when it ends."""
    if threading.current_thread() is threading.main_thread():
        for signum in END_SIGNALS:
            if (handler := signal.getsignal(signum)) is not None:
                signal.signal(signum, handler)


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Let processes that are started inside the block begin with these signals blocked; here they wait meanwhile."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, END_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _signals_to_handle() -> list[signal.Signals]:
    """Ctrl-C and SIGTERM, and of the others those that nobody handles or ignores, as ``nohup`` ignores SIGHUP."""
    slurm_requeues = "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
    signums = [signal.SIGINT, signal.SIGTERM]
    for signum in END_SIGNALS[2:]:
        lightnings = slurm_requeues and signum != signal.SIGHUP  # Lightning saves, and asks for another turn
        if not lightnings and signal.getsignal(signum) == signal.SIG_DFL:
            signums.append(signum)
    return signums
