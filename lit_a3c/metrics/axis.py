"""One axis for every logger: the steps of the module that is in training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lightning.pytorch.loggers import Logger

from lit_a3c.metrics.logger import RunLogger

Axis = Callable[[], int | None]
"""Gives the steps of the module that is in training; None at other times."""


def put_on_axis(loggers: Iterable[Logger], axis: Axis) -> None:
    """Let every row of these loggers stand at the steps of a training, whoever logs it.

    Lightning and its callbacks count updates of this process.

    Args:
        loggers: They may have been put on another axis before.
        axis: Gives the step of the present row.
    """
    for logger in loggers:
        if isinstance(logger, RunLogger):
            logger.axis = axis
        else:
            given = logger.log_metrics
            inner = given.log_metrics if isinstance(given, _LogAtStep) else given
            logger.log_metrics = _LogAtStep(inner, axis)  # type: ignore[method-assign]


class _LogAtStep:
    """Stands in for the method ``log_metrics`` of a logger that is not ours.

    Args:
        log_metrics: The method.
        axis: Gives the step of the present row. Where it gives None, the caller's step is kept.
    """

    def __init__(self, log_metrics: Callable[..., Any], axis: Axis) -> None:
        self.log_metrics, self._axis = log_metrics, axis

    def __call__(self, metrics: Mapping[str, Any], step: int | None = None, **options: Any) -> Any:
        now = self._axis()
        return self.log_metrics(metrics, step=step if now is None else now, **options)
