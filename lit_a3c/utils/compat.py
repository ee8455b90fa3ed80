"""Every private hook of a library or of Python that this package uses, each with its reason.

Importing this module imports none of these libraries: what has to be a class is a mixin. ``tests/utils/test_compat.py``
has a test for each hook, which fails by the hook's name when a new version of the library drops it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import multiprocessing
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
    from lightning.pytorch.cli import LightningCLI
    from lightning.pytorch.strategies import Strategy


class WithEventWriter:
    """Mixin for torch's ``SummaryWriter``: overrides ``_get_file_writer``, so that events go to ``event_writer``.

    torch has no option for it, and its ``FileWriter`` always makes TensorBoard's own event writer.
    """

    event_writer: Any
    file_writer: Any = None
    all_writers: Any = None
    purge_step: int | None = None

    def _get_file_writer(self) -> Any:
        if self.file_writer is None:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from torch.utils.tensorboard import FileWriter

            self.file_writer = FileWriter.__new__(FileWriter)
            self.file_writer.event_writer = self.event_writer
            self.all_writers = {self.event_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                start = SessionLog(status=SessionLog.START)
                self.file_writer.add_event(Event(session_log=start), self.purge_step)
                self.purge_step = None
        return self.file_writer


def add_encoded_image(writer: Any, tag: str, encoded: bytes, width: int, height: int, step: int) -> None:
    """Give a ``SummaryWriter`` an image as a file has it (``_get_file_writer``). Its ``add_video`` needs moviepy."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=encoded)
    writer._get_file_writer().add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)


class CheckpointConfigFirst:
    """Mixin for Lightning's ``LightningCLI``: overrides ``_parse_ckpt_path``.

    Lightning lets the hyperparameters of a checkpoint override the command line. Here the config in the checkpoint is
    read first, and the command line overrides it.
    """

    def _parse_ckpt_path(self) -> None:
        pass


def callback_sections(cli: LightningCLI) -> list[str]:
    """The sections of a command whose callbacks Lightning adds to the trainer (``_parser``, ``callback_keys``).

    A section that is removed from this list adds no callback. Lightning has no public way to leave one out.
    """
    sections: list[str] = cli._parser(cli.subcommand).callback_keys
    return sections


def batches_started(trainer: Trainer) -> int:
    """Batches of the present epoch that Lightning has started, those before a resumption included.

    Lightning compares the length of a loader with this count (``batch_progress.current.ready``), and has no public name
    for it.
    """
    return int(trainer.fit_loop.epoch_loop.batch_progress.current.ready)


def validation_interval(trainer: Trainer) -> tuple[int, int] | None:
    """The batches that Lightning has counted, and the interval of them after which it validates; None without one.

    It compares its counts (``batch_progress``) with ``val_check_batch``, and has no public name for them.
    """
    interval = trainer.val_check_batch
    if not isinstance(interval, int) or interval < 1:
        return None
    progress = trainer.fit_loop.epoch_loop.batch_progress
    return (progress.total if trainer.check_val_every_n_epoch is None else progress.current).ready, interval


def skip_batches(trainer: Trainer, batches: int) -> None:
    """Let Lightning count so many batches, whole updates of them, without a batch.

    It has no public way to change its counts (``batch_progress``, ``optim_progress``, ``_batches_that_stepped``).
    """
    loop = trainer.fit_loop.epoch_loop
    updates = batches // trainer.accumulate_grad_batches
    optimizer = loop.automatic_optimization.optim_progress.optimizer.step
    for progress, number in ((loop.batch_progress, batches), (optimizer, updates)):
        for counts in (progress.total, progress.current):
            for name in vars(counts):  # ready, completed and what lies between
                setattr(counts, name, getattr(counts, name) + number)
    loop._batches_that_stepped += updates


def leave_group(strategy: Strategy) -> None:
    """Let what Lightning does at the end of a training wait for no other process.

    ``Trainer.save_checkpoint`` has a barrier at its end, ``trainer.log_dir`` a broadcast, and ``ModelCheckpoint`` a
    common decision. Lightning has no way to do them without the processes that may be gone.
    """
    alone: dict[str, Callable[..., Any]] = {
        "barrier": lambda *args, **kwargs: None,
        "broadcast": lambda obj, *args, **kwargs: obj,
        "reduce_boolean_decision": lambda decision, *args, **kwargs: decision,
    }
    for name, method in alone.items():
        setattr(strategy, name, method)


def enter_group(strategy: Strategy) -> None:
    """Undo :func:`leave_group`, where a trainer is used again."""
    for name in ("barrier", "broadcast", "reduce_boolean_decision"):
        vars(strategy).pop(name, None)


def keep_own_buffers(strategy: Strategy) -> None:
    """Let DDP not send the buffers of rank 0 before each forward pass (``_ddp_kwargs``), unless that was asked for.

    Lightning takes the option only where it makes the strategy, and the user writes ``strategy="ddp"``.
    """
    options = getattr(strategy, "_ddp_kwargs", {})
    if "broadcast_buffers" not in options:  # the older name
        options.setdefault("forward_sync_buffers", False)


def start_method_of(strategy: Strategy) -> str | None:
    """How DDP starts its processes (``_start_method``): ``popen`` runs the same command again."""
    return getattr(strategy, "_start_method", None)


def launches_processes(trainer: Trainer) -> bool:
    """Whether Lightning starts the further processes of this machine (``cluster_environment``), and nobody else."""
    environment = getattr(trainer.strategy, "cluster_environment", None)
    return environment is not None and not environment.creates_processes_externally


def check_cluster(trainer: Trainer) -> None:
    """Compare the trainer's devices with the processes that others have started (``cluster_environment``).

    Raises:
        ValueError: They are of another number. Lightning would say so only after the training has a directory.
    """
    environment = getattr(trainer.strategy, "cluster_environment", None)
    if environment is not None:
        environment.validate_settings(num_devices=trainer.num_devices, num_nodes=trainer.num_nodes)


def main_address(trainer: Trainer) -> str:
    """Where the processes of a job meet (``cluster_environment``): address and port."""
    environment: Any = getattr(trainer.strategy, "cluster_environment", None)
    return f"{environment.main_address}:{environment.main_port}"


def launched_processes(trainer: Trainer) -> list[subprocess.Popen]:
    """The processes that Lightning has started on this machine (``launcher.procs``). There is no public list."""
    return list(getattr(trainer.strategy.launcher, "procs", []))


def stop_child_observer() -> None:
    """Let no thread of Lightning kill this process, unsaved, where one that it has started has failed.

    Lightning has no option for it (``_ChildProcessObserver._child_processes``). Without processes to look at it ends.
    """
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            thread._child_processes = []  # type: ignore[attr-defined]


def take_signals(trainer: Trainer, ask: Callable[[int, Any], None]) -> Callable[[int], None]:
    """Let Lightning's own handlers do nothing, or call ``ask`` where Slurm is about to end the job.

    They would send a message (``_sigterm_notifier_fn``) or save (``_slurm_sigusr_handler_fn``) inside the handler, in
    the middle of an update. Other processes are elsewhere then, and the messages mean something else to them.

    Returns:
        What Lightning does for Slurm's signal: it saves, and asks for another turn. It does nothing for other signals.
    """
    connector: Any = trainer._signal_connector
    requeue = connector._slurm_sigusr_handler_fn
    connector._sigterm_notifier_fn = lambda signum, frame: None
    connector._slurm_sigusr_handler_fn = ask
    slurm = getattr(trainer.strategy, "cluster_environment", None)

    def answer(signum: int) -> None:
        if getattr(slurm, "auto_requeue", False) and signum == getattr(slurm, "requeue_signal", None):
            requeue(signum, None)

    return answer


def set_rank(rank: int) -> None:
    """Make Lightning's ``rank_zero_only`` functions silent in a process that Lightning has not started itself."""
    from lightning.pytorch.utilities import rank_zero_only

    setattr(rank_zero_only, "rank", rank)  # noqa: B010 - the attribute of a function, which mypy does not know


def rank() -> int:
    """The rank by which Lightning's ``rank_zero_only`` functions decide. The attribute is not declared."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0))


def datamodule_of(trainer: Trainer) -> LightningDataModule | None:
    """The data module of a trainer. The attribute is documented, but is not declared on the class."""
    return getattr(trainer, "datamodule", None)


def trainer_of(module: LightningModule) -> Trainer | None:
    """The trainer of a module (``_trainer``), or None. The public property raises an error where there is none."""
    return module._trainer


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """The callbacks of a trainer. The attribute is documented, but is not declared on the class."""
    return list(getattr(trainer, "callbacks", []))


def log_interval(trainer: Trainer) -> int:
    """``Trainer(log_every_n_steps=...)``, which is not declared on the class."""
    return int(getattr(trainer, "log_every_n_steps", 0))


def overfit_batches(trainer: Trainer) -> int | float:
    """``Trainer(overfit_batches=...)``, which is not declared on the class."""
    return getattr(trainer, "overfit_batches", 0)


def reload_interval(trainer: Trainer) -> int:
    """``Trainer(reload_dataloaders_every_n_epochs=...)``, which is not declared on the class."""
    return int(getattr(trainer, "reload_dataloaders_every_n_epochs", 0))


def detects_anomaly(trainer: Trainer) -> bool:
    """``Trainer(detect_anomaly=...)``, which Lightning keeps as ``_detect_anomaly`` and gives no public name."""
    return trainer._detect_anomaly


def is_fast_dev_run(trainer: Trainer) -> bool:
    """``Trainer(fast_dev_run=...)``, which is not declared on the class."""
    return bool(getattr(trainer, "fast_dev_run", False))


def raised_while_restoring(error: BaseException) -> bool:
    """Whether Lightning's checkpoint connector (``_CheckpointConnector.restore...``) was reading a checkpoint.

    Lightning takes the state of its loops, of callbacks and of the optimizer as it is. What is wrong there raises
    almost any exception, which says nothing about the checkpoint.
    """
    traceback = error.__traceback__
    while traceback is not None:
        code, module = traceback.tb_frame.f_code, traceback.tb_frame.f_globals.get("__name__", "")
        if module.endswith("checkpoint_connector") and code.co_name.startswith(("restore", "_restore", "resume")):
            return True
        traceback = traceback.tb_next
    return False


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The actions of an ``argparse`` parser, those of jsonargparse included (``_actions``). There is no public list."""
    yield from parser._actions


def type_hint_of(action: argparse.Action) -> Any:
    """The annotation of an option of jsonargparse (``_typehint``), or the type of one of ``argparse``."""
    return getattr(action, "_typehint", action.type)


class AcceptedClasses(NamedTuple):
    """What an option takes whose value is a class of a config."""

    types: tuple[type, ...]
    """The classes in its annotation, returned ones included."""
    subclasses: dict[str, type]
    """Those of their subclasses that can be named, by import path."""


def accepted_classes(action: argparse.Action | None) -> AcceptedClasses:
    """The classes that an option takes (``_typehint``, ``get_class_types``, ``get_all_subclass_paths``).

    jsonargparse lists them in the help of the option, and has no public function for it.
    """
    from jsonargparse import _typehints, _util

    typehint = None if action is None else type_hint_of(action)
    if typehint is None:
        return AcceptedClasses((), {})
    types = _typehints.get_class_types(typehint)
    paths = _typehints.get_all_subclass_paths(typehint, closed_types=False)
    subclasses = {}
    for path in paths:
        with contextlib.suppress(AttributeError):  # Lightning makes subclasses of optimizers that no module has
            subclasses[path] = _util.import_object(path)
    return AcceptedClasses(types, {path: cls for path, cls in subclasses.items() if cls not in types})


def import_object(path: str) -> Any:
    """A class or function by its import path, as the command line imports it (``_util.import_object``)."""
    from jsonargparse import _util

    return _util.import_object(path)


def plain_factory(factory: Any) -> Any:
    """A factory that the command line has made, as a ``functools.partial`` of its class; any other one as it is.

    jsonargparse's own calls ``call_without_instantiate_context(instantiator, class, ...)``. The instantiator holds the
    parser, which cannot be sent to another process.
    """
    if isinstance(factory, functools.partial) and factory.func.__module__.startswith("jsonargparse"):
        _, cls = factory.args
        return functools.partial(cls, **factory.keywords)
    return factory


def imports_main_script() -> bool:
    """Whether this is a worker process that is importing the user's script (``current_process()._inheriting``).

    ``multiprocessing`` refuses to start processes there, with an exception of its own and no way to ask before.
    """
    return bool(getattr(multiprocessing.current_process(), "_inheriting", False))


def fork_server_socket() -> Path | None:
    """Inside the fork server: its socket (``_forkserver_address``), which it shall remove where the learner was killed.

    ``multiprocessing`` leaves the socket and its directory to the learner.
    """
    from multiprocessing import forkserver

    address = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_address", None)
    return Path(address) if isinstance(address, str) else None
