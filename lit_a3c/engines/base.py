"""What engines, data module and module know of each other.

An engine decides who steps environments and where gradients are applied. It gives the train loader a
:class:`RolloutSource`. To add an engine, write a source and name it in :mod:`lit_a3c.engines.registry`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from lit_a3c.engines.learners import Learners
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.ray_pool.options import RayOptions
from lit_a3c.envs import EnvConfig, EnvSpaces
from lit_a3c.metrics.train_metrics import TrainMetrics
from lit_a3c.networks.actor_critic import ActorCritic
from lit_a3c.networks.agent import Agent
from lit_a3c.rollout import AppliedUpdates, Rollout
from lit_a3c.utils.errors import ConfigError

if TYPE_CHECKING:
    from lightning.pytorch import Trainer  # workers need not wait for it

OptimizerFactory = Callable[[Iterable], Optimizer]


@dataclass(frozen=True)
class RolloutConfig:
    """Which rollouts to collect.

    Args:
        env: The environment.
        spaces: Its spaces.
        engine: ``hogwild``, ``async``, ``sync``, ``serial`` or ``ray``.
        num_workers: Workers ``W`` that collect for one learner.
        envs_per_worker: Environments ``E`` of each worker.
        rollout_length: Steps ``T`` with the same weights, the paper's ``t_max``.
        seed: The environments and action draws of every worker derive from it.
        behaviour_log_prob: Whether rollouts carry the log-probabilities of their actions.
        first_worker: Number of the first worker, where several processes collect for themselves.
        rollouts_per_update: Rollouts ``K`` that the learner puts side by side. No source has to know it: the loader
            asks for one after the other.
        resumable: Whether the exact state of the environments will be asked for; with the engine ``serial`` only.
        max_restarts: Workers that may be replaced before the failure of one ends the training.
        worker_timeout: Seconds without a message after which a worker that is to act is replaced.
        ray: Options of the engine ``ray``.
        elastic: Whether there are to be as many workers as the machines have room for; with the engine ``ray`` only.
        temperature_spread: The largest temperature that environments act at, and the reciprocal of the smallest.
    """

    env: EnvConfig
    spaces: EnvSpaces
    engine: str
    num_workers: int
    envs_per_worker: int
    rollout_length: int
    seed: int
    behaviour_log_prob: bool = False
    first_worker: int = 0
    rollouts_per_update: int = 1
    resumable: bool = False
    max_restarts: int = 0
    worker_timeout: float = math.inf
    ray: RayOptions | None = None
    elastic: bool = False
    temperature_spread: float = 1.0

    @property
    def steps_per_rollout(self) -> int:
        """Steps of :meth:`RolloutSource.next`: ``E * T``, times ``W`` where the learner waits for all workers."""
        waits = self.ray.sync if self.ray else self.engine in ("sync", "serial")
        together = self.num_workers if waits else 1
        return self.envs_per_worker * self.rollout_length * together

    @property
    def steps_per_update(self) -> int:
        """Steps that are learned from together, in one update or as many as there are minibatches."""
        return self.steps_per_rollout * self.rollouts_per_update

    def worker_seed(self, worker: int) -> int:
        """A seed for each worker, far from the others."""
        return int(np.random.SeedSequence([self.seed, worker]).generate_state(1)[0] % 2**30)


class RolloutSource(ABC):
    """Where the train loader gets its rollouts.

    Attributes:
        overshoot: Most rollouts that may be learned from after the budget is used up.
        before_recovery: Called before the source goes on without what it stood on, a lost cluster say, so that the
            training can be saved first.
    """

    overshoot = 0
    before_recovery: Callable[[], None] = staticmethod(lambda: None)

    @abstractmethod
    def publish(self, version: int) -> None:
        """Give the learner's present weights to the actors, which take them up at their next rollout.

        Args:
            version: Updates that have been applied to these weights.
        """

    @abstractmethod
    def next(self) -> Rollout | AppliedUpdates | None:
        """The next rollout, or None where there will be none. The tensors of the one before are free for reuse.

        Where other processes learn, it is the news of updates of theirs.

        Raises:
            WorkerError: A worker has failed, and no more may be replaced.
        """

    def next_parts(self) -> list[Rollout] | None:
        """What :meth:`next` gives, as the rollouts that it would put side by side; None where there will be none.

        The loader calls it where an update is made of several rollouts or workers, and copies them before it calls it
        again. Who copies in :meth:`next` overrides it, so that nothing is copied twice.
        """
        rollout = self.next()
        return [rollout] if isinstance(rollout, Rollout) else None

    @abstractmethod
    def close(self) -> None:
        """Stop all workers and free what they hold. May be called twice."""

    def refresh(self) -> None:
        """Called before each further minibatch of one rollout. Where other processes change the weights, take them."""
        return

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` needs to go on exactly here; empty where that is not possible."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state of as many workers and environments."""
        raise NotImplementedError(f"{type(self).__name__} cannot be resumed exactly")


@runtime_checkable
class Learner(Protocol):
    """What data module and engines need of the module that learns.

    Attributes:
        policy: The network. Its weights are what actors act with.
        ledger: The steps of the training.
        metrics: What the training reports.
        learners: The learners of the training, of which the module's is one.
        make_optimizer: Makes the optimizer from the parameters.
    """

    policy: ActorCritic
    ledger: StepLedger
    metrics: TrainMetrics
    learners: Learners
    make_optimizer: OptimizerFactory

    def begin_training(self, total_steps: int) -> None:
        """Begin a training of so many steps. A checkpoint that is restored afterwards continues its own."""

    @property
    def last_step(self) -> int | None:
        """Steps learned from at which the training ends; None where there is no budget."""

    @property
    def finished(self) -> bool:
        """Whether the budget of steps is used up."""

    @property
    def needs_behaviour_log_prob(self) -> bool:
        """Whether rollouts must carry the log-probabilities of their actions."""

    def with_returns(self, rollout: Rollout) -> Rollout:
        """A rollout with returns and advantages by the present weights, for the passes over it."""

    def modules(self) -> Iterator[nn.Module]:
        """Itself and all modules in it."""

    def agent(self, num_envs: int) -> Agent:
        """The policy under evaluation in so many environments."""


class Engine(Protocol):
    """An engine that is a part of Lightning's trainer, as a strategy is.

    Attributes:
        strategy_name: Its name in ``--engine`` and ``Trainer(strategy=...)``.
        worker: Number of the worker that this process is; 0 in the process that was started as well.
    """

    strategy_name: str
    worker: int

    @property
    def num_processes(self) -> int:
        """Worker processes, which collect and learn."""

    def make_source(self, config: RolloutConfig, learner: Learner) -> RolloutSource:
        """What this process learns from, or the updates that the workers apply."""

    def check(self) -> None:
        """Look after the workers while this process does something that takes long.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
        """


@runtime_checkable
class EngineHost(Protocol):
    """What an engine that is a strategy needs of the data module.

    Attributes:
        max_restarts: Workers that may be replaced before the failure of one ends the training.
        worker_timeout: Seconds without an update after which a worker is replaced.
        average_every: Updates of a node between two averagings, where an engine has several nodes; None for its own
            number.
    """

    max_restarts: int
    worker_timeout: float
    average_every: int | None

    def use_engine(self, engine: Engine) -> None:
        """Take rollouts from this engine."""


@runtime_checkable
class Saver(Protocol):
    """A callback that saves the training where it is asked to."""

    def save_now(self, trainer: Trainer) -> None:
        """Save between two updates."""


def learner_of(trainer: Trainer) -> Learner:
    """The module of a trainer, as a learner.

    Raises:
        ConfigError: It is another kind of module.
    """
    module = trainer.lightning_module
    if not isinstance(module, Learner):
        raise ConfigError(f"RolloutDataModule collects for lit_a3c.A3C, and the trainer has {type(module).__name__}.")
    return module


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers, in one order everywhere. Listing them costs more than copying small ones: do it once."""
    return [tensor.detach() for tensor in (*module.parameters(), *module.buffers())]
