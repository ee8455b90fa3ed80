"""Lightning's trainer, as tests call it."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer


def quiet(**options: Any) -> Trainer:
    """A trainer that trains until the budget is used up, on the CPU, without files and screen output."""
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return Trainer(**{"accelerator": "cpu", "max_epochs": -1, **off, **options})
