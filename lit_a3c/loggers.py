"""The logger of a run."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger


class RunLogger(TensorBoardLogger):
    """TensorBoard events and, in the same directory, ``metrics.csv``: ``save_dir/name/version_N``.

    One logger rather than a list of two, so that ``--trainer.logger.name try1`` names the run.

    Args:
        save_dir: Where runs are kept.
        name: Name of the run.
        version: Number or name of its directory; the next free number by default.
        kwargs: Further arguments of Lightning's ``TensorBoardLogger``.
    """

    def __init__(self, save_dir: str = "runs", name: str = "default", version: int | str | None = None, **kwargs: Any):
        super().__init__(save_dir, name=name, version=version, default_hp_metric=False, **kwargs)
        self._csv: CSVLogger | None = None

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        super().log_metrics(metrics, step)
        if self._csv is None:
            self._csv = CSVLogger(
                self.save_dir or ".", name=self.name, version=self.version, flush_logs_every_n_steps=1
            )
        self._csv.log_metrics(metrics, step)

    def save(self) -> None:
        super().save()
        if self._csv is not None:
            self._csv.save()

    def finalize(self, status: str) -> None:
        super().finalize(status)
        if self._csv is not None:
            self._csv.finalize(status)
