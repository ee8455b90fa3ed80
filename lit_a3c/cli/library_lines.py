"""What libraries may say to the user, and what they may not."""

from __future__ import annotations

import logging
import warnings

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_only

REQUESTED = (
    "lightning.pytorch.callbacks.early_stopping",
    "lightning.pytorch.callbacks.model_summary",
    "lightning.pytorch.profilers.profiler",
)
"""Loggers that speak only where an option asks for it: ``EarlyStopping(verbose=True)``, summary, profiler."""
ENDS = "lightning.pytorch.utilities.rank_zero"
"""The logger that says why a training ended, between much else."""


def silence_library_warnings() -> None:
    """Filter what libraries say of their own insides, on which no user of ours can act."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    _show_requested_lines()
    for message in (
        ".*args parameter is intended to run from within Python.*",
        ".*treespec.*",
        ".*does not have many workers.*",
        ".*Checkpoint directory.*exists and is not empty.*",
        ".*Previous log files in this directory will be deleted.*",
        ".*The dirpath has changed from.*",
        ".*your dataloader is not resumable.*",
        ".*smaller than the logging interval.*",
        ".*The environment .* is out of date.*",
        ".*settotalmass.*",
        ".*Trying to infer the `batch_size`.*",
    ):
        warnings.filterwarnings("ignore", message=message)


def _show_requested_lines() -> None:
    """Show these lines, although ``lightning.pytorch`` shall be silent below warnings. May be called twice."""
    for name in (*REQUESTED, ENDS):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger(ENDS).addFilter(tells_an_end)


def tells_an_end(record: logging.LogRecord) -> bool:
    """Whether a line says that ``max_steps``, ``max_epochs`` or ``max_time`` ended the training, or is a warning."""
    text = record.getMessage()
    return record.levelno > logging.INFO or "` stopped: " in text or text.endswith("Signaling Trainer to stop.")


@rank_zero_only
def print_reasons(trainer: Trainer) -> None:
    """Print why ``EarlyStopping`` has ended a training. Lightning says it only with ``verbose``."""
    for callback in trainer.early_stopping_callbacks:
        if callback.stopping_reason_message and not callback.verbose:
            print(f"lit-a3c: {callback.stopping_reason_message}", flush=True)
