"""What contradicts itself, what Lightning takes without a message, and what the engine makes of the trainer."""

from __future__ import annotations

import math
import re
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator
from lightning.pytorch.callbacks import Timer

from lit_a3c.cli.several_learners import STRATEGIES, check_learners, check_one_process
from lit_a3c.engines.hogwild.strategy import Hogwild
from lit_a3c.engines.processes import default_workers
from lit_a3c.engines.ray_pool.options import RayOptions, check_workers
from lit_a3c.engines.trainer_check import check_lone_rollouts, check_precision
from lit_a3c.policy_module import SCORES
from lit_a3c.utils import compat
from lit_a3c.utils.errors import ConfigError, check_choice, check_number
from lit_a3c.utils.machine import check_socket_directory

ACCELERATORS = {
    "auto": lambda: True,
    "cpu": lambda: True,
    "gpu": lambda: CUDAAccelerator.is_available() or MPSAccelerator.is_available(),
    "cuda": CUDAAccelerator.is_available,
    "mps": MPSAccelerator.is_available,
}
"""Values of ``trainer.accelerator``, each with whether this machine has one."""
PLAYED = {"validate": "limit_val_batches", "test": "limit_test_batches", "predict": "limit_predict_batches"}
"""The option that limits the episodes of a command."""


def check_options(config: Any, command: str) -> None:
    """Refuse options that cannot work together or by themselves.

    Args:
        config: A command's whole configuration.
        command: Its name. Commands other than ``fit`` use no engine.

    Raises:
        ConfigError: Such an option is given.
    """
    fit = command == "fit"
    if not fit and config.trainer[PLAYED[command]] == 0:
        raise ConfigError(f"trainer.{PLAYED[command]} 0 plays nothing.")
    if not isinstance(config.seed_everything, bool):
        check_number("seed_everything", config.seed_everything, low=0, high=2**32 - 1, whole=True)
    check_number("trainer.log_every_n_steps", config.trainer.log_every_n_steps or 0, low=0, whole=True)
    check_number("trainer.gradient_clip_val", config.trainer.gradient_clip_val or 0, low=0)
    check_number("trainer.accumulate_grad_batches", config.trainer.accumulate_grad_batches, low=1, whole=True)
    if config.trainer.num_sanity_val_steps is not None:
        check_number("trainer.num_sanity_val_steps", config.trainer.num_sanity_val_steps, low=-1, whole=True)
    if isinstance(config.trainer.val_check_interval, int | float):
        check_number("trainer.val_check_interval", config.trainer.val_check_interval, above=0)
        each = config.trainer.check_val_every_n_epoch
        if fit and each is not None and isinstance(config.trainer.val_check_interval, int):
            raise ConfigError(
                f"trainer.check_val_every_n_epoch {each} must be null: with it, trainer.val_check_interval would begin "
                "anew with each epoch, and a training has one."
            )
    if fit:
        _check_amount(config.trainer)
        _check_best_checkpoint(config.best_checkpoint)
    check_workers(config.num_workers, config.engine)
    RayOptions(**config.ray).check(config.engine)
    if fit and config.engine != "serial":
        check_socket_directory()
    if fit and config.engine == Hogwild.strategy_name:
        _check_hogwild(config)
    elif fit:
        _check_one_learner(config)
    check_precision(config.trainer.precision)
    if isinstance(accelerator := config.trainer.accelerator, str):
        check_choice("trainer.accelerator", accelerator, ACCELERATORS)
        if not ACCELERATORS[accelerator]():
            raise ConfigError(f"trainer.accelerator {accelerator!r}: this machine has none that torch can use.")


def _check_amount(trainer: Any) -> None:
    """Refuse what trains nothing or not what it says. Lightning's own messages about it are silenced.

    Args:
        trainer: Options of the trainer.
    """
    for name in ("limit_train_batches", "max_steps", "max_epochs"):
        if trainer[name] == 0:
            raise ConfigError(f"trainer.{name} 0 trains nothing. {_BUDGET}")
    interval = trainer.val_check_interval
    if interval is not None and not isinstance(interval, int | float) and _seconds(interval) <= 0:
        raise ConfigError(f"trainer.val_check_interval {str(interval)!r} must be more than no time.")
    if trainer.max_time is not None and _seconds(trainer.max_time) <= 0:
        raise ConfigError(f"trainer.max_time {str(trainer.max_time)!r} trains nothing. {_BUDGET}")
    if trainer.overfit_batches:
        raise ConfigError(
            f"trainer.overfit_batches {trainer.overfit_batches} cannot be used: no rollout is learned from again. "
            "For a short try use --data.total_steps 1000."
        )
    if trainer.fast_dev_run:
        raise ConfigError(
            f"trainer.fast_dev_run {trainer.fast_dev_run} cannot be used: it counts batches of one process, and here "
            "the budget is in steps. For a short try use --data.total_steps 1000."
        )


def _check_best_checkpoint(options: Any) -> None:
    """Refuse to keep several checkpoints in one file.

    Args:
        options: Those of ``ModelCheckpoint``.
    """
    one_name = options.filename is not None and "{" not in options.filename
    if one_name and not options.enable_version_counter and options.save_top_k not in (0, 1):
        raise ConfigError(
            f"best_checkpoint.save_top_k {options.save_top_k} needs names that differ, and best_checkpoint.filename is "
            f"{options.filename!r}. Use for example --best_checkpoint.filename '{{step}}'."
        )


def check_monitors(trainer: Trainer) -> None:
    """Refuse a callback that waits for a metric which nobody logs. Lightning would do so at the first validation.

    Raises:
        ConfigError: With the metrics of a validation and the nearest.
    """
    callbacks = compat.callbacks_of(trainer)
    if not all(type(callback).__module__.startswith(("lightning.", "lit_a3c.")) for callback in callbacks):
        return  # a callback of the user's own may log any metric
    known = [f"val/{name}" for name in SCORES]
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor not in (*known, "step", "epoch") and not monitor.startswith("train/"):
            check_choice(f"the monitor of {type(callback).__name__}", monitor, known)


_BUDGET = "The length of a training is --data.total_steps."


def _seconds(max_time: Any) -> float:
    """Seconds of a ``trainer.max_time`` or the like; infinity where Lightning will refuse its form."""
    try:
        return Timer(max_time).time_remaining() or 0.0
    except (TypeError, ValueError, MisconfigurationException):
        return math.inf


def trainer_options(config: Any, *, fit: bool) -> dict[str, Any]:
    """What the engine decides of the trainer, as arguments of ``Trainer``.

    Args:
        config: A command's whole configuration, checked.
        fit: Whether the command trains. Other commands need one process.
    """
    if not fit:
        return {"strategy": "auto", "devices": 1, "num_nodes": 1}
    if config.engine != Hogwild.strategy_name:
        several = _strategy_name(config.trainer.strategy) in STRATEGIES
        return {"devices": 1} if config.trainer.devices == "auto" and not several else {}  # else all GPUs
    workers = default_workers() if config.num_workers == "auto" else config.num_workers
    return {"strategy": Hogwild.strategy_name, "devices": workers, "accelerator": "cpu"}


def _check_one_learner(config: Any) -> None:
    strategy = config.trainer.strategy
    if _strategy_name(strategy) == Hogwild.strategy_name:
        raise ConfigError(
            f"trainer.strategy 'hogwild' contradicts engine {config.engine!r}. Use --engine hogwild alone."
        )
    if _strategy_name(strategy) in STRATEGIES:
        check_learners(config.trainer)
        return
    if isinstance(strategy, str) and strategy not in ("auto", "single_device"):
        raise ConfigError(
            f"trainer.strategy {strategy!r} must be auto, or ddp for several learners. "
            "Use --num_workers for more actors, or --engine hogwild for learners without locks."
        )
    for name in ("devices", "num_nodes"):
        if not re.fullmatch(r"1|auto|\[\d+\]", str(config.trainer[name])):
            raise ConfigError(
                f"trainer.{name} {config.trainer[name]!r} must be 1: with engine {config.engine!r} one process learns. "
                "Use --num_workers for more actors, or --trainer.strategy ddp for several learners."
            )
    check_one_process()


def _check_hogwild(config: Any) -> None:
    strategy, devices = _strategy_name(config.trainer.strategy), str(config.trainer.devices)
    if strategy not in ("auto", Hogwild.strategy_name):
        raise ConfigError(
            f"trainer.strategy {config.trainer.strategy!r} contradicts engine 'hogwild', which is a strategy itself. "
            "Use --engine async for one learner, or for several ones with --trainer.strategy ddp."
        )
    if devices not in ("auto", str(config.num_workers)):
        raise ConfigError(
            f"trainer.devices {devices} contradicts num_workers {config.num_workers!r}. The workers of hogwild are "
            "--num_workers."
        )
    check_number("trainer.num_nodes", config.trainer.num_nodes, low=1, whole=True)
    if config.trainer.accelerator not in ("cpu", "auto"):
        raise ConfigError(
            f"trainer.accelerator {config.trainer.accelerator!r} must be cpu: hogwild shares its memory. "
            "One learner may have a GPU: --engine async."
        )
    check_lone_rollouts(config.data.rollouts_per_update)


def _strategy_name(strategy: Any) -> str:
    """The name of a ``trainer.strategy`` that is given by name or by class path."""
    return str(strategy.get("class_path", "") if hasattr(strategy, "get") else strategy).split(".")[-1].lower()
