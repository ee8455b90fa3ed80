"""A node and its workers: how they join the other nodes, go on together, and end together."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch import Trainer

from lit_a3c import __version__
from lit_a3c.checkpoint.factories import to_plain
from lit_a3c.engines.base import EngineHost, learner_of
from lit_a3c.engines.hogwild.averaging import StateAverage
from lit_a3c.engines.hogwild.node_group import NodeError, NodeGroup
from lit_a3c.engines.hogwild.nodes import Node
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.hogwild.supervisor import WorkerSupervisor
from lit_a3c.engines.hogwild.worker import WORKER_OPTIONS
from lit_a3c.utils import compat
from lit_a3c.utils.disk import say
from lit_a3c.utils.signals import INTERRUPTION

AVERAGE_EVERY = 100
"""Updates of a node between two averagings, where the data module does not say."""
LEAST_SECONDS = 60.0
"""Least time that a node may be silent: it may be writing a checkpoint to a slow disk."""
LISTEN_SECONDS = 0.02
"""Longest time between two looks at the other nodes."""
OWN = ("workers",)
"""Options in which nodes may differ."""
MODULE_OPTIONS = ("num_workers", "eval_episodes", "test_episodes", "predict_episodes", "max_eval_steps")
"""Options of the data module that change nothing between the nodes."""


class Job:
    """All nodes of a training, as the strategy of one of them sees them.

    Args:
        node: This node.
        first_worker: The number of its first worker among those of all nodes.
    """

    def __init__(self, node: Node, first_worker: int) -> None:
        self._node, self.first_worker = node, first_worker

    @classmethod
    def join(
        cls,
        trainer: Trainer,
        environment: ClusterEnvironment,
        workers: int,
        shared: SharedTrainState,
    ) -> Job:
        """Wait for the other nodes, and begin with the state of node 0.

        Args:
            trainer: That of this process.
            environment: Says where node 0 is.
            workers: Workers of this node.
            shared: What these workers share. The state of node 0 is written into it.

        Raises:
            ConfigError: The nodes have different options, or not all of them come.
            NodeError: They cannot connect to each other.
        """
        data, learner = compat.datamodule_of(trainer), learner_of(trainer)
        assert isinstance(data, EngineHost)
        every = data.average_every or AVERAGE_EVERY
        seconds = max(LEAST_SECONDS, data.worker_timeout)
        rank = trainer.global_rank
        group = NodeGroup(environment, rank, trainer.num_nodes, seconds, INTERRUPTION.check)
        found = group.agree(_options(trainer) | {"data.average_every": every, "workers": workers}, exempt=OWN)
        states = (value for state in shared.optimizer_state for value in state.values())
        group.broadcast([*shared.parameters, *shared.buffers, *(v for v in states if isinstance(v, torch.Tensor))])
        node = Node(group, StateAverage(shared, trainer.lightning_module), learner, every)
        return cls(node, sum(other["workers"] for other in found[:rank]))

    @property
    def stopping(self) -> bool:
        """Whether all nodes end before the budget is used up."""
        return self._node.stopping

    def watch(self, supervisor: WorkerSupervisor, timeout: float) -> bool:
        """Look after the workers of this node and after the other nodes for up to so many seconds.

        Returns:
            False where the workers of all nodes have ended and the last averaging was made.

        Raises:
            WorkerError: A worker of this node has failed, and no more may be replaced.
            NodeError: Another node has failed.
            KeyboardInterrupt: Another node was asked to stop by a signal.
        """
        deadline = time.monotonic() + timeout
        while True:
            supervisor.poll(min(timeout, LISTEN_SECONDS))
            self.meet(supervisor)
            if self._node.finished or time.monotonic() >= deadline:
                return not self._node.finished
            if not supervisor.running:  # else the supervisor has waited
                time.sleep(LISTEN_SECONDS)

    def meet(self, supervisor: WorkerSupervisor) -> None:
        """Exchange with the other nodes what there is, without waiting.

        Raises:
            NodeError: Another node has failed.
            KeyboardInterrupt: Another node was asked to stop by a signal.
        """
        self._node.poll(ended=not supervisor.running)
        if self._node.stopping and supervisor.running:
            supervisor.end()
        if self._node.finished and self._node.signum and INTERRUPTION.signum is None:
            name = signal.Signals(self._node.signum).name
            say(f"{name} at another node: saving and stopping.")
            INTERRUPTION.signum = self._node.signum
            raise KeyboardInterrupt

    def leave(self, supervisor: WorkerSupervisor) -> None:
        """End the workers of this node, and tell the other nodes; without an error, average a last time. Once."""
        if self._node.finished:
            return
        error = sys.exc_info()[1]
        stopped = isinstance(error, KeyboardInterrupt)
        if stopped:
            self._node.stop(INTERRUPTION.signum or signal.SIGINT)
        supervisor.end()
        with contextlib.suppress(NodeError):  # the reason why this node ends is known already
            self._node.leave(failed=error is not None and not stopped)
            if error is None and not self._node.finished:
                say("the other nodes did not answer: what they have learned since the last averaging is missing.")

    def close(self) -> None:
        """Leave the group of nodes."""
        self._node.close()


def leave_to_node_zero(trainer: Trainer) -> None:
    """Take validations, logs and callbacks from a trainer, but for callbacks that every node needs."""
    trainer.limit_val_batches, trainer.loggers = 0, []
    callbacks = compat.callbacks_of(trainer)
    trainer.callbacks = [one for one in callbacks if getattr(one, "on_every_node", False)]  # type: ignore[attr-defined]


def _options(trainer: Trainer) -> dict[str, Any]:
    """What must be the same on all nodes, as plain values by the names that the user knows."""
    learner, data = learner_of(trainer), compat.datamodule_of(trainer)
    env = getattr(data, "env", None)
    found: dict[str, Any] = {
        "the version of lit-a3c": __version__,
        "the version of torch": torch.__version__,
        "trainer.num_nodes": trainer.num_nodes,
        "data.env_id": getattr(env, "env_id", None),
        "data.env_kwargs": getattr(env, "kwargs", None),
        "the number of steps before this training": learner.ledger.learned.total,
        "the number of steps at the end": learner.last_step,
        "trainer.max_steps": trainer.max_steps,
        "the optimizer": to_plain(learner.make_optimizer),
        "the shapes of the parameters": [list(p.shape) for p in trainer.lightning_module.parameters()],
    }
    found |= {f"trainer.{name}": getattr(trainer, name) for name in WORKER_OPTIONS}
    found |= {f"data.{name}": value for name, value in vars(data).items() if name not in MODULE_OPTIONS}
    found |= {f"model.{name}": to_plain(value) for name, value in trainer.lightning_module.hparams.items()}
    return {name: value for name, value in found.items() if _is_plain(value) and "._" not in name}


def _is_plain(value: Any) -> bool:
    """Whether JSON holds it as it is. What it does not is code, which the names of its classes stand for."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
