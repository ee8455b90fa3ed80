"""Ctrl-C and SIGTERM: the first asks the training to stop after its present update, the second ends it at once.

This module imports nothing heavy: the handlers are in place before torch is imported.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

GRACE_SECONDS = 4.0
"""Seconds for the present update. After them the update is given up: the learner may wait for a worker that hangs."""


class Interruption:
    """What a signal does, and which one came.

    Attributes:
        signum: The signal that asked to stop, or None.
        training: Whether there is something to save: before and after, a signal ends the process at once.
        interruptible: Whether the training may be interrupted anywhere, because it is between two updates.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.training = self.interruptible = False

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
        handlers = {signal.SIGINT: self._stop, signal.SIGTERM: self._stop}
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
        """Stop here if that was asked for.

        Raises:
            KeyboardInterrupt: It was.
        """
        if self.signum is not None:
            self._set_alarm(0)
            raise KeyboardInterrupt

    def _stop(self, signum: int, frame: Any) -> None:
        if self.signum is not None or not self.training:
            with contextlib.suppress(Exception):  # the reader is gone, or in the middle of a print itself
                sys.stdout.flush()
            os._exit(128 + signum)  # workers end when their pipes close
        self.signum = signum
        # print() may be what the signal has interrupted, and its buffers cannot be entered twice.
        name = signal.Signals(signum).name
        with contextlib.suppress(OSError):
            os.write(2, f"\nlit-a3c: {name}: saving and stopping; once more ends at once.\n".encode())
        if self.interruptible:
            self.check()
        self._set_alarm(GRACE_SECONDS)

    def _give_up(self, signum: int, frame: Any) -> None:
        self.check()

    @staticmethod
    def _set_alarm(seconds: float) -> None:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)


INTERRUPTION = Interruption()
"""The interruption of this process."""
