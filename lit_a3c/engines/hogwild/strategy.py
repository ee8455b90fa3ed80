"""Hogwild: the paper's own asynchrony, as a Lightning strategy.

Worker processes act and learn without waiting and without a lock (Recht et al. 2011, arXiv:1106.5730; Mnih et al. 2016,
arXiv:1602.01783, Algorithm S3 and section 4, "Shared RMSProp"). :mod:`lit_a3c.engines.hogwild.worker` is such a worker.

The process that the user started does neither. It starts the workers, replaces those that fail, logs, validates,
records and saves. So no environment of the training can hold it up or end it. Its trainer counts the updates of all
workers. Its module has copies of parameters and running statistics of its own, which are made for a validation, for a
checkpoint and at the end: what is scored is what is saved.

What is shared lies in memory without a name, so nothing remains after any end, ``kill -9`` included.

With several nodes each of them is such a training, and they average now and then: :mod:`lit_a3c.engines.hogwild.nodes`.
To Lightning each is the only process (``world_size`` is 1): its collectives would wait. Node 0 logs and saves.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cloudpickle
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy, StrategyRegistry
from lightning.pytorch.trainer.states import TrainerFn, TrainerStatus
from torch import Tensor
from torch.optim import Optimizer

from lit_a3c.engines.base import EngineHost, Learner, RolloutConfig, RolloutSource, learner_of
from lit_a3c.engines.hogwild.job import Job, leave_to_node_zero
from lit_a3c.engines.hogwild.node_group import node_rank
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.hogwild.supervisor import WorkerSupervisor
from lit_a3c.engines.hogwild.updates import NoUpdates, UpdateSource
from lit_a3c.engines.hogwild.worker import WorkerConfig, work
from lit_a3c.engines.processes import Worker, start_worker
from lit_a3c.optim import parameters_of
from lit_a3c.utils import compat, compat_processes
from lit_a3c.utils.errors import ConfigError


class Hogwild(SingleDeviceStrategy):
    """Lock-free asynchronous workers on the CPU: ``Trainer(strategy="hogwild", devices=16)`` has 16 of them."""

    strategy_name = "hogwild"
    worker = 0
    _learner: Learner

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(device="cpu", **kwargs)
        self.parallel_devices: list[torch.device] | None = None  # Lightning fills it in from the trainer's devices
        self._shared: SharedTrainState | None = None
        self._parameters: list[Tensor] = []
        self._supervisor: WorkerSupervisor | None = None
        self.cluster_environment: ClusterEnvironment | None = None  # Lightning fills these in, too
        self.num_nodes = 1
        self._job: Job | None = None  # where there are several nodes

    def set_world_ranks(self) -> None:
        """Lightning calls this when it has filled in what it knows.

        Raises:
            ConfigError: There are several nodes, and their variables are missing or contradict ``num_nodes``.
        """
        if self.num_nodes > 1:
            assert self.cluster_environment is not None
            self.global_rank = node_rank(self.cluster_environment, self.num_nodes)
            compat_processes.set_rank(self.global_rank)

    @property
    def is_global_zero(self) -> bool:
        return self.global_rank == 0

    @property
    def num_processes(self) -> int:
        """Worker processes. The process that was started is one more."""
        return len(self.parallel_devices or [0])

    # The start

    def setup_environment(self) -> None:
        if self.root_device.type != "cpu" or any(device.type != "cpu" for device in self.parallel_devices or []):
            raise ConfigError("the engine hogwild shares memory between CPU processes: --trainer.accelerator cpu.")
        if not self.is_global_zero:
            assert self.lightning_module is not None
            leave_to_node_zero(self.lightning_module.trainer)
        super().setup_environment()

    def setup(self, trainer: Trainer) -> None:
        """Let the data module take its batches from here."""
        self._learner = learner_of(trainer)
        data = compat.datamodule_of(trainer)
        if trainer.state.fn == TrainerFn.FITTING:
            # The first slot is of what was before.
            self._learner.ledger.allocate(1 + self.num_processes, other_nodes=self.num_nodes > 1)
        if isinstance(data, EngineHost):
            data.use_engine(self)
        elif trainer.state.fn == TrainerFn.FITTING:
            raise ConfigError("the engine hogwild needs a RolloutDataModule, and the trainer was given bare loaders.")
        super().setup(trainer)

    def make_source(self, config: RolloutConfig, learner: Learner) -> RolloutSource:
        """The updates that the workers apply."""
        assert self.lightning_module is not None
        trainer = self.lightning_module.trainer
        return UpdateSource(self, trainer, learner) if self.is_global_zero else NoUpdates(self, trainer)

    def on_train_start(self) -> None:
        """Share what a fresh or resumed training starts from, and start the workers."""
        module, optimizer = self.lightning_module, self.optimizers[0]
        assert module is not None
        trainer, ledger = module.trainer, self._learner.ledger
        left = None if trainer.max_steps == -1 else trainer.max_steps - trainer.global_step
        max_updates = None if left is None else ledger.updates.total + left
        self._shared = SharedTrainState.of(module, optimizer, ledger, max_updates)
        if self.num_nodes > 1:
            assert self.cluster_environment is not None
            self._job = Job.join(trainer, self.cluster_environment, self.num_processes, self._shared)
        self._shared.give_optimizer_state(optimizer)
        self._parameters = [p.data for p in parameters_of(optimizer)]
        for message in ("`training_step` returned `None`", "Detected call of `lr_scheduler.step"):
            warnings.filterwarnings("ignore", message=message)  # here nothing is learned, and the optimizer never steps
        self._supervisor = self._start_workers(module, self._shared)

    def _start_workers(self, module: LightningModule, shared: SharedTrainState) -> WorkerSupervisor:
        trainer, data = module.trainer, compat.datamodule_of(module.trainer)
        assert isinstance(data, EngineHost)
        # Bodies, heads and environments may be classes of the user's own script, which only cloudpickle can send.
        payload = cloudpickle.dumps((module, self.optimizers[0], data, torch.get_rng_state()))
        first_worker = self._job.first_worker if self._job else 0
        config = WorkerConfig.of(trainer, self.num_processes, first_worker)

        def start(number: int) -> Worker:
            worker = start_worker(number, work, number, config, shared)
            # Not an argument of the process: if this one ends while it writes those, the worker shows a traceback.
            worker.send(payload)
            return worker

        return WorkerSupervisor(
            start, self.num_processes, self._learner, self._over, data.max_restarts, data.worker_timeout
        )

    # The training: the workers learn, and Lightning counts

    def training_step(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is learned from an :class:`~lit_a3c.rollout.AppliedUpdates`.

        What the workers' modules have logged in theirs is logged here, on the same axis as everything else.
        """
        assert self.lightning_module is not None
        for name, value in self._learner.metrics.logged.items():
            self.lightning_module.log(name, value)

    def optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any], model: Any = None, **kwargs: Any) -> Any:
        """Count an update. A worker has applied it."""
        return closure()

    @torch.no_grad()
    def pull(self) -> None:
        """Copy the shared parameters and running statistics into the module of this process."""
        if self._shared is not None and self.lightning_module is not None:
            self._shared.pull_parameters(self._parameters)
            self._shared.pull_buffers(self.lightning_module.buffers())

    def watch(self, timeout: float = 0) -> bool:
        """Look after the workers for up to so many seconds.

        Returns:
            False where all of them have ended, those of other nodes included, because the budget is used up or another
            node has stopped.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
            NodeError: Another node has failed.
            KeyboardInterrupt: Another node was asked to stop by a signal.
        """
        assert self._supervisor is not None, "the training has started"
        if self._job is not None:
            return self._job.watch(self._supervisor, timeout)
        self._supervisor.poll(timeout)
        return self._supervisor.running

    def check(self) -> None:
        """Look after the workers, if there are any, without waiting.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
            NodeError: Another node has failed.
        """
        if self._supervisor is not None:
            self._supervisor.poll()
            if self._job is not None:
                self._job.meet(self._supervisor)

    @property
    def max_updates_reached(self) -> bool:
        """Whether the workers have made as many updates as the trainer's ``max_steps`` allow."""
        return self._shared is not None and self._shared.max_updates_reached

    def _over(self) -> bool:
        stopping = self._job is not None and self._job.stopping
        return self._learner.finished or self.max_updates_reached or stopping

    # Evaluation, checkpoints, the end

    def on_validation_start(self) -> None:
        self.pull()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The newest state; after a whole validation the one that it has scored, while the workers learn on."""
        assert self.lightning_module is not None
        trainer = self.lightning_module.trainer
        interrupted = trainer.state.status == TrainerStatus.INTERRUPTED
        if interrupted or (not trainer.validating and (trainer.should_stop or self.max_updates_reached)):
            self._leave()  # so what is saved is of all nodes
        if not trainer.validating or interrupted:
            self.pull()
        return super().lightning_module_state_dict()

    def on_train_end(self) -> None:
        self._leave()
        self._end()
        self.pull()

    def on_exception(self, exception: BaseException) -> None:
        self._leave()
        self._end()

    def teardown(self) -> None:
        self._end()
        if self._job is not None:
            self._job.close()
        self._job = None
        self._shared, self._supervisor, self._parameters = None, None, []
        super().teardown()

    def _leave(self) -> None:
        """Let all nodes end, where there are several, and average a last time."""
        if self._job is not None and self._supervisor is not None:
            self._job.leave(self._supervisor)

    def _end(self) -> None:
        if self._supervisor is not None:
            self._supervisor.end()


StrategyRegistry.register(Hogwild.strategy_name, Hogwild, description="lock-free workers with shared parameters")
