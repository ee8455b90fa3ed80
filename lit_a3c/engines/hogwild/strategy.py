"""Hogwild: the paper's own asynchrony, as a Lightning strategy.

Every worker process is a whole training, Algorithm S3 of Mnih et al. (2016), arXiv:1602.01783. It copies the shared
parameters at the start of each rollout, acts and computes gradients with this local copy, and applies them to the
shared parameters and the shared optimizer state, without waiting and without a lock (Recht et al. 2011,
arXiv:1106.5730; section 4 of the paper, "Shared RMSProp").

Rank zero is the process that the user started. It alone logs, validates, records and saves. The others are trainers
without callbacks, which send their metrics to rank zero. What is shared lies in memory without a name, so nothing
remains after any end, ``kill -9`` included.
"""

from __future__ import annotations

import logging
import select
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy, StrategyRegistry
from lightning.pytorch.trainer.states import TrainerFn, TrainerStatus
from torch import Tensor
from torch.optim import Optimizer

from lit_a3c.engines.base import EngineHost, Learner, RolloutConfig, RolloutSource, learner_of
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.hogwild.source import HogwildSource
from lit_a3c.engines.hogwild.supervisor import WorkerSupervisor
from lit_a3c.engines.processes import Worker, start_worker
from lit_a3c.optim import parameters_of
from lit_a3c.utils import compat
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.signals import ignore_signals

WORKER_OPTIONS = ("gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches", "precision")
"""Options of the user's trainer that decide what a gradient is. The trainers of the other processes have them too."""


class Hogwild(SingleDeviceStrategy):
    """Lock-free asynchronous workers on the CPU: ``Trainer(strategy="hogwild", devices=16)``."""

    strategy_name = "hogwild"
    _learner: Learner

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(device="cpu", **kwargs)
        self.parallel_devices: list[torch.device] | None = None  # Lightning fills it in from the trainer's devices
        self._shared: SharedTrainState | None = None
        self._local: list[Tensor] = []
        self._supervisor: WorkerSupervisor | None = None
        self._rank_zero: Connection | None = None
        self._report_every = 1

    @property
    def num_processes(self) -> int:
        """All worker processes, rank zero included."""
        return len(self.parallel_devices or [0])

    @property
    def is_global_zero(self) -> bool:
        return self.global_rank == 0

    # The start

    def setup_environment(self) -> None:
        if self.root_device.type != "cpu" or any(device.type != "cpu" for device in self.parallel_devices or []):
            raise ConfigError("the engine hogwild shares memory between CPU processes: --trainer.accelerator cpu.")
        super().setup_environment()

    def setup(self, trainer: Trainer) -> None:
        """Let the data module take its rollouts from here."""
        self._learner = learner_of(trainer)
        if self._rank_zero is None and trainer.state.fn == TrainerFn.FITTING:
            self._learner.ledger.allocate(self.num_processes)
        data = compat.datamodule_of(trainer)
        if isinstance(data, EngineHost):
            data.use_engine(self)
        super().setup(trainer)

    def make_source(self, config: RolloutConfig, learner: Learner) -> RolloutSource:
        """Of this process. There is one in every process."""
        return HogwildSource(config, learner, self)

    def on_train_start(self) -> None:
        """Share what a fresh or resumed training starts from, and start the other workers."""
        module, optimizer = self.lightning_module, self.optimizers[0]
        assert module is not None
        if self._shared is None:
            self._shared = SharedTrainState.of(module, optimizer, self._learner.ledger)
            # The user counts updates, whichever process makes them.
            compat.divide_validation_interval(module.trainer, self.num_processes)
            self._supervisor = self._start_others(module, self._shared) if self.num_processes > 1 else None
        for p, state in zip(parameters_of(optimizer), self._shared.optimizer_state, strict=True):
            optimizer.state[p] = state
        self._local = [p.data for p in parameters_of(optimizer)]
        if self._rank_zero is not None:
            ignore_signals()  # Lightning has just started to handle SIGTERM

    def join(self, shared: SharedTrainState, rank: int, rank_zero: Connection, report_every: int) -> None:
        """Become one of the other workers.

        Args:
            shared: What rank zero shares.
            rank: This worker's number.
            rank_zero: Connection to rank zero.
            report_every: Updates between two reports to it.
        """
        self.global_rank, self._shared, self._rank_zero, self._report_every = rank, shared, rank_zero, report_every

    def _start_others(self, module: LightningModule, shared: SharedTrainState) -> WorkerSupervisor:
        trainer, data = module.trainer, compat.datamodule_of(module.trainer)
        if not isinstance(data, EngineHost):
            raise ConfigError("the engine hogwild needs a RolloutDataModule, and the trainer was given bare loaders.")
        # Bodies, heads and environments may be classes of the user's own script, which only cloudpickle can send.
        payload = cloudpickle.dumps((module, self.optimizers[0], data))
        options = {name: getattr(trainer, name) for name in WORKER_OPTIONS}
        report_every = max(1, compat.log_interval(trainer) // self.num_processes)

        def start(rank: int) -> Worker:
            worker = start_worker(rank, _work, options, shared, rank, report_every, torch.initial_seed())
            # Not an argument of the process: if this one ends while it writes those, the worker shows a traceback.
            worker.send(payload)
            return worker

        ranks = range(1, self.num_processes)
        return WorkerSupervisor(start, ranks, self._learner, data.max_restarts, data.worker_timeout)

    # Learning

    @torch.no_grad()
    def pull(self) -> None:
        """Copy the shared parameters into this process's own."""
        if self._shared is not None:
            torch._foreach_copy_(self._local, self._shared.parameters)

    @property
    def orphaned(self) -> bool:
        """Whether this is a worker whose rank zero is gone, which otherwise sends nothing after the start."""
        return self._rank_zero is not None and self._rank_zero.poll()

    def optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any], model: Any = None, **kwargs: Any) -> Any:
        """Compute gradients at the local parameters and apply them to the shared ones."""
        assert self._shared is not None
        shared = self._shared.parameters

        def closure_at_local() -> Any:
            result = closure()
            self._point_at(shared)
            return result

        try:
            result = super().optimizer_step(optimizer, closure_at_local, model, **kwargs)
        finally:  # Ctrl-C may come in the middle
            self._point_at(self._local)
        self._report()
        return result

    def _point_at(self, tensors: list[Tensor]) -> None:
        """Optimizers know parameters by identity, so it is their storage that changes."""
        for p, tensor in zip(parameters_of(self.optimizers[0]), tensors, strict=True):
            p.data = tensor

    # Reports

    def _report(self) -> None:
        metrics = self._learner.metrics
        if self._rank_zero is not None:
            # Rank zero may be busy with a video: then this worker goes on counting instead of waiting for it.
            if metrics.updates >= self._report_every and select.select([], [self._rank_zero], [], 0)[1]:
                self._rank_zero.send(metrics.take())
            return
        self.check()
        if self._supervisor is not None and self._learner.finished:
            self._supervisor.join()  # the last checkpoint shall hold everybody's last update

    def check(self) -> None:
        """Merge what the other workers report, and replace those that have failed.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
        """
        if self._supervisor is not None:
            self._supervisor.poll()

    # Evaluation, checkpoints, the end

    def on_validation_start(self) -> None:
        self.pull()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The newest parameters; after a whole validation those that it has scored, while the others learn on."""
        assert self.lightning_module is not None
        trainer = self.lightning_module.trainer
        if not trainer.validating or trainer.state.status == TrainerStatus.INTERRUPTED:
            self.pull()
        return super().lightning_module_state_dict()

    def on_train_end(self) -> None:
        self._end()
        self.pull()

    def on_exception(self, exception: BaseException) -> None:
        self._end()

    def teardown(self) -> None:
        self._end()
        self._shared, self._supervisor = None, None
        super().teardown()

    def _end(self) -> None:
        if self._supervisor is not None:
            self._supervisor.end()


def _work(
    rank_zero: Connection, options: dict[str, Any], shared: SharedTrainState, rank: int, report_every: int, seed: int
) -> None:
    """What a worker other than rank zero does: a training without callbacks, loggers and evaluation."""
    compat.set_rank(rank)
    warnings.simplefilter("ignore")  # rank zero has shown them
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(seed)
    module, optimizer, data = cloudpickle.loads(rank_zero.recv())
    module.make_optimizer = lambda _: optimizer
    module.ledger = shared.ledger.for_rank(rank)
    for own, common in zip(module.buffers(), shared.buffers, strict=True):
        own.data = common
    strategy = Hogwild()
    strategy.join(shared, rank, rank_zero, report_every)
    for name in ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"):
        options[name] = False
    options |= {"max_epochs": 1, "limit_val_batches": 0, "log_every_n_steps": 0}
    trainer = Trainer(accelerator="cpu", devices=1, strategy=strategy, **options)
    rank_zero.recv()  # sent when all have been started
    trainer.fit(module, data)
    if not strategy.orphaned:
        rank_zero.send(module.metrics.take())
        rank_zero.send(None)


StrategyRegistry.register(Hogwild.strategy_name, Hogwild, description="lock-free workers with shared parameters")
