"""What the commands for finished runs share: which runs are meant, and the file that is written."""

from __future__ import annotations

import argparse
import glob
from pathlib import Path

from lit_a3c.metrics.runs import Run, runs_below
from lit_a3c.utils.disk import reason, replace_whole, say
from lit_a3c.utils.errors import ConfigError, did_you_mean
from lit_a3c.utils.paths import user_path

HELP = (
    "directories of runs, directories with runs below them, last or best (of the newest run), or any of these as "
    "NAME=DIRECTORY: all runs of one name are one group"
)


def add_output(parser: argparse.ArgumentParser, default: str | None, text: str) -> None:
    """Add the options ``--output`` and ``--overwrite``."""
    parser.add_argument("--output", default=default, metavar="FILE", help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there")


def find_runs(given: list[str]) -> list[Run]:
    """The runs that the user means, each once, in the order in which they were given.

    Args:
        given: The arguments, see :data:`HELP`.

    Raises:
        ConfigError: One of them is no run, has none below it, or does not exist.
    """
    found: dict[Path, Run] = {}
    for argument in given:
        tag, path = _split(argument)
        for directory in _directories(path):
            run = found.setdefault(directory.resolve(), Run(directory, tag))
            if run.tag != tag:
                raise ConfigError(f"the run {str(directory)!r} is given twice, in two groups.")
    return list(found.values())


def with_metrics(runs: list[Run], given: list[str]) -> list[Run]:
    """The runs that have metrics.

    Args:
        runs: All of them.
        given: The arguments. A run that one of them names must have metrics; one that was found below a directory is
            left out and named.

    Raises:
        ConfigError: A run that was named has none, or no run has any.
    """
    named = {Path(_split(argument)[1]).expanduser().resolve() for argument in given}
    for run in runs:
        if not run.metrics:
            if run.directory.resolve() in named or len(runs) == 1:
                why = "metrics.csv is missing or has no rows"
                raise ConfigError(f"the run {str(run.directory)!r} has no metrics: {why}.")
            say(f"{run.directory} is left out: it has no metrics.")
    kept = [run for run in runs if run.metrics]
    if not kept:
        raise ConfigError("none of the runs has metrics.")
    return kept


def output_file(given: str, kinds: tuple[str, ...], *, overwrite: bool) -> Path:
    """The file that a command is to write, checked before any work is done.

    Args:
        given: What the user wrote.
        kinds: The endings that are allowed.
        overwrite: Whether it may be there already.

    Raises:
        ConfigError: Another ending, a file that is there, or a directory.
    """
    path = user_path(given, "--output")
    if path.suffix.lower() not in kinds:
        raise ConfigError(f"--output {given!r} must end in {' or '.join(kinds)}.")
    if path.is_dir():
        raise ConfigError(f"--output {given!r} is a directory.")
    if path.exists() and not overwrite:
        raise ConfigError(f"--output {given!r} is there already. Choose another name, or give --overwrite.")
    return path


def write_output(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_whole(path, data)
    except OSError as error:
        raise ConfigError(f"--output {str(path)!r} cannot be written: {reason(error)}.") from error
    print(f"written to {path}")


def _split(argument: str) -> tuple[str | None, str]:
    tag, equals, path = argument.partition("=")
    return (tag, path) if equals and tag and not Path(argument).exists() else (None, argument)


def _directories(given: str) -> list[Path]:
    if not given.strip():
        raise ConfigError("a run '' must be a directory, last or best.")
    if given in ("last", "best") and not Path(given).exists():
        from lit_a3c.checkpoint.find import resolve_checkpoint  # imports torch

        holder = resolve_checkpoint(given, given, "the run").parent
        return [holder.parent if holder.name == "checkpoints" else holder]
    path = user_path(given, "the run")
    if glob.has_magic(given) and not path.exists():  # the shell leaves NAME=PATTERN as it is
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True)) if Path(match).is_dir()]  # noqa: PTH207
        return _below(matches, given)
    if path.is_file():
        raise ConfigError(f"the run {given!r} is a file. Give the directory of the run.")
    if not path.is_dir():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise ConfigError(f"the run {given!r} does not exist.{did_you_mean(path.name, siblings)}")
    return _below([path], given)


def _below(directories: list[Path], given: str) -> list[Path]:
    found = [run for directory in directories for run in runs_below(directory)]
    if not found:
        raise ConfigError(f"there is no run in {given!r} or below it: no directory has a metrics.csv.")
    return found
