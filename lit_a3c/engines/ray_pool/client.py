"""The calls of Ray during a training: actors are started, asked and ended, and what they answer comes into one queue.

A lost head holds up every call that goes through it. These calls are made by a thread of their own, so that the learner
can still notice the loss. Requests for rollouts go from the learner's process to that of the actor.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

from lit_a3c.engines.processes import WorkerError
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.engines.ray_pool.remote_actor import Collected, Placed, RemoteActor

CLOSE_SECONDS = 10.0
"""Seconds for ending the actors of a connection that stays."""


@dataclass(eq=False)
class RemoteWorker:
    """An actor as the learner sees it.

    Attributes:
        number: Its number. A replacement has the same.
        second: Whether it may have a second request, because the learner waits for rollouts.
        handle: Ray's handle; None until Ray has it.
        placed: Where it is; None until Ray has found a place for it.
        waiting: Requests to send once there is a handle.
        pending: Requests without an answer.
        unanswered: Requests that failed because it could not be reached. It may have answered them.
        steps: Steps that it has reported.
        delivered: Rollouts that it has delivered.
        weights_version: Version of the weights that were sent to it last.
        unreachable_since: When it could not be reached for the first time since its last answer.
    """

    number: int
    second: bool = False
    handle: Any = None
    placed: Placed | None = None
    waiting: int = 0
    pending: int = 0
    unanswered: int = 0
    steps: int = 0
    delivered: int = 0
    weights_version: int = -1
    unreachable_since: float | None = None

    @property
    def machine(self) -> str:
        """Ray's number of the machine; empty before there is one."""
        return self.placed.node if self.placed else ""

    @property
    def most_lost(self) -> int:
        """The most rollouts that it can have made since its last report: those that it was asked for."""
        return max(self.pending, self.unanswered) if self.placed else 0


class Started(NamedTuple):
    """Ray has taken up an actor. It waits for a place."""


class Gone(NamedTuple):
    """An actor does not answer.

    Attributes:
        error: What happened.
        machine: Whether its machine is gone, and not the actor alone.
        certain: Whether it is gone. Else it may be there and cannot be reached at present.
    """

    error: WorkerError
    machine: bool
    certain: bool


Event = Started | Placed | Collected | Gone


class RayClient:
    """Starts actors, asks them, and ends them.

    Args:
        options: Options of the engine.
        payload: What actors are made of.

    Attributes:
        inbox: Workers and what they answer, in the order in which it comes.
    """

    def __init__(self, options: RayOptions, payload: bytes) -> None:
        import ray

        self._ray: Any = ray
        self._payload = ray.put(payload)
        limits = {"max_restarts": 0, "max_task_retries": 0}  # a restart by Ray would play the same seed again
        self._remote = ray.remote(**{"num_cpus": 1, **(options.actor or {}), **limits})(RemoteActor)
        self.inbox: queue.SimpleQueue[tuple[RemoteWorker, Callable[[], Event | bytes]]] = queue.SimpleQueue()
        self._head_calls = ThreadPoolExecutor(1, thread_name_prefix="lit-a3c ray calls")

    def start(self, worker: RemoteWorker, seed: int) -> None:
        """Let Ray find a place for an actor. Its handle comes with :class:`Started`."""
        self._head_calls.submit(self._start, worker, seed).add_done_callback(lambda done: self._put(worker, done))

    def _start(self, worker: RemoteWorker, seed: int) -> Event:
        worker.handle = self._remote.remote(self._payload, worker.number, seed)
        self._listen(worker, worker.handle.place.remote())
        return Started()

    def ask(self, worker: RemoteWorker, weights: Any, policy_version: int) -> None:
        """Ask a started actor for a rollout. The answer is :class:`Collected` or :class:`Gone`."""
        worker.pending += 1
        self._listen(worker, worker.handle.rollout.remote(weights, policy_version))

    def put(self, data: bytes) -> Any:
        """A reference to data in the object store, from which each machine takes one copy."""
        return self._ray.put(data)

    def kill(self, worker: RemoteWorker) -> None:
        """End an actor, whatever it does. It may have ended."""
        self._head_calls.submit(self._kill, worker)

    def _kill(self, worker: RemoteWorker) -> None:
        with contextlib.suppress(Exception):  # it has ended, or its head has
            self._ray.kill(worker.handle)

    def receive(self, timeout: float) -> tuple[RemoteWorker, Event] | None:
        """The next answer, or None.

        Args:
            timeout: Seconds to wait for it.
        """
        try:
            worker, answer = self.inbox.get(timeout=timeout) if timeout else self.inbox.get_nowait()
        except queue.Empty:
            return None
        try:
            event = answer()
        except self._ray.exceptions.RayError as error:
            return worker, self._gone(worker, error)
        return worker, pickle.loads(event) if isinstance(event, bytes) else event

    def close(self, workers: list[RemoteWorker]) -> None:
        """End all actors through the head of the cluster."""
        for worker in workers:
            self.kill(worker)
        done = self._head_calls.submit(lambda: None)
        with contextlib.suppress(TimeoutError):
            done.result(CLOSE_SECONDS)
        self._head_calls.shutdown(wait=False, cancel_futures=True)

    def abandon(self, workers: list[RemoteWorker]) -> None:
        """Ask all actors to end, without a head."""
        self._head_calls.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            if worker.handle is not None:
                with contextlib.suppress(Exception):  # it is gone, too
                    worker.handle.end.remote()
        time.sleep(0.5)  # for the requests to leave this process

    def _listen(self, worker: RemoteWorker, reference: Any) -> None:
        reference.future().add_done_callback(lambda done: self._put(worker, done))

    def _put(self, worker: RemoteWorker, done: Future[Any]) -> None:
        if not done.cancelled():
            self.inbox.put((worker, done.result))

    def _gone(self, worker: RemoteWorker, error: Exception) -> Gone:
        """What has become of an actor. Ray has one class for most of its ends, and says which one in words."""
        known = self._ray.exceptions
        text = " ".join(str(error).split())
        if isinstance(error, known.ActorUnavailableError):
            return Gone(WorkerError(f"worker {worker.number} cannot be reached"), machine=True, certain=False)
        # An exception of the actor's constructor, or of what has to be imported for it.
        raised = isinstance(error, known.RayTaskError | known.RuntimeEnvSetupError) or bool(
            getattr(error, "actor_init_failed", False)
        )
        what = f"could not be started: {text[-600:]}" if raised else f"ended without a message ({_reason(text)})"
        machine = bool(getattr(error, "preempted", False)) or any(words in text for words in NODE_WORDS)
        return Gone(WorkerError(f"worker {worker.number} {what}", raised=raised), machine=machine, certain=True)


def _reason(text: str) -> str:
    """Ray's own reason for the end of a process, without its numbers and its guesses."""
    detail = re.search(r"Worker exit detail: (.*?)(?: Some common causes| If the process|$)", text)
    return (detail[1] if detail else text)[:300].rstrip(". ")


NODE_WORDS = ("node has died", "node died", "node was terminated", "node is dead", "node failure", "Node failed")
"""What Ray says of an actor whose machine is gone."""
