"""How worker processes come to be: forked from a server that has imported everything once.

Imports nothing heavy, so that the fork server can start before torch is imported.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing as mp
import os
from typing import Any

from lit_a3c.utils import compat_processes
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.machine import check_socket_directory, raise_descriptor_limit
from lit_a3c.utils.signals import signals_blocked

LEARNER_VARIABLE = "LIT_A3C_LEARNER"
"""Environment variable that tells the fork server whose child it is: its parent may have ended before it could look."""
NO_MAIN_GUARD = 78
"""Exit code of a worker that would start workers itself, because the script of the user runs again in it."""


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
    """Let the fork server start its imports while this process does its own."""
    with contextlib.suppress(ConfigError, OSError):  # start_worker() reports it, if there will be workers
        ensure_fork_server()


def ensure_fork_server() -> None:
    """Start the fork server, or another one where it has ended.

    Signals that reach the whole group would end its imports with a traceback, and later the restarts of workers. So it
    starts with them blocked, and ignores them once it has imported :mod:`lit_a3c.engines.fork_server`.

    Raises:
        ConfigError: The temporary directory has no room for its socket.
    """
    if compat_processes.imports_main_script():
        os._exit(NO_MAIN_GUARD)  # an exception would be shown as a traceback, once for every worker
    raise_descriptor_limit()
    if context().get_start_method() != "forkserver":
        return
    from multiprocessing import forkserver, resource_tracker

    check_socket_directory()
    os.environ[LEARNER_VARIABLE] = str(os.getpid())
    for ensure_running in (resource_tracker.ensure_running, forkserver.ensure_running):
        with signals_blocked():  # once for each: the first one unblocks two of them
            ensure_running()
