"""What Lightning takes without a word, or refuses with a traceback, and cannot work here."""

from __future__ import annotations

import re
from typing import Any

from lightning.pytorch.strategies import StrategyRegistry

from lit_a3c.errors import ConfigError, check_number, did_you_mean
from lit_a3c.processes import default_workers
from lit_a3c.strategies import Hogwild


def check_trainer_options(config: Any) -> None:
    """Refuse such options, and fill in the number of processes.

    Args:
        config: A command's whole configuration.

    Raises:
        ConfigError: One of them is given.
    """
    if not isinstance(config.seed_everything, bool):
        check_number("seed_everything", config.seed_everything, low=0, high=2**32 - 1, whole=True)
    check_number("trainer.log_every_n_steps", config.trainer.log_every_n_steps or 0, low=0, whole=True)
    check_number("trainer.gradient_clip_val", config.trainer.gradient_clip_val or 0, low=0)
    if isinstance(config.trainer.val_check_interval, int | float):
        check_number("trainer.val_check_interval", config.trainer.val_check_interval, above=0)
    if _is_hogwild(config.trainer.strategy):
        _check_hogwild(config)
        return
    known = ["auto", *StrategyRegistry.available_strategies()]
    if isinstance(strategy := config.trainer.strategy, str) and strategy not in known:
        raise ConfigError(
            f"trainer.strategy {strategy!r} must be auto, {Hogwild.strategy_name} or one of Lightning's."
            f"{did_you_mean(strategy, known)}"
        )
    for name in ("devices", "num_nodes"):
        if not re.fullmatch(r"1|auto|\[\d+\]", str(config.trainer[name])):
            raise ConfigError(
                f"trainer.{name} {config.trainer[name]!r} must be 1: one process learns. "
                "Use --data.num_workers for more actors, or --trainer.strategy hogwild for more learners."
            )
    if config.trainer.devices == "auto":  # Lightning would take all GPUs
        config.trainer.devices = 1


def _is_hogwild(strategy: Any) -> bool:
    """Whether a recipe's ``trainer.strategy`` is :class:`Hogwild`, by name or by class path."""
    return str(strategy.get("class_path", "") if hasattr(strategy, "get") else strategy).split(".")[-1].lower() == (
        Hogwild.strategy_name
    )


def _check_hogwild(config: Any) -> None:
    if isinstance(config.trainer.strategy, str):  # a class path, if not the name
        config.trainer.strategy = Hogwild.strategy_name
    if config.trainer.devices == "auto":
        config.trainer.devices = default_workers()
    devices = str(config.trainer.devices)  # Lightning's own type lets text come first
    number: Any = int(devices) if devices.isdecimal() else devices
    check_number("trainer.devices", number, low=1, high=1024, whole=True)
    if config.trainer.num_nodes != 1:
        raise ConfigError(f"trainer.num_nodes {config.trainer.num_nodes!r} must be 1: hogwild shares memory.")
    if config.trainer.accelerator == "auto":  # Lightning would take a GPU
        config.trainer.accelerator = "cpu"
    if config.trainer.accelerator != "cpu":
        raise ConfigError(
            f"trainer.accelerator {config.trainer.accelerator!r} must be cpu: hogwild shares its memory. "
            "One learner may have a GPU: --trainer.strategy auto."
        )
    if config.data.mode is not None:
        raise ConfigError(
            f"data.mode {config.data.mode!r} is not for the strategy hogwild, whose processes all collect for "
            "themselves. Pass --trainer.strategy auto with it, or --data.mode null."
        )
    if config.data.num_workers is not None:
        raise ConfigError(
            f"data.num_workers {config.data.num_workers} is for the modes async, sync and serial. "
            "The workers of hogwild are --trainer.devices."
        )
