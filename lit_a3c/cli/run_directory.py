"""Where a run keeps its files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from lit_a3c.utils.errors import ConfigError


def continue_run(logger: Any, checkpoint: Any) -> None:
    """Let a resumed run go on in its own directory, unless the options name another.

    Args:
        logger: Options of the logger, changed in place.
        checkpoint: The checkpoint to go on from, or None.
    """
    if checkpoint is None or logger.get("version") is not None:
        return
    run = Path(checkpoint).absolute().parents[1]
    if Path(logger["save_dir"]).absolute() == run.parents[1] and logger.get("name") in (None, run.parent.name):
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
