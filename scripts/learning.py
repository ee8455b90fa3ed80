"""The learning figures of the README: each small recipe trained and tested through the command line, seeds 0-2.

    python scripts/learning.py [--recipes cartpole ...] [--seeds 0 1 2]

Prints a Markdown table; a row passes where the mean return of 100 test episodes reaches the target.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TARGETS = {"cartpole": (475, 60), "inverted_pendulum": (950, 300), "mountain_car_continuous": (90, 300)}
"""Least mean return, and most seconds of training, start-up included."""


def main() -> int:
    """Train and test; 1 if any run misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    print("| recipe | seed | steps | seconds | test return, mean | target | |\n|---|---|---|---|---|---|---|")
    passed = True
    with tempfile.TemporaryDirectory() as directory:
        for recipe in arguments.recipes:
            for seed in arguments.seeds:
                passed &= _train_and_test(recipe, seed, Path(directory))
    return 0 if passed else 1


def _train_and_test(recipe: str, seed: int, directory: Path) -> bool:
    target, limit = TARGETS[recipe]
    run = directory / recipe / f"seed{seed}"
    start = time.monotonic()
    _lit(
        "fit",
        f"--config={recipe}.yaml",
        f"--seed_everything={seed}",
        f"--trainer.logger.save_dir={directory}",
        f"--trainer.logger.name={recipe}",
        f"--trainer.logger.version=seed{seed}",
    )
    seconds = time.monotonic() - start
    _lit("test", f"--ckpt_path={run}")
    score = json.loads(next(run.glob("test-*.json")).read_text())
    good = score["mean"] >= target and seconds <= limit
    print(
        f"| {recipe} | {seed} | {score['trained_steps']:,} | {seconds:.0f} | {score['mean']:.1f} "
        f"| {target} in {limit} s | {'pass' if good else 'MISS'} |",
        flush=True,
    )
    return good


def _lit(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "lit_a3c", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"lit-a3c {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
