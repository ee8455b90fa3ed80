"""The logger of a run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from lightning.pytorch.utilities import rank_zero_only

from lit_a3c.metrics.run_lock import RunLock, holds_run, take_version
from lit_a3c.metrics.table import MetricsTable
from lit_a3c.utils import compat_processes
from lit_a3c.utils.disk import Outage, say
from lit_a3c.utils.errors import ConfigError

if TYPE_CHECKING:
    from lit_a3c.metrics.events import EventFile, RunSummaryWriter

WRITER_OPTIONS = ("comment", "purge_step", "max_queue", "flush_secs", "filename_suffix")
"""Further arguments that are those of torch's ``SummaryWriter``."""
RETURNS = {"train/return": "return/train", "val/return_mean": "return/val"}
"""Metrics that TensorBoard shows a second time. It sorts groups by their names, and opens the first two of them."""
AXES = "time/"
"""Group of the further axes. ``metrics.csv`` has them without it, beside ``step``."""


def _no_axis() -> None:
    """The axis of a logger that serves no training. A function with a name, so that the logger can be pickled."""
    return


class RunLogger(TensorBoardLogger):
    """TensorBoard events and, in the same directory, ``metrics.csv``: ``save_dir/name/version_N``.

    One logger rather than a list of two, so that ``--trainer.logger.name try1`` names the run. A resumed run that
    goes on in its directory keeps the rows from before. While a module trains, :attr:`axis` gives the step of every
    row, whoever logs it: Lightning and its callbacks would count updates. TensorBoard opens on the group ``return``.

    A disk that is full or read-only does not end the training. What cannot be written waits in memory, and is written
    once there is room. The directory belongs to one training: a new one is taken by making it, and from the first use
    of :attr:`experiment` to :meth:`finalize` it is locked.

    Args:
        save_dir: Where runs are kept, on a local or mounted file system.
        name: Name of the run; the command line names it after the environment.
        version: Number or name of its directory; the next free number by default.
        kwargs: Further arguments of Lightning's ``TensorBoardLogger``.

    Raises:
        ConfigError: ``save_dir`` is a URL.
    """

    def __init__(
        self, save_dir: str = "runs", name: str | None = None, version: int | str | None = None, **kwargs: Any
    ):
        if "://" in str(save_dir):
            raise ConfigError(f"save_dir {str(save_dir)!r} is a URL. RunLogger writes to a local directory.")
        save_dir = os.path.expanduser(os.path.expandvars(save_dir))  # noqa: PTH111 - Path raises an error of its own
        super().__init__(save_dir, name=name or "run", version=version, default_hp_metric=False, **kwargs)
        self._given_version = version
        self._writer_options = {key: value for key, value in kwargs.items() if key in WRITER_OPTIONS}
        self._lock: RunLock | None = None
        self._found_run: bool | None = None  # whether the directory held a run when this logger first locked it
        self._resumed = False
        self._events: EventFile | None = None
        self._writer: RunSummaryWriter | None = None
        self._table: MetricsTable | None = None
        self._outage: Outage | None = None
        self.axis: Callable[[], int | None] | None = None
        """Gives the steps of the module that is in training; None at other times."""

    @property
    def version(self) -> int | str:
        """The number or name of the directory. A number that was not given is taken by making the directory."""
        if self._given_version is None:
            if compat_processes.rank() != 0:
                return super().version
            self._given_version = take_version(Path(self.root_dir))
        return self._given_version

    @property
    def run_directory(self) -> Path:
        """The directory of the run: :attr:`log_dir` without ``sub_dir``."""
        version = self.version
        return Path(self.root_dir, version if isinstance(version, str) else f"version_{version}")

    def follow(self, version: int | str) -> None:
        """Name the directory that another process has taken, which alone writes to it."""
        self._given_version = version

    @rank_zero_only
    def start(self, checkpoint: str | Path | None) -> None:
        """Take the directory for a training, before anything is written.

        Args:
            checkpoint: What the training goes on from; None starts a new one.

        Raises:
            ConfigError: Another process trains there, or the directory holds another run.
        """
        run = self.run_directory
        self._take()
        within = checkpoint is not None and Path(checkpoint).resolve().is_relative_to(run.resolve())
        if self._found_run and not within:
            self._release()
            raise ConfigError(
                f"{str(run)!r} holds a run already, which would be overwritten. Go on with it by --ckpt_path {run}, "
                "or choose another --trainer.logger.name or version."
            )
        self._found_run, self._resumed = False, self._resumed or within

    @property
    def experiment(self) -> Any:
        """The ``SummaryWriter`` of torch, on the process of rank zero."""
        if compat_processes.rank() != 0:
            return super().experiment  # Lightning's, which takes everything and writes nothing
        self._take()
        if self._writer is None:
            from lit_a3c.metrics.events import EventFile, RunSummaryWriter  # imports TensorBoard

            suffix = self._writer_options.get("filename_suffix", "")
            self._events = EventFile(Path(self.log_dir), suffix, self._disk)
            self._writer = RunSummaryWriter(self._events, **self._writer_options)
        return self._writer

    @rank_zero_only
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Write a row. It is in both files afterwards, or waits in memory."""
        if self.axis is not None and (now := self.axis()) is not None:
            step = now
        _ = self.experiment
        assert self._events is not None
        returns = {copy: metrics[name] for name, copy in RETURNS.items() if name in metrics}
        with self._events.together():
            super().log_metrics({**returns, **metrics}, step)
        if self._table is None:
            first_step = (step or 0) if self._resumed else None
            self._table = MetricsTable(self.run_directory / "metrics.csv", first_step, self._disk)
        self._table.add({name.removeprefix(AXES): value for name, value in metrics.items()}, step or 0)
        self._tell()

    @rank_zero_only
    def save(self) -> None:
        """Write what waits, and ``hparams.yaml``."""
        file = Path(self.log_dir, self.NAME_HPARAMS_FILE)
        there = file.exists()
        try:
            super().save()
        except OSError as error:
            self._disk.begin(error)
            with contextlib.suppress(OSError):
                if not there:  # a part of it
                    file.unlink(missing_ok=True)
            return
        if self._table is not None:
            self._table.flush()
        self._tell()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what waits, say what is lost, and let others take the directory."""
        super().finalize(status)
        if self._writer is not None:
            self._writer.close()
        if self._table is not None:
            self._table.flush()
            self._tell()
            if self._table.waiting:
                say(f"{self._table.waiting} rows of the metrics could not be written before the end, and are lost.")
        self._release()

    @property
    def _disk(self) -> Outage:
        if self._outage is None:
            kept = "The training goes on, and they are kept until there is room."
            self._outage = Outage(f"the metrics in {str(self.run_directory)!r}", kept)
        return self._outage

    def _tell(self) -> None:
        """Say when everything has been written that could not be before."""
        table, events = self._table, self._events
        if self._disk.error is None or (table and table.waiting) or (events and events.waiting):
            return
        lost = table.lost if table else 0
        self._disk.end(f"{lost} rows are lost." if lost else "No row is lost.")

    def _take(self) -> None:
        if self._lock is None:
            self._lock = RunLock(self.run_directory)
            if self._found_run is None:
                self._found_run = holds_run(self.run_directory)

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __getstate__(self) -> dict[str, Any]:
        """For another process, which neither holds the lock nor writes."""
        own = dict.fromkeys(("_lock", "_events", "_writer", "_table", "_outage"))
        return {**super().__getstate__(), **own}


class SilentRunLogger(RunLogger):
    """The directory of a run without logs, for ``--trainer.logger false``: config, checkpoints and videos need one."""

    @property
    def experiment(self) -> Any:
        """Takes everything, and writes nothing."""
        return DummyLogger().experiment

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Do nothing."""

    def save(self) -> None:
        """Do nothing."""


def start_run(trainer: Trainer, checkpoint: str | Path | None) -> None:
    """Take the directories of a trainer's loggers for a training, see :meth:`RunLogger.start`."""
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            logger.start(checkpoint)


def share_run(trainer: Trainer, broadcast: Callable[[Any], Any]) -> None:
    """Let all processes of a job name the directories that rank 0 has taken. All of them must call it.

    Args:
        trainer: That of this process.
        broadcast: Gives every process the value of rank 0.
    """
    for logger in trainer.loggers:
        if isinstance(logger, RunLogger):
            version = broadcast(logger.version if compat_processes.rank() == 0 else None)
            logger.follow(version)
