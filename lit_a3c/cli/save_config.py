"""Where the config of a training goes: into its directory, its checkpoints and its loggers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_only

from lit_a3c.callbacks.score_table import run_directory
from lit_a3c.callbacks.validation_scores import ValidationScores
from lit_a3c.checkpoint.trust import config_of
from lit_a3c.cli.configs import SECTIONS
from lit_a3c.cli.run_directory import write_config
from lit_a3c.metrics.config import log_config, log_result
from lit_a3c.metrics.starts import record_start
from lit_a3c.module import A3C
from lit_a3c.utils import compat
from lit_a3c.utils.errors import ConfigError


class SaveConfigToCheckpoint(SaveConfigCallback):
    """Writes the config of a training into its directory, into its checkpoints and into its loggers.

    A checkpoint names no loggers of other packages: only the user says where metrics are sent. The directory also gets
    a line about each start of the training.

    Args:
        args: Those of Lightning's ``SaveConfigCallback``.
        command: The arguments of the command.
        kwargs: As ``args``.
    """

    def __init__(self, *args: Any, command: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._command = command

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if stage == "fit":
            assert isinstance(pl_module, A3C)
            pl_module.learners.check_same(_flat(yaml.safe_load(self._text)))
            super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        write_config(str(run_directory(trainer)), self._text)
        for logger in trainer.loggers:
            log_config(logger, self._text)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, A3C)
        if trainer.is_global_zero:
            record_start(run_directory(trainer), self._command, pl_module.steps, str(trainer.strategy.root_device))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["config"] = self.of_checkpoint()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._log_result(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if trainer.global_step:
            self._log_result(trainer)

    def of_checkpoint(self) -> str:
        """The config as checkpoints have it."""
        config = yaml.safe_load(self.parser.dump(self.config, skip_none=False, format="yaml"))
        loggers = config["trainer"]["logger"]
        if isinstance(loggers, list):
            config["trainer"]["logger"] = loggers[0]
        if not str(config["trainer"]["logger"]["class_path"]).startswith("lit_a3c."):
            del config["trainer"]["logger"]
        return str(yaml.safe_dump({key: config[key] for key in SECTIONS if key in config}))

    def names_more_loggers(self) -> bool:
        """Whether the training has loggers that checkpoints do not name."""
        logger = self.config.trainer.logger
        return isinstance(logger, list) or not str(logger.class_path).startswith("lit_a3c.")

    def needs_trust(self, env_id: str) -> bool:
        """Whether the config in the checkpoints names what is used with ``--trust_checkpoint`` only."""
        try:
            config_of({"config": self.of_checkpoint(), "spaces": {"env_id": env_id}}, fit=True, sections=SECTIONS)
        except ConfigError:
            return True
        return False

    @property
    def _text(self) -> str:
        return str(self.parser.dump(self.config, skip_none=False))

    @rank_zero_only
    def _log_result(self, trainer: Trainer) -> None:
        module = trainer.lightning_module
        assert isinstance(module, A3C)
        for callback in compat.callbacks_of(trainer):
            if isinstance(callback, ValidationScores):
                best = None if callback.best is None else callback.best.mean
                for logger in trainer.loggers:
                    log_result(logger, self._text, best, module.steps)


def _flat(config: Any, name: str = "") -> dict[str, str]:
    """The options of a config by their names on the command line, as text."""
    if not isinstance(config, dict):
        return {name: repr(config)}
    flat: dict[str, str] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{name}.{key}" if name else str(key))
    return flat
