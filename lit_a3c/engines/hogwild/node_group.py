"""The connection between the nodes of a lock-free training: gloo, and a store of keys and values.

The process that was started on each node is in it. Its workers are not.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor
from torch.distributed import PrefixStore, ProcessGroupGloo, Store, TCPStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from lit_a3c.engines.hogwild.averaging import Pending
from lit_a3c.utils.disk import say
from lit_a3c.utils.errors import ConfigError, RunError, shortened

JOIN_SECONDS = 600.0
"""Longest wait for the other nodes at the start. They are started by hand, or by a scheduler."""
SILENT_SECONDS = 5.0
"""Wait after which the user is told what is waited for."""
LISTEN_SECONDS = 0.1
"""Between two looks for other nodes."""
LEAVE_SECONDS = 5.0
"""Time for the others to read why the job is refused, before the node that serves the store ends."""


class NodeError(RunError):
    """Another node has failed, or the connection to it is lost."""


def node_rank(environment: ClusterEnvironment, nodes: int) -> int:
    """The number of this node, from the variables of torchrun, SLURM and others, or from ``NODE_RANK``.

    Args:
        environment: What Lightning has found.
        nodes: The trainer's ``num_nodes``.

    Raises:
        ConfigError: The variables are missing, or are of another number of nodes.
    """
    if isinstance(environment, LightningEnvironment):
        if missing := [name for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]:
            raise ConfigError(
                f"trainer.num_nodes {nodes} needs the variables NODE_RANK (0 to {nodes - 1}), MASTER_ADDR (node 0) and "
                f"MASTER_PORT on every node; not set: {', '.join(missing)}. torchrun and srun set their own."
            )
        rank, size = environment.node_rank(), nodes
    else:
        rank, size = environment.global_rank(), environment.world_size()
    if size != nodes:
        raise ConfigError(
            f"{size} processes were started, and trainer.num_nodes is {nodes}. Start one on each node: torchrun "
            "--nproc_per_node 1, srun --ntasks-per-node 1."
        )
    if not 0 <= rank < nodes:
        raise ConfigError(f"NODE_RANK {rank} must be from 0 to {nodes - 1}: trainer.num_nodes is {nodes}.")
    return rank


class NodeGroup:
    """All nodes of a job.

    It is not torch's default process group: with one of those, torchmetrics would take the started processes for
    several that compute the same, and wait for the others.

    Args:
        environment: Says where node 0 is.
        rank: The number of this node.
        size: The number of nodes.
        seconds: Longest time that a node may be silent.
        check: Called while this process waits for the others; raises an error where it is asked to stop.

    Raises:
        ConfigError: The port is in use, two nodes have one number, or not all of them come.
        NodeError: They cannot connect to each other.
    """

    def __init__(
        self,
        environment: ClusterEnvironment,
        rank: int,
        size: int,
        seconds: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.rank, self.size, self._check = rank, size, check
        self._posted = 0
        self._taken = [0] * size
        self._deadline = time.monotonic() + JOIN_SECONDS
        self._address = (environment.main_address, environment.main_port)
        self._store = PrefixStore("lit-a3c", self._connect())
        if self._store.add(f"node {rank}", 1) > 1:
            raise ConfigError(f"two nodes have the number {rank}. NODE_RANK must differ: 0 to {size - 1}.")
        self._seconds = seconds
        self._gloo: Any = None

    def agree(self, options: dict[str, Any], exempt: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Wait for all nodes, refuse a job whose nodes have different options, and connect the nodes to each other.

        Args:
            options: Plain values by name.
            exempt: Names of those that may differ.

        Returns:
            The options of every node.

        Raises:
            ConfigError: They differ, or not all nodes come.
            NodeError: The nodes cannot connect to each other.
        """
        self._store.set(f"options {self.rank}", json.dumps(options))
        found: list[dict[str, Any]] = []
        problem = None
        for node in range(self.size):
            self._wait(lambda key=f"options {node}": self._store.check([key]), f"node {node}")  # type: ignore[misc]
            found.append(json.loads(self._store.get(f"options {node}")))
            problem = problem or _difference(found[0], found[-1], node, exempt)
            if problem:
                break
        if problem:
            self._leave_together()
            raise ConfigError(problem)
        try:
            self._gloo = ProcessGroupGloo(
                PrefixStore("gloo", self._store), self.rank, self.size, timedelta(seconds=self._seconds)
            )
        except RuntimeError as error:
            raise NodeError(
                f"the nodes cannot connect to each other: {first(error)} GLOO_SOCKET_IFNAME names the network to use."
            ) from error
        return found

    def broadcast(self, tensors: list[Tensor]) -> None:
        """Give all nodes the tensors of node 0, in place."""
        for tensor in tensors:
            self._gloo.broadcast(tensor, 0).wait()

    def sum(self, tensor: Tensor) -> Pending:
        """Begin to replace a tensor by the sum of those of all nodes."""
        work: Pending = self._gloo.allreduce([tensor])
        return work

    def gather(self, row: Tensor) -> tuple[Tensor, Pending]:
        """Begin to collect a row ``[F]`` of every node, as ``[nodes, F]``."""
        rows = row.new_empty(self.size, len(row))
        return rows, self._gloo.allgather([list(rows.unbind())], [row])

    def post(self, message: dict[str, Any]) -> None:
        """Leave a message for node 0. It is JSON: whoever reaches the store can write one, and none is run."""
        self._store.set(f"message {self.rank} {self._posted}", json.dumps(message))
        self._posted += 1

    def take(self) -> list[dict[str, Any]]:
        """On node 0: the messages of all nodes since the last call."""
        messages = []
        for node in range(1, self.size):
            while self._store.check([key := f"message {node} {self._taken[node]}"]):
                messages.append(json.loads(self._store.get(key)))
                self._store.delete_key(key)
                self._taken[node] += 1
        return messages

    def close(self, *, waiting: bool) -> None:
        """Leave.

        Args:
            waiting: Whether an operation may wait for a node that does not answer. It is left alone.
        """
        if waiting and self._gloo is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._gloo))  # freed, it would wait for its operations
        self._gloo = None

    def _connect(self) -> Store:
        """The store of the job, which torchrun serves, or node 0."""
        timeout, (host, port) = timedelta(seconds=60), self._address
        try:
            if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
                store: Store = next(rendezvous("env://", self.rank, self.size, timeout=timeout))[0]
                return store
            if self.rank:  # torch's own attempts are noisy and deaf to signals
                self._wait(self._answers, f"node 0 at {host}:{port}")
            return TCPStore(host, port, is_master=self.rank == 0, timeout=timeout, wait_for_workers=False)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"node {self.rank} cannot use MASTER_ADDR {host}, MASTER_PORT {port}: {first(error)}"
            ) from error

    def _wait(self, there: Callable[[], bool], what: str) -> None:
        """Wait until something is there."""
        since, told = time.monotonic(), False
        while not there():
            self._check()
            if not told and time.monotonic() - since > SILENT_SECONDS:
                say(f"waiting for {what} ({self.size} nodes).")
                told = True
            if time.monotonic() > self._deadline:
                raise ConfigError(
                    f"{what} has not come within {JOIN_SECONDS:.0f} seconds. Start the same command on all {self.size} "
                    f"nodes, with MASTER_ADDR and MASTER_PORT of node 0 ({self._address[0]}:{self._address[1]})."
                )
            time.sleep(LISTEN_SECONDS)

    def _answers(self) -> bool:
        """Whether something listens at the address of node 0."""
        try:
            socket.create_connection(self._address, timeout=2).close()
        except OSError:
            return False
        return True

    def _leave_together(self) -> None:
        """Let the others read, too, why the job is refused."""
        self._store.add("left", 1)
        deadline = time.monotonic() + LEAVE_SECONDS
        while self.rank == 0 and self._store.add("left", 0) < self.size and time.monotonic() < deadline:
            time.sleep(LISTEN_SECONDS)


def _difference(first: dict[str, Any], other: dict[str, Any], node: int, exempt: tuple[str, ...]) -> str | None:
    """What two nodes do not agree on, as a sentence."""
    for name in {**first, **other}:
        here, there = first.get(name), other.get(name)
        if here != there and name not in exempt:
            return (
                f"the nodes do not agree: {name} is {shortened(here)} on node 0 and {shortened(there)} on node {node}. "
                "Give every node the same options."
            )
    return None


def first(error: BaseException) -> str:
    """The first sentence of an error of torch, without the place in its source."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text.rpartition("] ")[2].partition(". ")[0].rstrip(".") + "."


def row_of(values: tuple[float, ...]) -> Tensor:
    """``[F]`` numbers in double precision, which holds whole numbers up to 2^53."""
    return torch.tensor(values, dtype=torch.float64)
