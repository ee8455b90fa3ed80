"""One learner against two of Lightning's DDP at equal steps, each with two workers in all.

    python scripts/ddp.py [--tasks cartpole half_cheetah] [--seeds 0 1 2] [--envs shared as_they_are] [options of fit]

Prints a Markdown table, and 1 is the exit code if two learners are worse: if the mean of their test returns over the
seeds is below that of one learner by more than the standard deviation over its seeds. In CartPole every run must reach
475. ``--envs shared`` gives each of two learners half of the environments, so that an update has as many steps as one
learner's; ``as_they_are`` gives each as many, so that there are half as many updates.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple


class Task(NamedTuple):
    """What is trained."""

    config: str
    steps: int
    envs: int
    """Of each of two workers of one learner."""
    target: float | None = None
    """Least mean return of each run."""


TASKS = {
    "cartpole": Task("cartpole.yaml", 200_000, 16, 475.0),
    "half_cheetah": Task("mujoco_beta.yaml", 300_000, 8),
}


def main() -> int:
    """Train, test and compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--envs", nargs="+", choices=["shared", "as_they_are"], default=["shared"])
    parser.add_argument("--directory", type=Path, help="where the runs stay; a temporary one by default")
    arguments, options = parser.parse_known_args()
    print(
        "| task | learners | seed | best at step | steps of an update | seconds | test return, mean |\n"
        "|---|---|---|---|---|---|---|"
    )
    good = True
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.directory or Path(temporary)
        for name in arguments.tasks:
            ways = ["one", *arguments.envs]
            scores: dict[str, list[float]] = {way: [] for way in ways}
            for seed, way in itertools.product(arguments.seeds, ways):
                scores[way].append(train_and_test(name, way, seed, options, directory))
            good &= compare(name, scores)
    return 0 if good else 1


def train_and_test(name: str, way: str, seed: int, options: list[str], directory: Path) -> float:
    """The mean test return of a run, whose row is printed."""
    task, run = TASKS[name], directory / name / f"{way}{seed}"
    envs = task.envs // 2 if way == "shared" else task.envs
    several = ["--num_workers=1", "--trainer.strategy=ddp", "--trainer.devices=2"]
    learners = ["--num_workers=2"] if way == "one" else several
    begin = time.monotonic()
    lit(
        *("fit", f"--config={task.config}", "--engine=async", "--trainer.accelerator=cpu", *learners),
        *(f"--data.envs_per_worker={envs}", f"--data.total_steps={task.steps}", f"--seed_everything={seed}"),
        *(f"--trainer.logger.save_dir={directory}", f"--trainer.logger.name={name}", "--video.every_n_steps=-1"),
        *(f"--trainer.logger.version={run.name}", *options),
    )
    seconds = time.monotonic() - begin
    lit("test", f"--ckpt_path={run}")
    score = json.loads(next(run.glob("test-*.json")).read_text())
    number = 1 if way == "one" else 2
    print(
        f"| {name} | {number}{', environments as they are' if way == 'as_they_are' else ''} | {seed} "
        f"| {score['trained_steps']:,} | {steps_of_an_update(run):g} | {seconds:.0f} | {score['mean']:.1f} |",
        flush=True,
    )
    return float(score["mean"])


def steps_of_an_update(run: Path) -> float:
    """From the first rows of a run, which stand 100 updates apart."""
    with (run / "metrics.csv").open(newline="") as lines:
        rows = [int(row["step"]) for row in csv.DictReader(lines) if row["train/policy_loss"]]
    return rows[0] / 100


def compare(name: str, scores: dict[str, list[float]]) -> bool:
    """Print whether several learners are not worse than one."""
    good, one = True, scores["one"]
    spread = statistics.stdev(one) if len(one) > 1 else 0.0
    for way, several in scores.items():
        target = TASKS[name].target
        if way != "one":
            fine = statistics.mean(several) >= statistics.mean(one) - spread
            fine &= target is None or min(several) >= target
            good &= fine
            print(
                f"\n{name}: two learners {statistics.mean(several):.1f} ({way}), one {statistics.mean(one):.1f} with a "
                f"standard deviation of {spread:.1f} over {len(one)} seeds: {'not worse' if fine else 'WORSE'}\n",
                flush=True,
            )
    return good


def lit(*arguments: str) -> None:
    """Run ``lit-a3c`` in a process of its own, as several learners need it."""
    subprocess.run([sys.executable, "-m", "lit_a3c", *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
