"""What Lightning has to say that a user has asked for, or must know."""

from __future__ import annotations

import logging

from lightning.pytorch import Trainer

REQUESTED = (
    "lightning.pytorch.callbacks.early_stopping",
    "lightning.pytorch.callbacks.model_summary",
    "lightning.pytorch.profilers.profiler",
)
"""Loggers that speak only where an option asks for it: ``EarlyStopping(verbose=True)``, summary, profiler."""
ENDS = "lightning.pytorch.utilities.rank_zero"
"""The logger that says why a training ended, between much else."""


def show_requested_lines() -> None:
    """Show them, although ``lightning.pytorch`` is told to be silent below warnings. A second call changes nothing."""
    for name in (*REQUESTED, ENDS):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger(ENDS).addFilter(tells_an_end)


def tells_an_end(record: logging.LogRecord) -> bool:
    """Whether a line says that ``max_steps``, ``max_epochs`` or ``max_time`` ended the training, or is a warning."""
    text = record.getMessage()
    return record.levelno > logging.INFO or "` stopped: " in text or text.endswith("Signaling Trainer to stop.")


def print_reasons(trainer: Trainer) -> None:
    """Print why ``EarlyStopping`` has ended a training. Lightning says it only with ``verbose``."""
    for callback in trainer.early_stopping_callbacks:
        if callback.stopping_reason_message and not callback.verbose:
            print(f"lit-a3c: {callback.stopping_reason_message}", flush=True)
