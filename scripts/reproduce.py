"""Train and score configs x environments x seeds through the command line: one CSV row per evaluation.

    python scripts/reproduce.py mujoco-1m [--environments Hopper-v5 ...] [--seeds 0 1] [--jobs 2] [options of fit]
    python scripts/reproduce.py 'ablation-*'
    python scripts/report.py docs/results/mujoco-1m.csv

The experiments stand in ``experiments.py``. One that was interrupted goes on where it was: a finished run is known by
its rows in ``docs/results/EXPERIMENT.csv``, and an unfinished run goes on from its ``last.ckpt`` in
``runs/reproduce/EXPERIMENT/ENVIRONMENT/seedN``. The jobs share the cores evenly.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import importlib.metadata
import itertools
import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from experiments import EXPERIMENTS, Experiment

from lit_a3c.checkpoint.io import load_verified
from lit_a3c.engines.processes import cores, default_workers

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "lightning", "torchrl", "gymnasium", "mujoco", "ale-py")
FIELDS = (
    *("experiment", "config", "environment", "seed", "evaluation", "steps", "frames", "seconds", "mean", "sd"),
    *("episodes", "engine", "workers", "commit", "versions"),
)
"""Columns of the CSV files. ``evaluation`` is ``validation`` during the training; ``best`` and ``last`` are tests of
these checkpoints after it. ``seconds`` are those of training until then, validations included."""
NO_VIDEO = "--video.every_n_steps=-1"
"""A video costs a third of the time of a MuJoCo training."""


@dataclass(frozen=True)
class Run:
    """One training of an experiment."""

    name: str
    experiment: Experiment
    environment: str
    seed: int
    options: tuple[str, ...]

    @property
    def directory(self) -> Path:
        return Path("runs/reproduce") / self.name / self.environment.split("/")[-1] / f"seed{self.seed}"

    def train(self) -> None:
        """Train until the budget is used up, from the last checkpoint if there is one."""
        last = self.directory / "checkpoints/last.ckpt"
        if last.exists() and load_verified(last)["steps"] >= self.experiment.total_steps:
            return
        if not last.exists():
            shutil.rmtree(self.directory, ignore_errors=True)
        lit(
            "fit",
            *([f"--ckpt_path={last}"] if last.exists() else [f"--config={self.experiment.config}.yaml"]),
            NO_VIDEO,
            f"--data.env_id={self.environment}",
            f"--data.total_steps={self.experiment.total_steps}",
            f"--seed_everything={self.seed}",
            f"--trainer.logger.save_dir={self.directory.parents[1]}",
            f"--trainer.logger.name={self.directory.parent.name}",
            f"--trainer.logger.version={self.directory.name}",
            "--trainer.enable_progress_bar=false",
            *self.experiment.options,
            *self.experiment.of_environment.get(self.environment, ()),
            *self.options,
        )

    def test(self, checkpoint: str) -> dict[str, Any]:
        """The score of the ``best`` or ``last`` checkpoint over new episodes."""
        file = self.directory / f"test-{checkpoint}.json"
        if not file.exists():
            episodes = f"--data.test_episodes={self.experiment.test_episodes}"
            lit("test", f"--ckpt_path={self.directory}/checkpoints/{checkpoint}.ckpt", episodes)
        return json.loads(file.read_text())

    def rows(self) -> Iterator[dict[str, Any]]:
        """All evaluations of the finished run, in the order of the training."""
        config = yaml.safe_load((self.directory / "config.yaml").read_text())
        engine, workers = config["engine"], config["num_workers"]
        if workers == "auto":
            workers = 1 if engine == "serial" else default_workers()
        common = {
            "experiment": self.name,
            "config": self.experiment.config,
            "environment": self.environment,
            "seed": self.seed,
            "engine": engine,
            "workers": workers,
            "commit": _output("git", "describe", "--always", "--dirty"),
            "versions": _versions(),
        }
        seconds = {0: 0.0}
        with (self.directory / "metrics.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                seconds[int(row["step"])] = float(row["seconds"])
                if row.get("val/return_mean"):
                    score = {"mean": row["val/return_mean"], "sd": row["val/return_sd"]}
                    axes = {"steps": row["step"], "frames": int(float(row["frames"])), "seconds": row["seconds"]}
                    episodes = {"evaluation": "validation", "episodes": config["data"]["eval_episodes"]}
                    yield common | axes | score | episodes
        for checkpoint in ("best", "last"):
            score = self.test(checkpoint)
            steps = score["trained_steps"]
            yield common | {
                "evaluation": checkpoint,
                "steps": steps,
                "frames": steps * score["frames"] // score["steps"],
                "seconds": max(t for step, t in seconds.items() if step <= steps),
                "mean": score["mean"],
                "sd": score["sd"],
                "episodes": score["episodes"],
            }


def main() -> int:
    """Make the runs that are missing; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("experiment", help=f"a name or a pattern such as 'ablation-*': {', '.join(EXPERIMENTS)}")
    parser.add_argument("--environments", nargs="+", help="only these environments of the experiment")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of the experiment's seeds")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; they share the cores evenly")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results", help="directory of the CSV files")
    arguments, options = parser.parse_known_args()
    names = fnmatch.filter(EXPERIMENTS, arguments.experiment)
    if not names:
        parser.error(f"no experiment is named {arguments.experiment!r}: {', '.join(EXPERIMENTS)}")
    arguments.output.mkdir(parents=True, exist_ok=True)
    runs = [run for name in names for run in missing(name, arguments, options)]
    failed = False
    with ThreadPoolExecutor(arguments.jobs) as pool:
        futures = {pool.submit(_train_and_score, run): run for run in runs}
        try:
            for future in as_completed(futures):
                try:
                    rows = future.result()
                except RuntimeError as error:
                    failed = True
                    print(error, file=sys.stderr)
                else:
                    append(arguments.output / f"{futures[future].name}.csv", rows)
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise
    return 1 if failed else 0


def missing(name: str, arguments: argparse.Namespace, options: list[str]) -> list[Run]:
    """The runs of an experiment that have no rows yet, seed by seed."""
    experiment, done = EXPERIMENTS[name], finished(arguments.output / f"{name}.csv")
    workers = f"--num_workers={max(1, cores() // arguments.jobs)}"
    return [
        Run(name, experiment, environment, seed, (workers, *options))
        for seed, environment in itertools.product(arguments.seeds or experiment.seeds, experiment.environments)
        if environment in (arguments.environments or experiment.environments) and (environment, seed) not in done
    ]


def _train_and_score(run: Run) -> list[dict[str, Any]]:
    run.train()
    rows = list(run.rows())
    for row in rows[-2:]:
        print(
            f"{run.environment} seed {run.seed}: {float(row['seconds']):.0f} s, {row['evaluation']} checkpoint of step "
            f"{row['steps']:,}: {row['mean']:.1f} over {row['episodes']} episodes",
            flush=True,
        )
    return rows


def finished(output: Path) -> set[tuple[str, int]]:
    """Environment and seed of the finished runs. A run's rows are written together, the one of ``last`` at the end."""
    if not output.exists():
        return set()
    with output.open(newline="") as file:
        return {(row["environment"], int(row["seed"])) for row in csv.DictReader(file) if row["evaluation"] == "last"}


def append(output: Path, rows: list[dict[str, Any]]) -> None:
    """Rewrite the file with these rows added. The file never holds half of them."""
    before = output.read_text() if output.exists() else ""
    new = output.with_suffix(".new")
    with new.open("w", newline="") as file:
        file.write(before)
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if not before:
            writer.writeheader()
        writer.writerows(rows)
    new.replace(output)


def lit(*arguments: str) -> None:
    """Run ``lit-a3c ARGUMENTS``.

    Raises:
        RuntimeError: The command failed. The message is the end of what it wrote.
    """
    done = subprocess.run([sys.executable, "-m", "lit_a3c", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"lit-a3c {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")


def _versions() -> str:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return " ".join(f"{name}-{version}" for name, version in {"python": platform.python_version(), **versions}.items())


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
