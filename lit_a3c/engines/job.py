"""The processes of Lightning's DDP become the learners of one training."""

from __future__ import annotations

import platform
import re
import warnings
from pprint import pformat  # which sorts sets
from typing import Any

import torch
from lightning import __version__ as lightning_version
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.trainer.states import TrainerFn

from lit_a3c.engines.learner_errors import AgreedConfigError
from lit_a3c.engines.learners import Learners
from lit_a3c.metrics.logger import share_run
from lit_a3c.utils import compat_processes

TRAINER = (
    *("max_steps", "max_epochs", "accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"),
    *("precision", "log_every_n_steps", "val_check_interval", "check_val_every_n_epoch", "limit_train_batches"),
    *("limit_val_batches", "num_sanity_val_steps"),
)
"""Options of the trainer by which updates, validations and messages between the learners are counted."""


def learners_here(trainer: Trainer | None) -> int:
    """Learners of the training on this machine."""
    return trainer.num_devices if trainer is not None and isinstance(trainer.strategy, DDPStrategy) else 1


def join(trainer: Trainer, data: LightningDataModule) -> Learners:
    """Let the processes of a trainer agree on what they train, and on the directory of the run.

    All processes call it, before their networks and workers are made. Where the strategy is not DDP there is one
    learner, and nothing is sent.

    Args:
        trainer: The trainer.
        data: Its data module.

    Raises:
        AgreedConfigError: They were given different options, or there are more of them than episodes.
    """
    if not isinstance(trainer.strategy, DDPStrategy):
        return Learners()
    compat_processes.keep_own_buffers(trainer.strategy)
    compat_processes.enter_group(trainer.strategy)
    learners = Learners(trainer)
    if learners.size > 1:
        # What is logged at the end of a validation is of all learners' episodes already.
        warnings.filterwarnings("ignore", message=r".*sync_dist=True.*")
        learners.check_same(_options(trainer, data))
        _check_episodes(trainer, data, learners.size)
        share_run(trainer, trainer.strategy.broadcast)
    return learners


def _check_episodes(trainer: Trainer, data: LightningDataModule, learners: int) -> None:
    name = "test_episodes" if trainer.state.fn == TrainerFn.TESTING else "eval_episodes"
    if (episodes := getattr(data, name, learners)) < learners:
        raise AgreedConfigError(
            f"data.{name} {episodes} must be at least the number of learners, {learners}: each plays its share."
        )


def _options(trainer: Trainer, data: LightningDataModule) -> dict[str, str]:
    """The options by which learners must not differ, also where no config file has them."""
    given: dict[str, Any] = {f"trainer.{name}": getattr(trainer, name, None) for name in TRAINER}
    given |= {f"data.{name}": value for name, value in vars(data).items() if not name.startswith("_")}
    given |= {f"model.{name}": value for name, value in getattr(trainer.lightning_module, "hparams", {}).items()}
    given["num_workers"] = getattr(data, "workers", None)
    for name in ("data.trainer", "data.num_workers", "model._instantiator"):
        given.pop(name, None)
    versions = {"torch": torch.__version__, "Lightning": lightning_version, "Python": platform.python_version()}
    given |= {f"the version of {name}": version for name, version in versions.items()}
    return {name: re.sub(r" at 0x[0-9a-f]+", "", pformat(value, width=10_000)) for name, value in given.items()}
