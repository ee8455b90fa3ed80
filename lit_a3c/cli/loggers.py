"""The loggers of a training: their packages, their names, and which of them has the directory of the run."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import (
    CometLogger,
    CSVLogger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from lit_a3c.checkpoint.find import RUNS
from lit_a3c.cli.run_directory import continue_run, name_run, run_name
from lit_a3c.metrics.logger import RunLogger, SilentRunLogger
from lit_a3c.metrics.run_lock import RunLock, holds_run
from lit_a3c.utils import compat_parser
from lit_a3c.utils.errors import ConfigError

LOCAL = (TensorBoardLogger, CSVLogger)
"""Loggers that make a directory for each run, in which Lightning keeps the checkpoints. ``RunLogger`` is one."""
PACKAGES: dict[type, tuple[str, str]] = {
    WandbLogger: ("wandb", "'lit-a3c[wandb]'"),
    MLFlowLogger: ("mlflow", "'lit-a3c[mlflow]'"),
    CometLogger: ("comet_ml", "comet-ml"),
}
"""The package that a logger needs, and what pip calls it."""
PROJECT = "lit-a3c"
"""The project of W&B and the experiment of MLflow in which a run stands, unless the user names another."""
DEFAULT_DIRECTORIES = (None, ".", "./mlruns", str(RUNS))
"""What Lightning's loggers have for ``save_dir`` where the user gives none, and what ``defaults.yaml`` has."""
UNNAMED = (None, "lightning_logs")
"""What Lightning's loggers have for a name where the user gives none."""


def place_loggers(config: Any) -> None:
    """Put the loggers of a training into its config: named, and the one that has the run's directory first.

    That is a ``RunLogger``, unless the user has named another logger that makes directories.

    Args:
        config: The whole configuration of ``fit``, which is changed.

    Raises:
        ConfigError: A package is missing, or the directory or the name cannot be used.
    """
    given = config.trainer.logger
    if given is True:  # Lightning's default; here it is ours
        given = _run_logger(RunLogger, str(RUNS))
    loggers = list(given) if isinstance(given, list) else [given] if given else []
    for logger in loggers:
        _check_package(_kind(logger))
    name = next(filter(None, (_given_name(_options(logger)) for logger in loggers)), None)
    loggers.sort(key=_rank)
    if not loggers or not issubclass(_kind(loggers[0]), LOCAL):
        base = next((_options(logger).get("save_dir") for logger in loggers), config.trainer.default_root_dir)
        kind = RunLogger if loggers else SilentRunLogger
        loggers.insert(0, _run_logger(kind, str(RUNS if base in DEFAULT_DIRECTORIES else base), _word(name)))
    _place(_kind(loggers[0]), _options(loggers[0]), config)
    for logger in loggers[1:]:
        _name(_kind(logger), _options(logger), name or run_name(config.data.env_id))
    config.trainer.logger = loggers if len(loggers) > 1 else loggers[0]


def connect(trainer: Trainer) -> None:
    """Begin the runs of loggers that report to a server or to a package of their own.

    Raises:
        ConfigError: One cannot begin.
    """
    for logger in trainer.loggers:
        if not isinstance(logger, LOCAL):
            try:
                _ = getattr(logger, "experiment", None)
            except Exception as error:  # of any kind: no connection, no account, a store that is damaged
                why = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
                offline = " Without an account: --trainer.logger.offline true." * isinstance(logger, WandbLogger)
                raise ConfigError(f"{type(logger).__name__} cannot begin a run: {why}.{offline}") from error


def disconnect(trainer: Trainer, *, failed: bool) -> None:
    """End the run of W&B, which would else end with the process, after everything else has been said."""
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger) and logger.version is not None:
            logger.experiment.finish(exit_code=int(failed))


def lock_directory(trainer: Trainer, checkpoint: str | None) -> RunLock | None:
    """Take the directory of the run where Lightning's own logger makes it. ``RunLogger`` takes its own.

    Args:
        trainer: The trainer.
        checkpoint: What the training goes on from; None starts a new one.

    Returns:
        The lock, which is held until the end.

    Raises:
        ConfigError: Another process trains there, or the directory holds another run.
    """
    logger = trainer.logger
    if not trainer.is_global_zero or not isinstance(logger, LOCAL) or isinstance(logger, RunLogger):
        return None
    run = Path(logger.log_dir)
    within = checkpoint is not None and Path(checkpoint).resolve().is_relative_to(run.resolve())
    if holds_run(run) and not (within and isinstance(logger, TensorBoardLogger)):
        raise ConfigError(
            f"{str(run)!r} holds a run already, which would be overwritten. Choose another --trainer.logger.name or "
            "version."
        )
    return RunLock(run)


def _check_package(kind: type) -> None:
    for logger, (package, pip) in PACKAGES.items():
        if issubclass(kind, logger):
            spec = importlib.util.find_spec(package)
            # W&B makes a directory of its name, which Python takes for a package.
            if spec is None or spec.origin is None:
                raise ConfigError(f"{kind.__name__} needs the package {package}: pip install {pip}")


def _kind(logger: Any) -> type:
    """The class of a logger in a config."""
    kind: type = compat_parser.import_object(logger.class_path)
    return kind


def _options(logger: Any) -> Any:
    """The arguments of a logger in a config."""
    return logger.get("init_args") or Namespace()


def _rank(logger: Any) -> int:
    """``RunLogger`` comes before other loggers that make directories, and these before the rest."""
    kind = _kind(logger)
    return 0 if issubclass(kind, RunLogger) else 1 if issubclass(kind, LOCAL) else 2


def _place(kind: type, options: Any, config: Any) -> None:
    """Name the directory of a run, or that of the run that is continued."""
    if not all(name in options for name in ("save_dir", "name", "version")):
        return  # a class of the user's own
    if not issubclass(kind, CSVLogger):  # which deletes the rows that are there
        continue_run(options, config.ckpt_path)
    if options.name in UNNAMED:
        options.name = None
    name_run(options, config.data.env_id)


def _run_logger(kind: type[RunLogger], save_dir: str, name: str | None = None) -> Namespace:
    options = Namespace(save_dir=save_dir, name=name, version=None)
    home = "lit_a3c" if kind is RunLogger else kind.__module__
    return Namespace(class_path=f"{home}.{kind.__name__}", init_args=options)


def _given_name(options: Any) -> str | None:
    """The name that the user has given to the run of a logger."""
    name = options.get("run_name", options.get("name"))
    return None if name in UNNAMED else str(name)


def _word(name: str | None) -> str | None:
    """A name as that of a directory."""
    return None if name is None else re.sub(r"[^\w.+-]+", "-", name)


def _name(kind: type, options: Any, name: str) -> None:
    """Name the run of a further logger, unless the user or the environment variables of its package name it."""
    if issubclass(kind, WandbLogger):
        if options.name is None and "WANDB_NAME" not in os.environ:
            options.name = name
        if options.project is None and "WANDB_PROJECT" not in os.environ:
            options.project = PROJECT
    elif issubclass(kind, MLFlowLogger):
        options.run_name = options.run_name or name
        if options.experiment_name in UNNAMED:
            options.experiment_name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        if options.tracking_uri is None:
            # Lightning would use a directory of files, which MLflow 3 refuses. `mlflow ui` looks here by itself.
            directory = "" if options.save_dir in DEFAULT_DIRECTORIES else f"{options.save_dir}/"
            options.tracking_uri = f"sqlite:///{directory}mlflow.db"
    elif "name" in options and options.name in UNNAMED:
        options.name = name
