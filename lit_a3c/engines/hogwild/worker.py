"""A lock-free worker: a process that acts and learns, as Algorithm S3 of Mnih et al. (2016) has it.

It is a whole Lightning training without callbacks, loggers and evaluation. It copies the shared parameters at the start
of each rollout, acts and computes gradients with this local copy, and applies them to the shared parameters and the
shared optimizer state.
"""

from __future__ import annotations

import functools
import logging
import select
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import cloudpickle
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.optim import Optimizer

from lit_a3c.engines.base import EngineHost, Learner, RolloutConfig, RolloutSource, learner_of
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.hogwild.source import HogwildSource
from lit_a3c.optim import parameters_of
from lit_a3c.utils import compat, compat_loop, compat_processes
from lit_a3c.utils.signals import ignore_signals

WORKER_OPTIONS = ("gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches", "precision")
"""Options of the user's trainer that decide what a gradient is. The trainers of the workers have them too."""


@dataclass(frozen=True)
class WorkerConfig:
    """What all workers of a training are told.

    Attributes:
        num_workers: The number of workers on this node.
        report_every: Updates between two reports of a worker.
        seed: The seed of the training.
        trainer: Arguments of the worker's ``Trainer``.
        first_worker: The number of this node's first worker among those of all nodes.
    """

    num_workers: int
    report_every: int
    seed: int
    trainer: dict[str, Any]
    first_worker: int = 0

    @classmethod
    def of(cls, trainer: Trainer, num_workers: int, first_worker: int) -> WorkerConfig:
        """That of a trainer, with so many workers on this node."""
        return cls(
            num_workers=num_workers,
            first_worker=first_worker,
            report_every=max(1, compat.log_interval(trainer) // (num_workers * trainer.num_nodes)),
            seed=torch.initial_seed(),
            trainer={name: getattr(trainer, name) for name in WORKER_OPTIONS},
        )


class HogwildWorker(SingleDeviceStrategy):
    """The strategy of a worker's trainer: local parameters act and give gradients, shared ones take them.

    Args:
        number: The worker's number on its node, from 0.
        config: What all workers are told.
        shared: What all workers have in common.
        rank_zero: Connection to the process that was started.
    """

    strategy_name = "hogwild"
    _learner: Learner

    def __init__(self, number: int, config: WorkerConfig, shared: SharedTrainState, rank_zero: Connection) -> None:
        super().__init__(device="cpu")
        self.worker, self.num_processes = config.first_worker + number, config.num_workers
        self.global_rank = number + 1
        self._report_every, self._shared, self._rank_zero = config.report_every, shared, rank_zero
        self._local: list[Tensor] = []

    @property
    def is_global_zero(self) -> bool:
        return False

    def setup(self, trainer: Trainer) -> None:
        """Let the data module take its rollouts from here."""
        self._learner = learner_of(trainer)
        data = compat.datamodule_of(trainer)
        assert isinstance(data, EngineHost)
        data.use_engine(self)
        super().setup(trainer)

    def make_source(self, config: RolloutConfig, learner: Learner) -> RolloutSource:
        """The rollouts of this process."""
        return HogwildSource(config, learner, self)

    def on_train_start(self) -> None:
        self._shared.give_optimizer_state(self.optimizers[0])
        self._local = [p.data for p in parameters_of(self.optimizers[0])]
        ignore_signals()  # Lightning has just started to handle SIGTERM

    def pull(self) -> None:
        """Copy the shared parameters into the local ones."""
        if self._local:  # not before the training
            self._shared.pull_parameters(self._local)

    @property
    def orphaned(self) -> bool:
        """Whether the process that was started is gone. It sends nothing after the start."""
        return self._rank_zero.poll()

    @property
    def ended(self) -> bool:
        """Whether this worker shall begin no further rollout."""
        return self._shared.max_updates_reached or self.orphaned

    def check(self) -> None:
        """Nothing: a worker watches no other process."""

    def optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any], model: Any = None, **kwargs: Any) -> Any:
        """Compute gradients at the local parameters and apply them to the shared ones."""
        step = functools.partial(super().optimizer_step, optimizer, model=model, **kwargs)
        return self._at_shared(step, closure)

    def lean_optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any]) -> Any:
        """The same, where the closure clips the gradients and no hook is to be called."""
        return self._at_shared(optimizer.step, closure)

    def _at_shared(self, step: Callable[..., Any], closure: Callable[[], Any]) -> Any:
        def closure_at_local() -> Any:
            result = closure()
            self._point_at(self._shared.parameters)
            return result

        try:
            result = step(closure=closure_at_local)
        finally:
            self._point_at(self._local)
        self._report_if_due()
        return result

    def _point_at(self, tensors: list[Tensor]) -> None:
        """Optimizers know parameters by identity, so it is their storage that changes."""
        for p, tensor in zip(parameters_of(self.optimizers[0]), tensors, strict=True):
            p.data = tensor

    def _report_if_due(self) -> None:
        # Rank zero may be busy with a checkpoint: then this worker goes on counting instead of waiting for it.
        due = self._learner.metrics.updates >= self._report_every
        if due and select.select([], [self._rank_zero], [], 0)[1]:
            self.report()

    def report(self) -> None:
        """Send what has happened since the last report, and what a module of the user's own has logged."""
        assert self.lightning_module is not None
        logged = self.lightning_module.trainer.callback_metrics
        delta = self._learner.metrics.take()
        delta.logged = {name: float(value) for name, value in logged.items()}
        self._rank_zero.send(delta)


def work(rank_zero: Connection, number: int, config: WorkerConfig, shared: SharedTrainState) -> None:
    """What the process of a worker does.

    Args:
        rank_zero: Connection to the process that was started. It sends module, optimizer, data module and the state of
            its random numbers, and another message when all workers have been started.
        number: The worker's number on its node, from 0.
        config: What all workers are told.
        shared: What all workers have in common.
    """
    compat_processes.set_rank(number + 1)
    warnings.simplefilter("ignore")  # rank zero has shown them
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(config.seed)
    module, optimizer, data, random_state = cloudpickle.loads(rank_zero.recv())
    torch.set_rng_state(random_state)
    module.make_optimizer = lambda _: optimizer
    module.ledger = shared.ledger.for_rank(number + 1)
    for own, common in zip(module.buffers(), shared.buffers, strict=True):
        own.data = common
    strategy = HogwildWorker(number, config, shared, rank_zero)
    options: dict[str, Any] = config.trainer | {"max_epochs": 1, "limit_val_batches": 0, "log_every_n_steps": 0}
    for name in ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"):
        options[name] = False
    trainer = Trainer(accelerator="cpu", devices=1, strategy=strategy, **options)
    compat_loop.make_lean(trainer)
    rank_zero.recv()
    trainer.fit(module, data)
    if not strategy.orphaned:
        strategy.report()
        rank_zero.send(None)
