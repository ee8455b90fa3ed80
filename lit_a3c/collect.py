"""Collecting experience: TorchRL collectors, in this process or in workers that never wait for each other.

Every worker process runs one TorchRL ``Collector`` over its own environments and its own copy of the policy, and
writes each rollout into a slot of shared memory. The learner hands a slot back when it asks for the next rollout,
and a worker without a free slot waits, so a learner that pauses loses nothing. Weights go the other way, through
shared memory as well: a push is one copy, and a worker takes the newest weights before each rollout.

TorchRL's own multi-process collector is not used: it drops rollouts when the learner pauses, reports a worker's
exception as "exit code 1", and its hand-over of small batches costs more than MuJoCo's physics.
"""

from __future__ import annotations

import contextlib
import copy
import signal
import traceback
import warnings
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor, nn

from lit_a3c.envs import EnvConfig, EnvSpec, Episode
from lit_a3c.policy import ActorCritic
from lit_a3c.processes import context
from lit_a3c.rollout import Rollout

MODES = ("async", "sync", "serial")


@dataclass(frozen=True)
class CollectConfig:
    """What to collect and by how many.

    Args:
        env: The environment.
        spec: Its spaces.
        mode: ``async``: the learner takes single workers' rollouts, first come first served. ``sync``: it waits
            for one of every worker. ``serial``: likewise, but all in the learner's process.
        num_workers: Workers ``W``.
        envs_per_worker: Environments ``E`` of each worker.
        rollout_length: Steps ``T`` between two updates, the paper's ``t_max``.
        seed: Every worker's environments and action draws derive from it.
    """

    env: EnvConfig
    spec: EnvSpec
    mode: str
    num_workers: int
    envs_per_worker: int
    rollout_length: int
    seed: int

    @property
    def steps_per_rollout(self) -> int:
        """Steps that the learner gets at once: ``E * T``, times ``W`` where it waits for all."""
        return self.envs_per_worker * self.rollout_length * (1 if self.mode == "async" else self.num_workers)

    def worker_seed(self, worker: int) -> int:
        """A seed of its own for every worker, far from the others."""
        return int(np.random.SeedSequence([self.seed, worker]).generate_state(1)[0] % 2**30)


class Collection(Protocol):
    """A source of rollouts that acts with the weights pushed last."""

    def push(self) -> None:
        """Publish the weights of the learner's policy, the one given at the start."""

    def next(self) -> Rollout:
        """The next rollout; the tensors of the one before are free for reuse."""

    def close(self) -> None:
        """Stop all workers and free what they hold. May be called twice."""


def collect(config: CollectConfig, policy: ActorCritic) -> Collection:
    """Start collecting; in the modes with workers these start in the background."""
    return _Serial(config, policy) if config.mode == "serial" else WorkerPool(config, policy)


class WorkerError(RuntimeError):
    """A worker ended by itself. The message names it and holds its own exception and traceback."""


class Actor:
    """One TorchRL collector over ``E`` environments with its own copy of the policy, on the CPU.

    Args:
        config: What to collect.
        policy: The policy to copy.
        worker: This worker's number.
    """

    def __init__(self, config: CollectConfig, policy: ActorCritic, worker: int) -> None:
        from torchrl.collectors import Collector

        self.policy = copy.deepcopy(policy).cpu().eval().requires_grad_(False)
        self.weights = _tensors(self.policy)
        self._env = config.env.make(config.envs_per_worker, seed=config.worker_seed(worker), training=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # on transforms for recurrent policies
            self._collector = Collector(
                self._env.torchrl,
                self._act,
                trust_policy=True,
                frames_per_batch=config.envs_per_worker * config.rollout_length,
                total_frames=-1,
                track_traj_ids=False,
                return_same_td=True,  # the buffer is copied or consumed before it is filled again
            )
        self._batches = iter(self._collector)

    def _act(self, state: Any) -> Any:
        """TorchRL's view of the policy. A ``TensorDictModule`` would do the same for 0.15 ms more a step."""
        return state.set("action", self.policy.act(state.get("observation")))

    def rollout(self) -> Rollout:
        """``T`` more steps. The tensors are views of a buffer that the next call fills again."""
        batch = next(self._batches)

        def time_first(*key: str) -> Tensor:
            return batch[key].transpose(0, 1)

        return Rollout(
            observation=time_first("observation"),
            action=time_first("action"),
            reward=time_first("next", "reward").squeeze(-1),
            terminated=time_first("next", "terminated").squeeze(-1),
            truncated=time_first("next", "truncated").squeeze(-1),
            next_observation=time_first("next", "observation"),
            episodes=self._env.drain(),
        )

    def close(self) -> None:
        self._collector.shutdown()


class SharedWeights:
    """The newest weights, in shared memory, written by one process and read by many without a lock.

    Two buffers take turns: version ``n`` is in buffer ``n % 2`` and stays untouched until version ``n + 2`` is
    written, which begins only after ``n + 1`` is published. A reader that finds the version unchanged after its
    copy has therefore read whole weights; else it reads again.

    Args:
        policy: Gives the shapes and version 0.
    """

    def __init__(self, policy: nn.Module) -> None:
        tensors = [tensor.cpu() for tensor in _tensors(policy)]
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


class _Serial:
    """All workers' environments stepped one after the other by the calling process."""

    def __init__(self, config: CollectConfig, policy: ActorCritic) -> None:
        self._learner = _tensors(policy)
        self._actors = [Actor(config, policy, worker) for worker in range(config.num_workers)]
        self._version = 0

    @torch.no_grad()
    def push(self) -> None:
        for actor in self._actors:
            torch._foreach_copy_(actor.weights, self._learner)
        self._version += 1

    def next(self) -> Rollout:
        rollout = Rollout.cat([actor.rollout() for actor in self._actors])
        return replace(rollout, version=self._version, learner_version=self._version)

    def close(self) -> None:
        for actor in self._actors:
            actor.close()
        self._actors = []


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
        self._learner = _tensors(policy)
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


def _tensors(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers, in one order everywhere. Listing them costs more than copying small ones: do it once."""
    return [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
