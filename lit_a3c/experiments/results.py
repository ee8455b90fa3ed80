"""The table of a sweep: a row for each evaluation of each run, as the files in ``docs/results`` have them."""

from __future__ import annotations

import csv
import functools
import io
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lit_a3c import __version__
from lit_a3c.utils.disk import replace_whole
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.versions import installed_versions

FIELDS = (
    *("experiment", "config", "environment", "seed", "evaluation", "steps", "frames", "seconds", "mean", "sd"),
    *("episodes", "engine", "workers", "commit", "versions"),
)
"""Columns. ``evaluation`` is ``validation`` during the training; ``best`` and ``last`` are tests of these checkpoints
after it. ``seconds`` are those of training until then, validations included."""


class Cell(NamedTuple):
    """Which run of a sweep."""

    environment: str
    engine: str
    seed: int


def finished(output: Path) -> set[Cell]:
    """The runs that have their rows. A run's rows are written together, the one of ``last`` at the end."""
    rows = read(output)
    return {Cell(row["environment"], row["engine"], int(row["seed"])) for row in rows if row["evaluation"] == "last"}


def read(output: Path) -> list[dict[str, str]]:
    """All rows; none where there is no file.

    Raises:
        ConfigError: It is no such table.
    """
    if not output.exists():
        return []
    with output.open(newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    if missing := set(FIELDS[:6]) - set(reader.fieldnames or ()):
        raise ConfigError(f"{str(output)!r} is no table of a sweep: it has no column {sorted(missing)[0]!r}.")
    return rows


def append(output: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rewrite the file with these rows added. The file never holds half of them."""
    before = output.read_text() if output.exists() else ""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    if not before:
        writer.writeheader()
    writer.writerows(rows)
    output.parent.mkdir(parents=True, exist_ok=True)
    replace_whole(output, (before + text.getvalue()).encode())


def versions() -> str:
    """Of Python and of the packages that decide what a training does."""
    return " ".join(f"{name}-{version}" for name, version in installed_versions().items())


@functools.cache
def commit() -> str:
    """The commit of lit-a3c, or its version where it is not in a checkout of its own."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return __version__
    command = ["git", "-C", str(root), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # there is no git
        return __version__
    return done.stdout.strip() or __version__
