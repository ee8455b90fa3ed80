"""The engines ``async`` and ``sync``: worker processes that act, and one learner.

Every worker runs one :class:`lit_a3c.engines.actor.Actor` and writes each rollout into a slot of shared memory. The
learner hands a slot back when it asks for the next rollout, and a worker without a free slot waits. So a learner that
pauses loses nothing. Weights go the other way, through shared memory as well: publishing is one copy, and a worker
takes the newest weights before each rollout.

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

from lit_a3c.engines.actor import Actor
from lit_a3c.engines.base import RolloutConfig, RolloutSource, tensors_of
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.processes import Restarts, Worker, WorkerError, end_workers, kill_worker, start_worker
from lit_a3c.engines.watchdog import Watchdog, poll
from lit_a3c.engines.weights import SharedWeights
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.rollout import Episode, Rollout
from lit_a3c.utils.machine import check_room
from lit_a3c.utils.shared_counter import SharedCounter

SEED_STRIDE = 1_000_003
"""Between the seeds of a worker and of its replacement."""


class _RolloutReady(NamedTuple):
    """A worker's message: the rollout in this slot is complete."""

    slot: int
    policy_version: int
    episodes: list[Episode]


@dataclass
class _WorkerSlots:
    """A worker and its slots.

    Attributes:
        worker: The worker.
        slots: Its slots.
        collected_before: Steps that were taken under its number before it started.
        pending: Slots that it is to fill.
        delivered: Steps that it has handed over.
    """

    worker: Worker
    slots: list[Rollout]
    collected_before: int
    pending: set[int] = field(default_factory=set)
    delivered: int = 0

    def assign(self, slot: int) -> None:
        """Let the worker fill a slot."""
        self.pending.add(slot)
        self.worker.send(slot)

    def take(self, ready: _RolloutReady) -> Rollout:
        """The rollout in a slot that the worker has filled."""
        self.pending.discard(ready.slot)
        rollout = self.slots[ready.slot]
        self.delivered += rollout.num_steps
        return replace(rollout, policy_version=ready.policy_version, episodes=ready.episodes)


class ProcessPool(RolloutSource):
    """Worker processes, each with its own :class:`Actor`.

    A slot is free, being filled, ready, or held by the learner. Workers have two slots with ``async``, so that one is
    filled while the other is learned from, and one with ``sync``, so that they wait for the new weights. A worker that
    ends, or is silent for too long, is replaced. Its steps that had not been handed over are discarded.

    Args:
        config: What to collect.
        policy: The policy; its weights are version 0.
        ledger: Where the steps are counted.
    """

    def __init__(self, config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> None:
        ledger.allocate(config.num_workers)
        self._config, self._ledger, self._portable = config, ledger, copy.deepcopy(policy).cpu()
        self._take = 1 if config.engine == "async" else config.num_workers
        self._num_slots = 2 if config.engine == "async" else 1
        self._check_room()
        self._weights = SharedWeights(policy)
        self._learner = tensors_of(policy)
        self._restarts, self._watchdog = Restarts(config.max_restarts), Watchdog(config.worker_timeout)
        self._ready: deque[tuple[int, int, Rollout]] = deque()  # number of the worker, of the slot, what is in it
        self._workers = [self._start(number) for number in range(config.num_workers)]
        # Slots held by the learner. At first all of them, so that no worker acts before the first publication.
        self._held = [(number, slot) for slot in range(self._num_slots) for number in range(config.num_workers)]

    def _check_room(self) -> None:
        slot = _empty_slot(self._config, self._portable.recurrent_state_size, "meta").tensors().values()
        workers, slot_sizes = self._config.num_workers, [tensor.nbytes for tensor in slot]
        weight_sizes = [tensor.nbytes for tensor in tensors_of(self._portable)]
        check_room(workers, workers * self._num_slots * slot_sizes + 2 * weight_sizes)

    def _start(self, number: int) -> _WorkerSlots:
        collected = self._ledger.collected.for_rank(number)
        # A replacement does not play again what the one before it has played.
        config = replace(self._config, seed=self._config.seed + SEED_STRIDE * self._restarts.made)
        slots = [_shared_slot(config, self._portable.recurrent_state_size) for _ in range(self._num_slots)]
        worker = start_worker(number, _work, config, self._portable, self._weights, slots, number, collected)
        return _WorkerSlots(worker, slots, collected_before=collected.count(number))

    def publish(self, version: int) -> None:
        self._weights.publish(self._learner, version)

    def next(self) -> Rollout:
        """The next rollout, or the next ones of all workers side by side with ``sync``."""
        return Rollout.cat(self.next_parts())

    def next_parts(self) -> list[Rollout]:
        for number, slot in self._held:
            self._workers[number].assign(slot)
        while len(self._ready) < self._take:
            self._receive()
        taken = sorted((self._ready.popleft() for _ in range(self._take)), key=lambda item: item[0])
        self._held = [(number, slot) for number, slot, _ in taken]
        return [rollout for *_, rollout in taken]

    def _receive(self) -> None:
        """Wait for messages, and take one of every worker that has any: first come, first served."""
        for number, slots in enumerate(self._workers):
            if not slots.pending:  # it has nothing to send
                self._watchdog.reset(number)
        for worker, message in poll([s.worker for s in self._workers], self._watchdog, Watchdog.POLL_SECONDS):
            number = worker.number
            if isinstance(message, WorkerError):
                self._replace(number, message)
            else:
                self._ready.append((number, message.slot, self._workers[number].take(message)))

    def _replace(self, number: int, error: WorkerError) -> None:
        """Let another worker fill the slots that this one was to fill.

        Raises:
            WorkerError: This one failed before its first rollout, or too many have been replaced.
        """
        failed = self._workers[number]
        if error.raised and not failed.delivered and not self._restarts.made:
            raise error
        kill_worker(failed.worker)
        collected = self._ledger.collected.count(number) - failed.collected_before
        self._ledger.discarded.add(collected - failed.delivered)
        self._restarts.make(error)
        self._workers[number] = self._start(number)
        self._watchdog.reset(number)
        for slot in sorted(failed.pending):
            self._workers[number].assign(slot)

    def close(self) -> None:
        end_workers(slots.worker for slots in self._workers)
        self._workers, self._held = [], []
        self._ready.clear()


def _work(
    connection: Connection,
    config: RolloutConfig,
    policy: ActorCritic,
    weights: SharedWeights,
    slots: list[Rollout],
    worker: int,
    collected: SharedCounter,
) -> None:
    """What a worker does: wait for a free slot, take the newest weights, act, fill the slot, send a message."""
    number = config.first_worker + worker  # of all learners' workers
    torch.manual_seed(config.worker_seed(number))
    actor = Actor(config, policy, number, collected)
    while (slot := _next_slot(connection)) is not None:
        rollout = actor.rollout(weights.pull(actor.weights))
        slots[slot].copy_(rollout)
        with contextlib.suppress(OSError):  # the learner is gone: the next slot never comes
            connection.send(_RolloutReady(slot, rollout.policy_version, rollout.episodes))


def _next_slot(connection: Connection) -> int | None:
    """The next slot to fill, or None when the learner is gone or has closed the pipe."""
    try:
        return int(connection.recv())
    except (EOFError, OSError):
        return None


def _shared_slot(config: RolloutConfig, recurrent_state_size: int) -> Rollout:
    """Shared memory for one rollout."""
    slot = _empty_slot(config, recurrent_state_size)
    for tensor in slot.tensors().values():
        tensor.share_memory_()
    return slot


def _empty_slot(config: RolloutConfig, recurrent_state_size: int, device: str = "cpu") -> Rollout:
    """Memory for one rollout; with the device ``meta`` only its shapes."""
    lead = (config.rollout_length, config.envs_per_worker)
    spaces = config.spaces

    def empty(shape: Iterable[int], dtype: torch.dtype) -> Tensor:
        return torch.empty(*lead, *shape, dtype=dtype, device=device)

    state = torch.empty(1, config.envs_per_worker, recurrent_state_size, device=device)
    return Rollout(
        observation=empty(spaces.observation_shape, spaces.observation_dtype),
        action=empty(spaces.action_shape, spaces.action_dtype),
        reward=empty((), torch.float32),
        terminated=empty((), torch.bool),
        truncated=empty((), torch.bool),
        next_observation=empty(spaces.observation_shape, spaces.observation_dtype),
        behaviour_log_prob=empty((), torch.float32) if config.behaviour_log_prob else None,
        recurrent_state=state if recurrent_state_size else None,
    )
