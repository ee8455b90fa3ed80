"""Where a run keeps its files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lit_a3c.checkpoint.find import RUNS
from lit_a3c.utils.disk import check_room, reason, replace_whole, say
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.paths import user_path


def continue_run(logger: Any, checkpoint: Any) -> None:
    """Let a resumed run go on in its own directory, ``SAVE_DIR/NAME/VERSION``, unless the options name another.

    The directory is that of the file which the user named. What stands in the file has no say in it.

    Args:
        logger: Options of the logger, changed in place.
        checkpoint: The checkpoint to go on from, or None.
    """
    if checkpoint is None or logger.get("version") is not None:
        return
    file = Path(checkpoint).absolute()
    run = file.parents[min(1, len(file.parents) - 1)]
    if file.parent.name != "checkpoints" or not any((run / name).exists() for name in ("config.yaml", "metrics.csv")):
        return
    here = _expanded(logger["save_dir"]).absolute() == run.parents[1]
    if logger.get("name") in (None, run.parent.name) and (here or logger["save_dir"] == str(RUNS)):
        if not here:
            logger["save_dir"] = str(run.parents[1])
        logger["name"], logger["version"] = run.parent.name, run.name


def run_name(env_id: str) -> str:
    """The name of a run of this environment."""
    return env_id.split("/")[-1].split(":")[-1]


def name_run(logger: Any, env_id: str) -> None:
    """Name a run after its environment, unless it has a name, and check that its files can be written.

    Args:
        logger: Options of the logger, changed in place.
        env_id: The environment.

    Raises:
        ConfigError: The directory cannot be written to or has a variable that is not set, or the name is none for a
            directory.
    """
    option = "data.env_id" if logger.get("name") is None else "trainer.logger.name"
    if logger.get("name") is None:
        logger["name"] = run_name(env_id)
    logger["save_dir"] = str(user_path(logger["save_dir"], "trainer.logger.save_dir"))
    if unset := re.search(r"\$\{?\w+", os.path.expandvars(logger["save_dir"])):
        raise ConfigError(f"trainer.logger.save_dir {logger['save_dir']!r}: the variable {unset[0]} is not set.")
    check_writable(logger["save_dir"])
    directory = user_path(str(Path(logger["save_dir"], logger["name"])), option)
    checkpoints = directory / str(logger.get("version")) / "checkpoints"
    if checkpoints.is_dir():  # of a run that goes on
        check_writable(str(checkpoints))


def check_writable(directory: str) -> None:
    """Refuse a directory that has no room for a small checkpoint.

    Raises:
        ConfigError: The directory cannot be made, or the file cannot be written.
    """
    try:
        check_room(_expanded(directory))
    except OSError as error:
        raise ConfigError(f"the output directory {directory!r} cannot be written to: {error.strerror}.") from error


def check_checkpoint_directories(trainer: Trainer) -> None:
    """Refuse a directory of a ``ModelCheckpoint`` that cannot be written to: its training would leave no checkpoint.

    Raises:
        ConfigError: The directory is given, and cannot be written to.
    """
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.dirpath and "://" not in str(callback.dirpath):
            check_writable(str(callback.dirpath))


def write_config(directory: str | None, text: str) -> None:
    """Write the ``config.yaml`` of a training. Where that fails the user is told: checkpoints have the config, too."""
    if directory is None:
        return
    file = Path(directory, "config.yaml")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(file, text.encode())
    except OSError as error:
        say(f"{file} cannot be written: {reason(error)}. The training goes on without it.")


def _expanded(directory: str) -> Path:
    """As the logger takes it."""
    return Path(os.path.expanduser(os.path.expandvars(directory)))  # noqa: PTH111
