"""Finding and reading checkpoints."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.io import CorruptCheckpointError, load_verified, read_bytes
from lit_a3c.utils.errors import ConfigError, did_you_mean

RUNS = Path("runs")
"""Where ``last`` and ``best`` look for the newest run."""


def resolve_checkpoint(given: str, prefer: str) -> Path:
    """A checkpoint by file or URL, by run directory, or by ``last`` or ``best`` for that of the newest run in ``runs``.

    Where a run's checkpoint is damaged, the newest good one of the run is taken instead, and the user is told.

    Args:
        given: What the user wrote.
        prefer: ``last`` or ``best``: which of a directory's checkpoints to take where it has both.

    Raises:
        ConfigError: There is none, or none that can be read.
    """
    if not given.strip():  # Path("") is the present directory, and the newest run below it is not what was meant
        raise ConfigError(f"--ckpt_path {given!r} must name a checkpoint, a run's directory, last or best.")
    if given in ("last", "best"):
        newest = _newest(RUNS, given)
        if newest is None:
            raise ConfigError(f"--ckpt_path {given!r}: there is no {given}.ckpt below {str(RUNS.absolute())!r}.")
        return _first_good([newest, *_by_age(newest.parent, "*")])
    if "://" in given:
        return _fetched(given)
    path = Path(given).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        found = [file for stem in (prefer, "last", "*") for file in _by_age(path, stem)]
        if not found:
            raise ConfigError(f"--ckpt_path {given!r} has no checkpoint (*.ckpt) in it.")
        return _first_good([found[0], *_by_age(found[0].parent, "*")])
    near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
    raise ConfigError(f"--ckpt_path {given!r} does not exist.{near}")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint's contents on the CPU: tensors and plain types only.

    Raises:
        ConfigError: The file is no checkpoint, is damaged, or was not written by lit-a3c.
    """
    try:
        checkpoint = load_verified(path)
    except (OSError, CorruptCheckpointError) as error:
        others = [file for file in _by_age(path.parent, "*") if file != path and _good(file)]
        instead = f" Its neighbour {str(others[0])!r} is whole." if others else ""
        raise ConfigError(f"--ckpt_path {str(path)!r} cannot be read as a checkpoint: {error}.{instead}") from error
    if not isinstance(checkpoint, dict) or "spaces" not in checkpoint:
        raise ConfigError(f"--ckpt_path {str(path)!r} was not written by lit-a3c.")
    return checkpoint


def _first_good(files: list[Path]) -> Path:
    """The first of these that can be read."""
    for file in files:
        if _good(file):
            if file != files[0]:
                print(f"lit-a3c: {files[0]} is damaged; going on with {file}", file=sys.stderr, flush=True)
            return file
    return files[0]  # whose reader will say what is wrong with it


def _good(file: Path) -> bool:
    try:
        load_verified(file)
    except (OSError, CorruptCheckpointError):
        return False
    return True


def _fetched(url: str) -> Path:
    """A local copy of a remote checkpoint, until the end of the process."""
    try:
        data = read_bytes(url)
    except Exception as error:  # each kind of storage has errors of its own
        raise ConfigError(f"--ckpt_path {url!r} cannot be fetched: {' '.join(str(error).split())[:160]}") from error
    directory = Path(tempfile.mkdtemp(prefix="lit-a3c-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    file = directory / url.rstrip("/").rsplit("/", 1)[-1]
    file.write_bytes(data)
    return file


def _by_age(directory: Path, stem: str) -> list[Path]:
    """The checkpoints of this name in a directory and below, the newest first."""
    files = [file for file in directory.glob(f"**/{stem}.ckpt") if file.is_file()]
    return sorted(files, key=lambda file: file.stat().st_mtime, reverse=True)


def _newest(directory: Path, stem: str) -> Path | None:
    return next(iter(_by_age(directory, stem)), None)
