"""The logger of a run."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from lit_a3c.utils import compat


class RunLogger(TensorBoardLogger):
    """TensorBoard events and, in the same directory, ``metrics.csv``: ``save_dir/name/version_N``.

    One logger rather than a list of two, so that ``--trainer.logger.name try1`` names the run. A resumed run that
    goes on in its directory keeps the rows from before. While a module trains, :attr:`axis` gives the step of every
    row, whoever logs it: Lightning and its callbacks would count updates.

    Args:
        save_dir: Where runs are kept.
        name: Name of the run; the command line names it after the environment.
        version: Number or name of its directory; the next free number by default.
        kwargs: Further arguments of Lightning's ``TensorBoardLogger``.
    """

    def __init__(
        self, save_dir: str = "runs", name: str | None = None, version: int | str | None = None, **kwargs: Any
    ):
        super().__init__(save_dir, name=name or "run", version=version, default_hp_metric=False, **kwargs)
        self._csv: CSVLogger | None = None
        self.axis: Callable[[], int | None] | None = None
        """Gives the steps of the module that is in training; None at other times."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        if self.axis is not None and (now := self.axis()) is not None:
            step = now
        super().log_metrics(metrics, step)
        if self._csv is None:
            self._csv = self._open_csv(step or 0)
        self._csv.log_metrics(metrics, step)

    def save(self) -> None:
        super().save()
        if self._csv is not None:
            self._csv.save()

    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._csv is not None:
            self._csv.finalize(status)

    def _open_csv(self, first_step: int) -> CSVLogger:
        """The writer, with the rows that an earlier part of this run left; rows past its checkpoint are dropped."""
        file = Path(self.log_dir) / "metrics.csv"
        rows: list[dict[str, Any]] = []
        if file.exists():
            with file.open(newline="") as lines:
                rows = [{k: v for k, v in row.items() if v} for row in csv.DictReader(lines)]
        logger = CSVLogger(self.save_dir or ".", name=self.name, version=self.version, flush_logs_every_n_steps=1)
        compat.restore_rows(logger, [row for row in rows if int(row["step"]) < first_step])
        return logger
