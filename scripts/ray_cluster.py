"""A Ray cluster of one machine for scripts and tests: a head without CPUs, and machines that can be killed and added.

Every machine is a raylet, a process of its own. What a script cannot show on one machine is a network that fails.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from pathlib import Path
from typing import Any

STORE_BYTES = 100 * 2**20


class LocalCluster:
    """A head and machines of so many CPUs each, all on this machine.

    The token is in the environment of this process and of what it starts. It is written nowhere.

    Args:
        machines: Their number.
        cpus: CPUs of each.
    """

    def __init__(self, machines: int, cpus: int = 1) -> None:
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        os.environ.setdefault("RAY_worker_niceness", "0")
        from ray.cluster_utils import Cluster

        self._cpus, self._common = cpus, {"object_store_memory": STORE_BYTES, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **self._common})
        self.machines: list[Any] = []
        for _ in range(machines):
            self.add()

    @property
    def address(self) -> str:
        """``HOST:PORT`` of the head."""
        return str(self._cluster.address)

    def add(self) -> None:
        """One machine more."""
        self.machines.append(self._cluster.add_node(num_cpus=self._cpus, **self._common))

    def kill_machine(self, index: int) -> None:
        """Kill a machine with all that runs on it."""
        machine = self.machines.pop(index)
        actors = self.actors(machine)
        self._cluster.remove_node(machine, allow_graceful=False)
        for pid in actors:  # with a real machine they would be gone at once
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill_head(self) -> None:
        """Kill the head, with the machine that it runs on."""
        self._cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)

    def actors(self, machine: Any = None) -> list[int]:
        """The processes of actors, of all machines or of one."""
        raylets = set()
        for node in [machine] if machine is not None else self.machines:
            raylets |= {info.process.pid for info in node.all_processes.get("raylet", [])}
        found = []
        for file in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(file.read_text().rpartition(")")[2].split()[1])
                if parent in raylets and b"ray::RemoteActor" in (file.parent / "cmdline").read_bytes():
                    found.append(int(file.parent.name))
        return found

    def close(self) -> None:
        """End all processes."""
        with contextlib.suppress(Exception):  # some have been killed
            self._cluster.shutdown()
