"""Where a run keeps its files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.find import RUNS
from lit_a3c.utils.errors import ConfigError


def continue_run(logger: Any, checkpoint: Any) -> None:
    """Let a resumed run go on in its own directory, ``SAVE_DIR/NAME/VERSION``, unless the options name another.

    The directory is that of the file which the user named. What stands in the file has no say in it.

    Args:
        logger: Options of the logger, changed in place.
        checkpoint: The checkpoint to go on from, or None.
    """
    if checkpoint is None or logger.get("version") is not None or logger["save_dir"] != str(RUNS):
        return
    file = Path(checkpoint).absolute()
    if file.parent.name != "checkpoints" or not file.parents[1].joinpath("config.yaml").is_file():
        return
    run = file.parents[1]
    if logger.get("name") in (None, run.parent.name):
        if RUNS.absolute() != run.parents[1]:
            logger["save_dir"] = str(run.parents[1])
        logger["name"], logger["version"] = run.parent.name, run.name


def check_writable(directory: str) -> None:
    """Write as much as a small checkpoint: on a full disk an empty file may still be made.

    Raises:
        ConfigError: The directory cannot be made, or the file cannot be written.
    """
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"the output directory {directory!r} cannot be written to: {error.strerror}.") from error
