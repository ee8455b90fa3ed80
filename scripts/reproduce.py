"""Train and score recipes x environments x seeds through the command line: one CSV row per evaluation.

    python scripts/reproduce.py mujoco-1m [--environments Hopper-v5 ...] [--seeds 0 1] [--jobs 2] [options of fit]
    python scripts/reproduce.py 'ablation-*'
    python scripts/report.py docs/results/mujoco-1m.csv

Interrupted, it goes on where it was: a finished run is known by its rows in ``docs/results/SUITE.csv``, one that was
cut short goes on from its ``last.ckpt`` in ``runs/reproduce/SUITE/ENVIRONMENT/seedN``. The jobs share the cores evenly.
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
from suites import SUITES, Suite

from lit_a3c.processes import cores, default_workers
from lit_a3c.sealed import unseal

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "lightning", "torchrl", "gymnasium", "mujoco", "ale-py")
FIELDS = (
    *("suite", "recipe", "environment", "seed", "evaluation", "steps", "frames", "seconds", "mean", "sd", "episodes"),
    *("mode", "workers", "commit", "versions"),
)
"""``evaluation``: ``validation`` during the training; ``best`` and ``last`` are tests of these checkpoints after it.
``seconds``: of training until then, with its validations."""


@dataclass(frozen=True)
class Run:
    """One training of a suite."""

    name: str
    suite: Suite
    environment: str
    seed: int
    options: tuple[str, ...]

    @property
    def directory(self) -> Path:
        return Path("runs/reproduce") / self.name / self.environment.split("/")[-1] / f"seed{self.seed}"

    def train(self) -> None:
        """To the end of the budget, from the last checkpoint if there is one."""
        last = self.directory / "checkpoints/last.ckpt"
        if last.exists() and unseal(last.read_bytes())["steps"] >= self.suite.total_steps:
            return
        if not last.exists():
            shutil.rmtree(self.directory, ignore_errors=True)
        lit(
            "fit",
            *([f"--ckpt_path={last}"] if last.exists() else [f"--config={self.suite.recipe}.yaml"]),
            without_films(f"{self.suite.recipe}.yaml"),
            f"--data.env_id={self.environment}",
            f"--data.total_steps={self.suite.total_steps}",
            f"--seed_everything={self.seed}",
            f"--trainer.logger.save_dir={self.directory.parents[1]}",
            f"--trainer.logger.name={self.directory.parent.name}",
            f"--trainer.logger.version={self.directory.name}",
            "--trainer.enable_progress_bar=false",
            *self.suite.options,
            *self.suite.of_environment.get(self.environment, ()),
            *self.options,
        )

    def test(self, checkpoint: str) -> dict[str, Any]:
        """The score of the ``best`` or ``last`` checkpoint, by fresh episodes."""
        file = self.directory / f"test-{checkpoint}.json"
        if not file.exists():
            episodes = f"--data.test_episodes={self.suite.test_episodes}"
            lit("test", f"--ckpt_path={self.directory}/checkpoints/{checkpoint}.ckpt", episodes)
        return json.loads(file.read_text())

    def rows(self) -> Iterator[dict[str, Any]]:
        """All evaluations of the finished run, in the order of the training."""
        config = yaml.safe_load((self.directory / "config.yaml").read_text())
        hogwild = config["trainer"]["strategy"] == "hogwild"
        common = {
            "suite": self.name,
            "recipe": self.suite.recipe,
            "environment": self.environment,
            "seed": self.seed,
            "mode": "hogwild" if hogwild else config["data"]["mode"] or "async",
            "workers": config["trainer"]["devices"] if hogwild else config["data"]["num_workers"] or default_workers(),
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
    """Run what is missing; 1 if a run failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("suite", help=f"or a pattern, of {', '.join(SUITES)}")
    parser.add_argument("--environments", nargs="+", help="only these of the suite")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of the suite's")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time; they share the cores evenly")
    parser.add_argument("--output", type=Path, default=ROOT / "docs/results", help="directory of the CSV files")
    arguments, options = parser.parse_known_args()
    names = fnmatch.filter(SUITES, arguments.suite)
    if not names:
        parser.error(f"no suite is named {arguments.suite!r}: {', '.join(SUITES)}")
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
    """The runs of a suite that have no rows yet, seed by seed."""
    suite, there = SUITES[name], finished(arguments.output / f"{name}.csv")
    devices = f"--trainer.devices={max(1, cores() // arguments.jobs)}"
    return [
        Run(name, suite, environment, seed, (devices, *options))
        for seed, environment in itertools.product(arguments.seeds or suite.seeds, suite.environments)
        if environment in (arguments.environments or suite.environments) and (environment, seed) not in there
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
    """Environment and seed of the finished runs. A run's rows are written at once, those of ``last`` at the end."""
    if not output.exists():
        return set()
    with output.open(newline="") as file:
        return {(row["environment"], int(row["seed"])) for row in csv.DictReader(file) if row["evaluation"] == "last"}


def append(output: Path, rows: list[dict[str, Any]]) -> None:
    """Rewrite the file with these rows, so that it is never half a run longer."""
    before = output.read_text() if output.exists() else ""
    new = output.with_suffix(".new")
    with new.open("w", newline="") as file:
        file.write(before)
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if not before:
            writer.writeheader()
        writer.writerows(rows)
    new.replace(output)


def without_films(recipe: str) -> str:
    """The option that takes the films, which cost a third of a MuJoCo training's time, out of a shipped recipe."""
    callbacks = yaml.safe_load((ROOT / "configs" / recipe).read_text())["trainer"]["callbacks"]
    kept = [callback for callback in callbacks if not callback["class_path"].endswith("VideoRecorder")]
    return f"--trainer.callbacks={json.dumps(kept)}"


def lit(*arguments: str) -> None:
    """``lit-a3c ARGUMENTS``.

    Raises:
        RuntimeError: It failed.
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
