"""The files that a run has left, as they are read after it. Imports nothing heavy.

A run may be a stranger's. Nothing in its files is imported, called or followed as a path.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lit_a3c.metrics.rows import ReadableRows
from lit_a3c.metrics.starts import STARTS, read_starts
from lit_a3c.utils.errors import ConfigError, did_you_mean
from lit_a3c.utils.options import by_option
from lit_a3c.utils.yaml_strict import load_yaml

AXES = {"steps": "step", "frames": "frames", "time": "seconds"}
"""The axes of a curve, each with its column of ``metrics.csv``."""
SAME_TASK = ("seed_everything", "trust_checkpoint", "ckpt_path", "weights_only", "progress", "video", "last_checkpoint")
"""Sections of a config in which runs of one and the same experiment may differ."""
SAME_TASK_OPTIONS = (
    *("trainer.logger", "trainer.default_root_dir", "trainer.enable_progress_bar"),
    *("best_checkpoint.dirpath", "data.test_episodes", "data.predict_episodes"),
)
"""Single options of that kind."""
NO_MORE_THAN = 64 * 2**20
"""Bytes of the largest file that is read whole."""


@dataclass(frozen=True)
class Run:
    """A finished or running training by its directory.

    Attributes:
        directory: Where its files are.
        tag: What the user calls its group, or None.
    """

    directory: Path
    tag: str | None = None

    @cached_property
    def name(self) -> str:
        """The last two parts of the directory: ``CartPole-v1/version_0``."""
        return printable("/".join(self.directory.absolute().parts[-2:]))

    @cached_property
    def config(self) -> dict[str, Any]:
        """``config.yaml``, in plain types; empty where there is none that can be read."""
        try:
            content = load_yaml(_text(self.directory / "config.yaml"))
        except (OSError, ConfigError):
            return {}
        return content if isinstance(content, dict) else {}

    @cached_property
    def options(self) -> dict[str, Any]:
        """The config by option: ``{"data.env_id": "CartPole-v1", ...}``."""
        return dict(by_option(self.config))

    @cached_property
    def env_id(self) -> str:
        """The environment, from the config or a score file; else the name of the directory above."""
        found = self.options.get("data.env_id") or next((test["env_id"] for test in self.tests.values()), None)
        return printable(str(found or self.directory.absolute().parent.name))

    @cached_property
    def seed(self) -> int | None:
        """The seed, or None where it is not known."""
        seed = self.config.get("seed_everything")
        return seed if isinstance(seed, int) else None

    @cached_property
    def experiment(self) -> dict[str, Any]:
        """The options that say what is learned and how: runs that share them are seeds of one experiment."""
        return {
            name: value
            for name, value in self.options.items()
            if name.partition(".")[0] not in SAME_TASK and not name.startswith(SAME_TASK_OPTIONS)
        }

    @cached_property
    def rows(self) -> list[dict[str, str]]:
        """The rows of ``metrics.csv`` that can be read."""
        try:
            return list(ReadableRows(self.directory / "metrics.csv"))
        except OSError as error:
            raise ConfigError(f"{str(self.directory / 'metrics.csv')!r} cannot be read: {error.strerror}.") from error

    @cached_property
    def metrics(self) -> list[str]:
        """The names of the metrics that the run has."""
        return sorted(set().union(*self.rows) - set(AXES.values())) if self.rows else []

    def series(self, metric: str, axis: str = "steps") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A metric against an axis.

        Args:
            metric: Its column.
            axis: ``steps``, ``frames`` or ``time`` (seconds of training).

        Returns:
            Axis and values, in the order of the axis, ``[P]`` each. Values that are missing or not finite are left out.
        """
        points = {}
        for row in self.rows:
            at, value = _number(row.get(AXES[axis])), _number(row.get(metric))
            if at is not None and value is not None:
                points[at] = value
        ordered = sorted(points.items())
        return np.array([x for x, _ in ordered], np.float64), np.array([y for _, y in ordered], np.float64)

    @cached_property
    def starts(self) -> list[dict[str, Any]]:
        """What is known of each start of the training, see :mod:`lit_a3c.metrics.starts`; none for older runs."""
        try:
            return read_starts(_text(self.directory / STARTS))
        except (OSError, ConfigError):
            return []

    @cached_property
    def video(self) -> Path | None:
        """The newest whole video."""
        files = [file for file in self.directory.glob("videos/*.mp4") if file.is_file() and not file.is_symlink()]
        files = [file for file in files if not file.name.endswith(".partial.mp4")]
        return max(files, key=lambda file: file.stat().st_mtime, default=None)

    @cached_property
    def tests(self) -> dict[str, dict[str, Any]]:
        """The scores that ``lit-a3c test`` has written, by checkpoint: ``{"best": {...}, "last": {...}}``."""
        found = {}
        for file in sorted(self.directory.glob("test-*.json")):
            try:
                score = json.loads(_text(file))
            except (OSError, ValueError, RecursionError, ConfigError):
                continue
            if isinstance(score, dict) and isinstance(score.get("env_id"), str) and _finite(score.get("mean")):
                found[file.stem.removeprefix("test-")] = score
        return found


def printable(text: str, most: int = 200) -> str:
    """A text of a file as a terminal, a picture or a page can show it: without control characters, and not too long."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])


def is_run(directory: Path) -> bool:
    """Whether a training has left its files here."""
    return any((directory / name).is_file() for name in ("metrics.csv", "config.yaml"))


def runs_below(directory: Path) -> list[Path]:
    """The directory itself if it is that of a run, else those of all runs below it, by name."""
    if is_run(directory):
        return [directory]
    files = [file for name in ("metrics.csv", "config.yaml") for file in directory.rglob(name)]
    return sorted({file.parent for file in files})


def check_metric(runs: list[Run], metric: str) -> None:
    """Refuse a metric that no run has.

    Raises:
        ConfigError: With the nearest name.
    """
    known = sorted(set().union(*(run.metrics for run in runs)))
    if metric not in known:
        near = did_you_mean(metric, known) or f" They have {', '.join(known)}."
        raise ConfigError(f"no run has the metric {metric!r}.{near}")


def _text(file: Path) -> str:
    if file.stat().st_size > NO_MORE_THAN:
        raise ConfigError(f"{str(file)!r} is too large to be read.")
    return file.read_text(encoding="utf-8", errors="replace")


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
