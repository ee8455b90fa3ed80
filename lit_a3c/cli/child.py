"""``lit-a3c ARGUMENTS`` as the child of a sweep: when its parent ends, however that is, it saves and stops."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading

from lit_a3c.cli.main import main


def stop_with_parent() -> None:
    """Send this process a SIGTERM when the pipe that is its standard input closes.

    A parent that is killed cannot send a signal, but the kernel closes its pipes.
    """

    def wait() -> None:
        while os.read(0, 1):
            pass
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        else:
            _thread.interrupt_main(signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    stop_with_parent()
    sys.exit(main())
