"""Episodes that are played in a process of their own, so that an environment can neither hang nor end the training."""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import NamedTuple

import cloudpickle
from torch import Tensor

from lit_a3c.engines.processes import Restarts, Worker, WorkerError, end_workers, kill_worker, start_worker
from lit_a3c.engines.watchdog import Watchdog, poll
from lit_a3c.envs import EnvConfig
from lit_a3c.evaluation.play import EpisodeBatch, EvaluationEnvs, play
from lit_a3c.networks.agent import Agent
from lit_a3c.rollout import Episode

LISTEN_SECONDS = 0.05
"""Between two looks after the training while another process plays."""
HEARTBEAT_SECONDS = 0.5
"""Between two signs of life of the process that plays. It gives them between two steps of its environments."""


@dataclass(frozen=True)
class _Request:
    """Episodes to play. The fields are those of :class:`EpisodeBatch`."""

    agent: Agent
    num_envs: int
    max_steps: int
    seed: int
    num_episodes: int


class _Played(NamedTuple):
    """The end of a request: the episodes, and where the draws of the actions stand."""

    episodes: list[Episode]
    random_state: Tensor | None


class EpisodeProcess:
    """Plays batches of episodes in a process of its own, which is started at the first of them and then kept.

    A process that ends, or takes no step for too long, is replaced, and plays the batch again from its start. One that
    raises an exception would raise it again, on the same episodes: that ends the training, as does the failure of one
    more than may be replaced.

    Args:
        env: The environment.
        timeout: Seconds without a step after which the process is taken for hung.
        max_restarts: Processes that may be replaced.
    """

    def __init__(self, env: EnvConfig, timeout: float, max_restarts: int) -> None:
        self._env, self._watchdog, self._restarts = env, Watchdog(timeout), Restarts(max_restarts)
        self._worker: Worker | None = None

    def play(self, agent: Agent, batch: EpisodeBatch) -> list[Episode]:
        """What :func:`lit_a3c.evaluation.play.play` gives, with the same draws of the actions.

        Raises:
            WorkerError: The process has failed, and may not be replaced.
        """
        envs = batch.envs
        request = cloudpickle.dumps(_Request(agent, envs.num_envs, envs.max_steps, batch.seed, batch.num_episodes))
        while True:
            try:
                played = self._listen(self._send(request), batch)
            except WorkerError as error:
                self._replace(error)
            else:
                if agent.generator is not None and played.random_state is not None:
                    agent.generator.set_state(played.random_state)
                return played.episodes

    def _send(self, request: bytes) -> Worker:
        if self._worker is None:
            self._worker = start_worker(0, _work)
            self._worker.process.name = "lit-a3c evaluation"
            self._worker.send(cloudpickle.dumps(self._env))
        self._watchdog.reset(0)
        self._worker.send(request)
        return self._worker

    def _listen(self, worker: Worker, batch: EpisodeBatch) -> _Played:
        """Wait for the end of a request, and look after the training meanwhile."""
        while True:
            batch.check()
            for _, message in poll([worker], self._watchdog, LISTEN_SECONDS):
                if isinstance(message, WorkerError):
                    raise message
                if isinstance(message, _Played):
                    return message

    def _replace(self, error: WorkerError) -> None:
        """Forget the failed process. The next one is started when it is needed.

        Raises:
            WorkerError: It may not be replaced.
        """
        failed, self._worker = self._worker, None
        if failed is not None:
            kill_worker(failed)
        error = WorkerError(f"evaluation: {error}", raised=error.raised)
        if error.raised:
            raise error
        self._restarts.make(error)

    def close(self) -> None:
        """End the process, if there is one. It can be started again."""
        if self._worker is not None:
            end_workers([self._worker])
            self._worker = None


def _work(owner: Connection) -> None:
    """What the process does: play what it is asked for, and give signs of life."""
    env: EnvConfig = cloudpickle.loads(owner.recv())
    made: dict[int, EvaluationEnvs] = {}
    alive = _Heartbeat(owner)
    while (request := _next_request(owner)) is not None:
        size = request.num_envs
        envs = made.setdefault(size, EvaluationEnvs(env, size, request.max_steps))
        episodes = play(request.agent, EpisodeBatch(envs, request.seed, request.num_episodes, alive))
        generator = request.agent.generator
        owner.send(_Played(episodes, None if generator is None else generator.get_state()))


def _next_request(owner: Connection) -> _Request | None:
    """The next request, or None when the owner is gone or has closed the pipe."""
    try:
        message = owner.recv()
    except (EOFError, OSError):
        return None
    request: _Request = cloudpickle.loads(message)
    return request


class _Heartbeat:
    """Called at every step; sends a sign of life now and then."""

    def __init__(self, owner: Connection) -> None:
        self._owner, self._sent = owner, time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._sent >= HEARTBEAT_SECONDS:
            self._sent = now
            self._owner.send(None)
