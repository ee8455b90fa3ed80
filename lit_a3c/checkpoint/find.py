"""Finding and reading checkpoints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.compatibility import check_contents
from lit_a3c.checkpoint.io import CorruptCheckpointError, load_verified
from lit_a3c.checkpoint.sources import local_copy
from lit_a3c.utils.errors import ConfigError, did_you_mean
from lit_a3c.utils.paths import user_path

RUNS = Path("runs")
"""Where ``last`` and ``best`` look for the newest run."""


def resolve_checkpoint(given: str, prefer: str, option: str = "--ckpt_path") -> Path:
    """A checkpoint by file, URL, ``agent:NAME``, ``hf://user/agent``, run directory, or ``last`` or ``best``.

    ``last`` and ``best`` are those of the newest run in ``runs``.

    Where a run's checkpoint is damaged, the newest good one of the run is taken instead, and the user is told.

    Args:
        given: What the user wrote.
        prefer: ``last`` or ``best``: which of a directory's checkpoints to take where it has both.
        option: Where the user wrote it.

    Raises:
        ConfigError: There is none, or none that can be read.
    """
    if not given.strip():  # Path("") is the present directory, and the newest run below it is not what was meant
        raise ConfigError(f"{option} {given!r} must name a checkpoint, a run's directory, last or best.")
    if given in ("last", "best"):
        newest = _newest(RUNS, given)
        if newest is None:
            raise ConfigError(f"{option} {given!r}: there is no {given}.ckpt below {str(RUNS.absolute())!r}.")
        return _first_good([newest, *_by_age(newest.parent, "*", below=False)])
    if (copy := local_copy(given, option)) is not None:
        return copy
    path = user_path(given, option)
    if path.is_file():
        return path
    if path.is_dir():
        try:
            next(path.iterdir(), None)
        except OSError as error:
            raise ConfigError(f"{option} {given!r} cannot be read: {error.strerror}.") from error
        found = [file for stem in (prefer, "last", "*") for file in _by_age(path, stem)]
        if not found:
            raise ConfigError(f"{option} {given!r} has no checkpoint (*.ckpt) in it.")
        return _first_good([found[0], *_by_age(found[0].parent, "*", below=False)])
    if path.exists():
        raise ConfigError(f"{option} {given!r} is neither a file nor a directory.")
    if path.is_symlink():
        raise ConfigError(f"{option} {given!r} is a link to a file that does not exist.")
    near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
    raise ConfigError(f"{option} {given!r} does not exist.{near}")


def read_checkpoint(path: Path, option: str = "--ckpt_path") -> dict[str, Any]:
    """A checkpoint's contents on the CPU: tensors and plain types only.

    Args:
        path: The file.
        option: Where the user named it.

    Raises:
        ConfigError: The file is no checkpoint, is damaged, or lacks what every checkpoint holds.
    """
    try:
        checkpoint = load_verified(path)
    except (OSError, CorruptCheckpointError) as error:
        others = [file for file in _by_age(path.parent, "*", below=False) if file != path and _good(file)]
        instead = f" Its neighbour {str(others[0])!r} is whole." if others else ""
        raise ConfigError(f"{option} {str(path)!r} cannot be read as a checkpoint: {error}.{instead}") from error
    try:
        check_contents(checkpoint)
    except ConfigError as error:
        raise ConfigError(f"{option} {str(path)!r}: {error}") from error
    return dict(checkpoint)


def _first_good(files: list[Path]) -> Path:
    """The first of these that can be read."""
    for file in files:
        if _good(file):
            if file != files[0]:
                print(f"lit-a3c: {files[0]} is damaged; going on with {file}", file=sys.stderr, flush=True)
            return file
    return files[0]  # whose reader will say what is wrong with it


def _good(file: Path) -> bool:
    """Whether this is a whole checkpoint of this library."""
    try:
        check_contents(load_verified(file))
    except (OSError, CorruptCheckpointError, ConfigError):
        return False
    return True


def _by_age(directory: Path, stem: str, *, below: bool = True) -> list[Path]:
    """The checkpoints of this name in a directory and, unless told otherwise, below it; the newest first."""
    files = [file for file in directory.glob(f"**/{stem}.ckpt" if below else f"{stem}.ckpt") if file.is_file()]
    return sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)


def _newest(directory: Path, stem: str) -> Path | None:
    return next(iter(_by_age(directory, stem)), None)
