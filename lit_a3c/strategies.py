"""Hogwild: the paper's own asynchrony, as a Lightning strategy.

Every worker process is a whole training of its own, Algorithm S3 of Mnih et al. (2016), arXiv:1602.01783. It takes the
shared parameters at the start of each rollout, acts and computes gradients with this local copy, and applies them to
the shared parameters and the shared optimizer statistics, without waiting and without a lock (Recht et al. 2011,
arXiv:1106.5730; section 4 of the paper, "Shared RMSProp").

Rank zero is the process that the user started. It alone logs, validates, records and saves; the others are trainers
without callbacks that send home what they measured. What is shared lies in memory without a name, so nothing remains
after any end, ``kill -9`` included.
"""

from __future__ import annotations

import logging
import select
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, cast

import cloudpickle
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import SingleDeviceStrategy, StrategyRegistry
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor
from torch.optim import Optimizer

from lit_a3c.counter import Counter
from lit_a3c.crew import Crew
from lit_a3c.errors import ConfigError
from lit_a3c.optim import parameters_of
from lit_a3c.processes import Worker, be_deaf, start_worker
from lit_a3c.rollout import Rollout
from lit_a3c.shared import Shared

MEMBER_OPTIONS = ("gradient_clip_val", "gradient_clip_algorithm", "accumulate_grad_batches")
"""Options of the user's trainer that decide what a gradient is; the trainers of the other processes have them too."""


class Hogwild(SingleDeviceStrategy):
    """Lock-free asynchronous workers on the CPU: ``--trainer.strategy hogwild --trainer.devices 16``."""

    strategy_name = "hogwild"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(device="cpu", **kwargs)
        self.parallel_devices: list[torch.device] | None = None  # Lightning fills it in from the trainer's devices
        self._shared: Shared | None = None
        self._local: list[Tensor] = []
        self._updates = Counter()
        self._taken: Counter | None = None
        self._crew: Crew | None = None
        self._home: Connection | None = None
        self._report_every = 1

    @property
    def num_processes(self) -> int:
        """All worker processes, rank zero included."""
        return len(self.parallel_devices or [0])

    @property
    def is_global_zero(self) -> bool:
        return self.global_rank == 0

    # Beginning

    def setup_environment(self) -> None:
        if self.root_device.type != "cpu" or any(device.type != "cpu" for device in self.parallel_devices or []):
            raise ConfigError("the strategy hogwild shares memory between CPU processes: --trainer.accelerator cpu.")
        super().setup_environment()

    def on_train_start(self) -> None:
        """Share what a resumed or fresh training starts from, and start the other workers."""
        module, optimizer = cast(Any, self.lightning_module), self.optimizers[0]
        if self._shared is None:
            self._shared = Shared.of(module, optimizer, self.num_processes, self._all_taken())
            # The user counts updates, whoever makes them.
            module.trainer.val_check_batch = max(1, module.trainer.val_check_batch // self.num_processes)
            self._crew = self._start_others(self._shared) if self.num_processes > 1 else None
        self._adopt(self._shared, module, optimizer)
        if self._home is not None:
            be_deaf()  # Lightning has just begun to listen to SIGTERM

    @property
    def taken(self) -> Counter:
        """Where this process counts its steps as they are taken."""
        return self._all_taken().of(self.global_rank)

    def _all_taken(self) -> Counter:
        if self._shared is not None:
            return self._shared.taken
        if self._taken is None:  # the first to ask is the collector, which is there before anything is shared
            self._taken = Counter().shared(self.num_processes)
        return self._taken

    def join(self, shared: Shared, rank: int, home: Connection, report_every: int) -> None:
        """Become one of the other workers.

        Args:
            shared: What rank zero shares.
            rank: This worker's number.
            home: Connection to rank zero.
            report_every: Updates between two reports to it.
        """
        self.global_rank, self._shared, self._home, self._report_every = rank, shared, home, report_every

    def _start_others(self, shared: Shared) -> Crew:
        trainer = cast(Any, self.lightning_module).trainer
        if trainer.datamodule is None:
            raise ConfigError("the strategy hogwild needs a RolloutData, and the trainer was given bare loaders.")
        # Bodies, heads and environments may be classes of the user's own script, which only cloudpickle takes along.
        payload = cloudpickle.dumps((self.lightning_module, self.optimizers[0], trainer.datamodule))
        options = {name: getattr(trainer, name) for name in MEMBER_OPTIONS} | {"precision": trainer.precision}
        report_every = max(1, trainer.log_every_n_steps // self.num_processes)

        def start(rank: int) -> Worker:
            worker = start_worker(rank, _work, options, shared, rank, report_every, torch.initial_seed())
            worker.send(payload)  # not an argument: if this process ends amid those, the worker's start is a traceback
            return worker

        ranks, limits = range(1, self.num_processes), trainer.datamodule
        return Crew(start, ranks, self.lightning_module, shared, limits.max_restarts, limits.worker_timeout)

    def _adopt(self, shared: Shared, module: Any, optimizer: Optimizer) -> None:
        """Let the module and the optimizer of this process stand on what is shared."""
        for p, statistics in zip(parameters_of(optimizer), shared.statistics, strict=True):
            optimizer.state[p] = statistics
        self._local = [p.data for p in parameters_of(optimizer)]
        module.step_counter = shared.steps.of(self.global_rank)
        self._updates = shared.updates.of(self.global_rank)

    # Learning

    def process_dataloader(self, dataloader: object) -> object:
        return _Synchronised(dataloader, self) if cast(Any, self.lightning_module).trainer.training else dataloader

    @torch.no_grad()
    def pull(self) -> int:
        """Copy the shared parameters into this process's own.

        Returns:
            Their version: the updates applied to them so far.
        """
        if self._shared is None:
            return 0
        version = self.version
        torch._foreach_copy_(self._local, self._shared.parameters)
        return version

    @property
    def version(self) -> int:
        """Updates applied to the shared parameters so far."""
        return self._updates.total

    @property
    def deserted(self) -> bool:
        """Whether this is a worker whose rank zero is gone; after the word to begin it sends nothing."""
        return self._home is not None and self._home.poll()

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
        self._updates.add(1)
        self._exchange()
        return result

    def _point_at(self, tensors: list[Tensor]) -> None:
        """Optimizers know parameters by identity, so it is their storage that changes."""
        for p, tensor in zip(parameters_of(self.optimizers[0]), tensors, strict=True):
            p.data = tensor

    # Reports

    def _exchange(self) -> None:
        module = cast(Any, self.lightning_module)
        if self._home is not None:
            # Rank zero may be busy with a film: then this worker goes on counting instead of waiting for it.
            if module.meter.updates >= self._report_every and select.select([], [self._home], [], 0)[1]:
                self._home.send(module.meter.take())
            return
        self.check()
        if self._crew is not None and module.finished:  # the checkpoint to come shall hold everybody's last update
            self._crew.see_out()

    def check(self) -> None:
        """Take in what the other workers report.

        Raises:
            WorkerError: One of them has failed, and no more may be replaced.
        """
        if self._crew is not None:
            self._crew.hear()

    # Evaluation, checkpoints, the end

    def on_validation_start(self) -> None:
        self.pull()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The newest parameters; after a whole validation those that it has scored, while the others learn on."""
        trainer = cast(Any, self.lightning_module).trainer
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
        self._shared, self._taken, self._updates, self._crew = None, None, Counter(), None
        super().teardown()

    def _end(self) -> None:
        if self._crew is not None:
            self._crew.end()


class _Synchronised:
    """A stream of rollouts before each of which its process takes the shared parameters."""

    def __init__(self, stream: Any, strategy: Hogwild) -> None:
        self._stream, self._strategy = stream, strategy

    def __len__(self) -> int:
        return len(self._stream)

    def __iter__(self) -> Iterator[Rollout]:
        rollouts, acted = iter(self._stream), 0
        while not self._strategy.deserted:
            version = self._strategy.pull()
            rollout = next(rollouts, None)
            if rollout is None:
                return
            # The later parts of a rollout were acted by what was pulled before the first.
            acted = version if rollout.policy_lag == 0 else acted
            yield replace(rollout, version=acted, learner_version=self._strategy.version)


def _work(home: Connection, options: dict[str, Any], shared: Shared, rank: int, report_every: int, seed: int) -> None:
    """The life of a worker other than rank zero: a training without callbacks, loggers and evaluation."""
    cast(Any, rank_zero_only).rank = rank
    warnings.simplefilter("ignore")  # rank zero has shown them
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.manual_seed(seed)
    module, optimizer, data = cloudpickle.loads(home.recv())
    module.make_optimizer = lambda _: optimizer
    module.step_counter = shared.steps.of(rank)  # from which the seeds count on
    for own, common in zip(module.buffers(), shared.buffers, strict=True):
        own.data = common
    strategy = Hogwild()
    strategy.join(shared, rank, home, report_every)
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        strategy=strategy,
        max_epochs=1,
        limit_val_batches=0,
        log_every_n_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    home.recv()  # sent when all have been started
    trainer.fit(module, data)
    if not strategy.deserted:
        home.send(module.meter.take())
        home.send(None)


StrategyRegistry.register(Hogwild.strategy_name, Hogwild, description="lock-free workers with shared parameters")
