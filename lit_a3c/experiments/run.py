"""One training of a sweep or a search: trained by ``fit``, scored by ``test``, and continued where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.find import read_checkpoint, resolve_checkpoint
from lit_a3c.experiments.results import Cell, commit, versions
from lit_a3c.metrics.rows import ReadableRows
from lit_a3c.metrics.run_lock import LOCK
from lit_a3c.utils.errors import RunError
from lit_a3c.utils.yaml_strict import load_yaml

NO_VIDEO = "--video.every_n_steps=-1"
"""A video costs a third of the time of a MuJoCo training."""
LOG = "output.log"
"""What the commands of a run print."""
TESTED = ("best", "last")
"""Checkpoints of a run that are tested."""


@dataclass(frozen=True)
class Run:
    """One training, and the tests of its checkpoints.

    Attributes:
        directory: Of its files.
        config: A config of ``fit`` by name or path.
        cell: Environment, engine and seed.
        total_steps: Its budget.
        workers: Its worker processes.
        options: Further options of ``fit``.
        test_episodes: Episodes of each test; None: as the config has it.
    """

    directory: Path
    config: str
    cell: Cell
    total_steps: int
    workers: int
    options: tuple[str, ...] = ()
    test_episodes: int | None = None

    def __str__(self) -> str:
        return f"{self.cell.environment}, {self.cell.engine}, seed {self.cell.seed}"

    @property
    def metrics(self) -> Path:
        return self.directory / "metrics.csv"

    def train(self) -> Iterator[list[str]]:
        """The command that trains until the budget is used up, from the last checkpoint if there is one."""
        checkpoints = self.directory / "checkpoints"
        resumes = any(checkpoints.glob("*.ckpt"))
        if resumes and self._steps() >= self.total_steps:
            return
        if not resumes and (self.directory / LOCK).exists():  # a training that was ended before its first checkpoint
            shutil.rmtree(self.directory, ignore_errors=True)
        yield [
            "fit",
            f"--config={self.config}",
            *([f"--ckpt_path={self.directory}"] if resumes else []),
            NO_VIDEO,
            *self.options,
            f"--data.env_id={self.cell.environment}",
            f"--engine={self.cell.engine}",
            f"--num_workers={self.workers}",
            f"--seed_everything={self.cell.seed}",
            f"--trainer.logger.save_dir={self.directory.parents[1]}",
            f"--trainer.logger.name={self.directory.parent.name}",
            f"--trainer.logger.version={self.directory.name}",
            "--trainer.enable_progress_bar=false",
        ]

    def test(self) -> Iterator[list[str]]:
        """The commands that score the best and the last checkpoint over new episodes.

        Raises:
            RunError: The training has left none.
        """
        found = [name for name in TESTED if self._checkpoint(name).exists()]
        if not found:
            raise RunError(f"the training has left no checkpoint in {str(self.directory / 'checkpoints')!r}")
        for name in found:
            if not self._score(name).exists():
                # It was written by the training above, from the config of the user who asks.
                episodes = [] if self.test_episodes is None else [f"--data.test_episodes={self.test_episodes}"]
                yield ["test", f"--ckpt_path={self._checkpoint(name)}", "--trust_checkpoint", *episodes]

    def rows(self, experiment: str) -> list[dict[str, Any]]:
        """All evaluations of the finished run, in the order of the training; its tests come last.

        Args:
            experiment: Name of the sweep.
        """
        common = {
            "experiment": experiment,
            "config": Path(self.config).stem,
            **self.cell._asdict(),
            "workers": self.workers,
            "commit": commit(),
            "versions": versions(),
        }
        episodes = load_yaml((self.directory / "config.yaml").read_text())["data"]["eval_episodes"]
        seconds, found = {0: 0.0}, []
        for row in ReadableRows(self.metrics):
            seconds[int(row["step"])] = float(row["seconds"])
            if row.get("val/return_mean"):
                score = {"mean": row["val/return_mean"], "sd": row["val/return_sd"], "episodes": episodes}
                axes = {"steps": row["step"], "frames": int(float(row["frames"])), "seconds": row["seconds"]}
                found.append(common | axes | score | {"evaluation": "validation"})
        for name in TESTED:
            if not self._score(name).exists():
                continue
            score = json.loads(self._score(name).read_text())
            steps = score["trained_steps"]
            axes = {"steps": steps, "frames": steps * score["frames"] // score["steps"]}
            axes["seconds"] = max(t for step, t in seconds.items() if step <= steps)
            found.append(common | axes | {key: score[key] for key in ("mean", "sd", "episodes")} | {"evaluation": name})
        return found

    def steps_done(self) -> int:
        """Steps that the training has had so far, as its metrics say; 0 before the first of them."""
        return max((step for step, _ in column(self.metrics, "step")), default=0)

    def _steps(self) -> int:
        """Steps of the newest checkpoint that can be read."""
        file = resolve_checkpoint(str(self.directory / "checkpoints"), prefer="last")
        return int(read_checkpoint(file)["steps"])

    def _checkpoint(self, name: str) -> Path:
        return self.directory / "checkpoints" / f"{name}.ckpt"

    def _score(self, name: str) -> Path:
        return self.directory / f"test-{name}.json"


def column(metrics: Path, name: str) -> list[tuple[int, float]]:
    """A metric with its steps, of a file that may be growing or may not be there yet."""
    return [(int(row["step"]), float(row[name])) for row in ReadableRows(metrics) if row.get(name)]
