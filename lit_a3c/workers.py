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
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch
from torch import Tensor

from lit_a3c.actor import Actor, CollectConfig, tensors_of
from lit_a3c.counter import Counter
from lit_a3c.envs import Episode
from lit_a3c.patience import Patience, listen
from lit_a3c.policy import ActorCritic
from lit_a3c.processes import Restarts, Worker, WorkerError, end_workers, kill_worker, start_worker
from lit_a3c.rollout import Rollout
from lit_a3c.weights import SharedWeights

SEED_STRIDE = 1_000_003
"""Between the seeds of a worker and of its replacement."""


class _Done(NamedTuple):
    """A worker's message: the rollout in this slot is ready."""

    slot: int
    version: int
    episodes: list[Episode]


@dataclass
class _Lender:
    """A worker as the pool sees it.

    Attributes:
        worker: The worker.
        slots: Its slots.
        taken_before: Steps that were taken under its number before it started.
        owed: Slots that it is to fill.
        delivered: Steps that it has handed over.
    """

    worker: Worker
    slots: list[Rollout]
    taken_before: int
    owed: set[int] = field(default_factory=set)
    delivered: int = 0


class WorkerPool:
    """Worker processes, each with its own :class:`Actor`; modes ``async`` and ``sync``.

    A slot is free, being filled, ready, or in the learner's hands. Workers have two in ``async`` mode, so that
    one is filled while the other is learned from, and one in ``sync`` mode, so that they wait for the new weights.
    A worker that ends or says nothing for long is replaced; what it had not handed over is lost, and counted.

    Args:
        config: What to collect.
        policy: The policy; its weights are version 0.
    """

    def __init__(self, config: CollectConfig, policy: ActorCritic) -> None:
        self._config, self._portable = config, copy.deepcopy(policy).cpu()
        self._take = 1 if config.mode == "async" else config.num_workers
        self._num_slots = 2 if config.mode == "async" else 1
        self._weights = SharedWeights(policy)
        self._learner = tensors_of(policy)
        self._taken = Counter().shared(config.num_workers)
        self._restarts, self._patience = Restarts(config.max_restarts), Patience(config.worker_timeout)
        self._ready: deque[tuple[int, int, Rollout]] = deque()  # number of the worker, of the slot, what is in it
        self._lenders = [self._start(number) for number in range(config.num_workers)]
        # Slots in the learner's hands. At first all of them, so that no worker acts before the first push.
        self._lent = [(number, slot) for slot in range(self._num_slots) for number in range(config.num_workers)]
        self.discarded = 0

    def _start(self, number: int) -> _Lender:
        taken = self._taken.of(number)
        # A replacement does not play again what the one before it has played.
        config = replace(self._config, taken=taken, seed=self._config.seed + SEED_STRIDE * self._restarts.made)
        slots = [_empty_slot(config, self._portable.memory_size) for _ in range(self._num_slots)]
        worker = start_worker(number, _work, config, self._portable, self._weights, slots, number)
        return _Lender(worker, slots, taken_before=taken.count(number))

    @property
    def taken(self) -> int:
        return self._taken.total

    def push(self) -> None:
        self._weights.push(self._learner)

    def next(self) -> Rollout:
        """The next rollout, or all workers' next ones side by side in ``sync`` mode.

        Raises:
            WorkerError: A worker has ended, and no more may be replaced.
        """
        for number, slot in self._lent:
            self._lend(self._lenders[number], slot)
        while len(self._ready) < self._take:
            self._receive()
        taken = sorted((self._ready.popleft() for _ in range(self._take)), key=lambda item: item[0])
        self._lent = [(number, slot) for number, slot, _ in taken]
        return replace(Rollout.cat([rollout for *_, rollout in taken]), learner_version=self._weights.version)

    @staticmethod
    def _lend(lender: _Lender, slot: int) -> None:
        lender.owed.add(slot)
        lender.worker.send(slot)

    def _receive(self) -> None:
        """Wait for messages, and take one of every worker that has any: first come, first served."""
        for number, lender in enumerate(self._lenders):
            if not lender.owed:  # it has nothing to say
                self._patience.heard(number)
        for worker, said in listen([lender.worker for lender in self._lenders], self._patience, Patience.LOOK_EVERY):
            lender = self._lenders[worker.number]
            if isinstance(said, WorkerError):
                self._replace(worker.number, lender, said)
            else:
                self._take_in(worker.number, lender, said)

    def _take_in(self, number: int, lender: _Lender, done: _Done) -> None:
        lender.owed.discard(done.slot)
        rollout = replace(lender.slots[done.slot], version=done.version, episodes=done.episodes)
        lender.delivered += rollout.num_steps
        self._ready.append((number, done.slot, rollout))

    def _replace(self, number: int, lender: _Lender, error: WorkerError) -> None:
        """Let another worker fill the slots that this one owes.

        Raises:
            WorkerError: This one failed before its first rollout, or too many have been replaced.
        """
        if error.raised and not lender.delivered and not self._restarts.made:
            raise error
        kill_worker(lender.worker)
        self.discarded += self._taken.count(number) - lender.taken_before - lender.delivered
        self._restarts.make(error)
        self._lenders[number] = self._start(number)
        self._patience.heard(number)
        for slot in sorted(lender.owed):
            self._lend(self._lenders[number], slot)

    def close(self) -> None:
        end_workers(lender.worker for lender in self._lenders)
        self._lenders, self._lent = [], []
        self._ready.clear()


def _work(
    connection: Connection,
    config: CollectConfig,
    policy: ActorCritic,
    weights: SharedWeights,
    slots: list[Rollout],
    worker: int,
) -> None:
    """A worker's life: wait for a free slot, take the newest weights, act, fill the slot, say so."""
    torch.manual_seed(config.worker_seed(worker))
    actor = Actor(config, policy, worker)
    while (slot := _next_slot(connection)) is not None:
        version = weights.pull(actor.weights)
        rollout = actor.rollout()
        _fill(slots[slot], rollout)
        with contextlib.suppress(OSError):  # the learner is gone: the next slot never comes
            connection.send(_Done(slot, version, rollout.episodes))


def _next_slot(connection: Connection) -> int | None:
    """The next slot to fill, or None when the learner is gone or has closed the pipe."""
    try:
        return int(connection.recv())
    except (EOFError, OSError):
        return None


def _empty_slot(config: CollectConfig, memory_size: int) -> Rollout:
    """Shared memory for one rollout. Pages that are never written, of ``next_observation`` say, cost nothing."""
    lead = (config.rollout_length, config.envs_per_worker)
    spec = config.spec

    def shared(shape: Iterable[int], dtype: torch.dtype) -> Tensor:
        return torch.empty(*lead, *shape, dtype=dtype).share_memory_()

    return Rollout(
        observation=shared(spec.observation_shape, spec.observation_dtype),
        action=shared(spec.action_shape, spec.action_dtype),
        reward=shared((), torch.float32),
        terminated=shared((), torch.bool),
        truncated=shared((), torch.bool),
        next_observation=shared(spec.observation_shape, spec.observation_dtype),
        log_prob=shared((), torch.float32) if config.log_prob else None,
        memory=torch.empty(1, config.envs_per_worker, memory_size).share_memory_() if memory_size else None,
    )


def _fill(slot: Rollout, rollout: Rollout) -> None:
    """Copy a rollout into a slot; of the next observations only the valid ones (see :class:`Rollout`)."""
    for name, tensor in rollout.tensors().items():
        if name != "next_observation":
            getattr(slot, name).copy_(tensor)
    slot.next_observation[-1].copy_(rollout.next_observation[-1])
    if rollout.truncated.any():
        slot.next_observation[rollout.truncated] = rollout.next_observation[rollout.truncated].to(
            slot.next_observation.dtype
        )
