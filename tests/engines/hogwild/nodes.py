"""Several nodes of a lock-free training on this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.commands import environment
from tests.engines.hogwild.trainings import GENEROUS

NODES = 2


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def started_nodes(directory: Path, *arguments: list[str]) -> Iterator[list[subprocess.Popen[str]]]:
    """A process for each node, with its arguments of Python. Each leads a process group, which ends with the block."""
    port, nodes = free_port(), []
    try:
        for rank, argument in enumerate(arguments):
            variables = {"NODE_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            process = subprocess.Popen(
                [sys.executable, *argument],
                cwd=directory,
                env={**environment(), **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            nodes.append(process)
        yield nodes
    finally:
        for process in nodes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def train(directory: Path, *options: str) -> None:
    """A whole training of two nodes from Python, see :mod:`tests.engines.hogwild.node`."""
    script = ["-m", "tests.engines.hogwild.node", str(directory), *options]
    with started_nodes(directory, *[script] * NODES) as nodes:
        errors = [process.communicate(timeout=3 * GENEROUS)[1] for process in nodes]
        assert [process.returncode for process in nodes] == [0] * NODES, "\n".join(errors)
