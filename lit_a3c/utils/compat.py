"""The private hooks of Lightning's trainer and of TensorBoard that this package uses, each with its reason.

Importing this module imports none of these libraries: what has to be a class is a mixin. The other hooks are in
``compat_processes.py``, ``compat_parser.py`` and ``compat_ray.py``. ``tests/utils/test_compat.py`` has a test for each
hook. It fails by the hook's name when a new version of the library drops it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
    from lightning.pytorch.cli import LightningCLI


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
