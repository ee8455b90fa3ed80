"""Worker processes that act at their own pace and hand over rollouts and weights through shared memory.

Every worker runs one :class:`lit_a3c.actor.Actor` and writes each rollout into a slot of shared memory. The learner
hands a slot back when it asks for the next rollout, and a worker without a free slot waits, so a learner that pauses
loses nothing. Weights go the other way, through shared memory as well: a push is one copy, and a worker takes the
newest weights before each rollout.

TorchRL's own multi-process collector is not used: it drops rollouts when the learner pauses, reports a worker's
exception as "exit code 1", and its hand-over of small batches costs more than MuJoCo's physics.
"""

from __future__ import annotations

import contextlib
import copy
import signal
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from lit_a3c.actor import Actor, CollectConfig, tensors_of
from lit_a3c.envs import Episode
from lit_a3c.policy import ActorCritic
from lit_a3c.processes import context
from lit_a3c.rollout import Rollout


class WorkerError(RuntimeError):
    """A worker ended by itself. The message names it and holds its own exception and traceback."""


class SharedWeights:
    """The newest weights, in shared memory, written by one process and read by many without a lock.

    Two buffers take turns: version ``n`` is in buffer ``n % 2`` and stays untouched until version ``n + 2`` is
    written, which begins only after ``n + 1`` is published. A reader that finds the version unchanged after its
    copy has therefore read whole weights; else it reads again.

    Args:
        policy: Gives the shapes and version 0.
    """

    def __init__(self, policy: nn.Module) -> None:
        tensors = [tensor.cpu() for tensor in tensors_of(policy)]
        self._buffers = [[tensor.clone().share_memory_() for tensor in tensors] for _ in range(2)]
        self._version = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def version(self) -> int:
        """Number of pushes so far."""
        return int(self._version)

    @torch.no_grad()
    def push(self, tensors: Sequence[Tensor]) -> None:
        """Publish these as the next version."""
        version = self.version + 1
        torch._foreach_copy_(self._buffers[version % 2], list(tensors))
        self._version.fill_(version)

    @torch.no_grad()
    def pull(self, tensors: Sequence[Tensor]) -> int:
        """Copy the newest weights into these; returns their version."""
        while True:
            version = self.version
            torch._foreach_copy_(list(tensors), self._buffers[version % 2])
            if self.version == version:
                return version


class _Done(NamedTuple):
    """A worker's message: the rollout in this slot is ready."""

    slot: int
    version: int
    episodes: list[Episode]


class _Failed(NamedTuple):
    """A worker's message: it ends with this exception."""

    summary: str
    traceback: str


@dataclass
class _Worker:
    number: int
    process: Any
    connection: Connection
    slots: list[Rollout]


class WorkerPool:
    """Worker processes, each with its own :class:`Actor`; modes ``async`` and ``sync``.

    A slot is free, being filled, ready, or in the learner's hands. Workers have two in ``async`` mode, so that
    one is filled while the other is learned from, and one in ``sync`` mode, so that they wait for the new weights.

    Args:
        config: What to collect.
        policy: The policy; its weights are version 0.
    """

    def __init__(self, config: CollectConfig, policy: ActorCritic) -> None:
        self._take = 1 if config.mode == "async" else config.num_workers
        self._weights = SharedWeights(policy)
        self._learner = tensors_of(policy)
        self._ready: deque[tuple[_Worker, _Done]] = deque()
        portable = copy.deepcopy(policy).cpu()
        num_slots = 2 if config.mode == "async" else 1
        self._workers = [self._start(config, portable, number, num_slots) for number in range(config.num_workers)]
        # Slots in the learner's hands. At first all of them, so that no worker acts before the first push.
        self._lent = [(worker, slot) for slot in range(num_slots) for worker in self._workers]

    def _start(self, config: CollectConfig, policy: ActorCritic, number: int, num_slots: int) -> _Worker:
        slots = [_empty_slot(config) for _ in range(num_slots)]
        ours, theirs = context().Pipe()
        process = context().Process(
            target=_work,
            args=(theirs, config, policy, self._weights, slots, number),
            name=f"lit-a3c worker {number}",
            daemon=True,
        )
        process.start()
        theirs.close()
        return _Worker(number, process, ours, slots)

    def push(self) -> None:
        self._weights.push(self._learner)

    def next(self) -> Rollout:
        """The next rollout, or all workers' next ones side by side in ``sync`` mode.

        Raises:
            WorkerError: A worker has ended.
        """
        for worker, slot in self._lent:
            with contextlib.suppress(OSError):  # it has ended; _receive finds its last word and reports that
                worker.connection.send(slot)
        while len(self._ready) < self._take:
            self._receive()
        taken = [self._ready.popleft() for _ in range(self._take)]
        self._lent = [(worker, done.slot) for worker, done in taken]
        learner_version = self._weights.version
        rollouts = [
            replace(
                worker.slots[done.slot],
                version=done.version,
                learner_version=learner_version,
                episodes=done.episodes,
            )
            for worker, done in sorted(taken, key=lambda item: item[0].number)
        ]
        return rollouts[0] if len(rollouts) == 1 else Rollout.cat(rollouts)

    def _receive(self) -> None:
        """Wait for messages, and take one of every worker that has any: first come, first served."""
        ready = set(wait([w.connection for w in self._workers]))
        for worker in self._workers:
            if worker.connection in ready:
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):  # the end of a process closes its pipe
                    self._raise_for(worker)
                if isinstance(message, _Failed):
                    raise WorkerError(f"worker {worker.number} failed: {message.summary}\n{message.traceback}")
                self._ready.append((worker, message))

    def _raise_for(self, worker: _Worker) -> None:
        worker.process.join(timeout=5)
        raise WorkerError(f"worker {worker.number} ended without a word (exit code {worker.process.exitcode})")

    def close(self) -> None:
        """End all workers: politely first, by force after a second."""
        for worker in self._workers:
            worker.connection.close()  # a worker that waits for a slot sees this and returns
        for worker in self._workers:
            worker.process.join(timeout=1)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []
        self._ready.clear()
        self._lent = []


def _work(
    connection: Connection,
    config: CollectConfig,
    policy: ActorCritic,
    weights: SharedWeights,
    slots: list[Rollout],
    worker: int,
) -> None:
    """A worker's life: wait for a free slot, take the newest weights, act, fill the slot, say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the learner decides
    torch.set_num_threads(1)
    torch.manual_seed(config.worker_seed(worker))
    try:
        actor = Actor(config, policy, worker)
        while (slot := _next_slot(connection)) is not None:
            version = weights.pull(actor.weights)
            rollout = actor.rollout()
            _fill(slots[slot], rollout)
            with contextlib.suppress(OSError):  # the learner is gone: the next slot never comes
                connection.send(_Done(slot, version, rollout.episodes))
    except Exception as error:
        with contextlib.suppress(OSError):
            connection.send(_Failed(f"{type(error).__name__}: {error}", traceback.format_exc()))


def _next_slot(connection: Connection) -> int | None:
    """The next slot to fill, or None when the learner is gone or has closed the pipe."""
    try:
        return int(connection.recv())
    except (EOFError, OSError):
        return None


def _empty_slot(config: CollectConfig) -> Rollout:
    """Shared memory for one rollout. Pages that are never written, of ``next_observation`` say, cost nothing."""
    lead = (config.rollout_length, config.envs_per_worker)
    observation, action = config.spec.observation_space, config.spec.action_space
    assert observation.shape is not None
    observation_dtype = torch.uint8 if observation.dtype == np.uint8 else torch.float32
    action_shape, action_dtype = (action.shape, torch.float32) if isinstance(action, Box) else ((), torch.int64)

    def shared(shape: Iterable[int], dtype: torch.dtype) -> Tensor:
        return torch.empty(*lead, *shape, dtype=dtype).share_memory_()

    return Rollout(
        observation=shared(observation.shape, observation_dtype),
        action=shared(action_shape, action_dtype),
        reward=shared((), torch.float32),
        terminated=shared((), torch.bool),
        truncated=shared((), torch.bool),
        next_observation=shared(observation.shape, observation_dtype),
    )


def _fill(slot: Rollout, rollout: Rollout) -> None:
    """Copy a rollout into a slot; of the next observations only the valid ones (see :class:`Rollout`)."""
    for name in ("observation", "action", "reward", "terminated", "truncated"):
        getattr(slot, name).copy_(getattr(rollout, name))
    slot.next_observation[-1].copy_(rollout.next_observation[-1])
    if rollout.truncated.any():
        slot.next_observation[rollout.truncated] = rollout.next_observation[rollout.truncated].to(
            slot.next_observation.dtype
        )
