"""The figures of the small recipes: each trained and tested through the command line, seeds 0-2.

    python scripts/learning.py [--recipes cartpole ...] [--seeds 0 1 2] [--modes async hogwild]
    python scripts/learning.py --recipes mujoco --modes async hogwild --data.total_steps 300000

Prints a Markdown table; a row of a small recipe passes where the mean return of 100 test episodes reaches the target.
Further options go to ``lit-a3c fit``. Lock-free workers are as many as cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

from reproduce import lit

from lit_a3c.processes import cores

TARGETS = {
    "cartpole": (475, 60),
    "inverted_pendulum": (950, 300),
    "mountain_car_continuous": (90, 300),
    "pendulum": (-200, 600),
}
"""Least mean return, and most seconds of training, start-up included; other recipes have none."""


def main() -> int:
    """Train and test; 1 if any run misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(TARGETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--modes", nargs="+", default=["async"], help="async, sync, serial, hogwild")
    arguments, options = parser.parse_known_args()
    print(
        "| recipe | mode | seed | steps | seconds | test return, mean | target | |\n|---|---|---|---|---|---|---|---|"
    )
    passed = True
    with tempfile.TemporaryDirectory() as directory:
        for recipe, mode, seed in itertools.product(arguments.recipes, arguments.modes, arguments.seeds):
            try:
                passed &= _train_and_test(recipe, mode, seed, options, Path(directory))
            except RuntimeError as error:
                raise SystemExit(str(error)) from error
    return 0 if passed else 1


def _train_and_test(recipe: str, mode: str, seed: int, options: list[str], directory: Path) -> bool:
    target, limit = TARGETS.get(recipe, (float("-inf"), float("inf")))
    run = directory / recipe / f"{mode}{seed}"
    hogwild = ("--trainer.strategy=hogwild", f"--trainer.devices={cores()}")
    learner = ("--trainer.strategy=auto", f"--data.mode={mode}")
    start = time.monotonic()
    lit(
        "fit",
        f"--config={recipe}.yaml",
        f"--seed_everything={seed}",
        f"--trainer.logger.save_dir={directory}",
        f"--trainer.logger.name={recipe}",
        f"--trainer.logger.version={mode}{seed}",
        *(hogwild if mode == "hogwild" else learner),
        *options,
    )
    seconds = time.monotonic() - start
    lit("test", f"--ckpt_path={run}")
    score = json.loads(next(run.glob("test-*.json")).read_text())
    good = score["mean"] >= target and seconds <= limit
    aim, verdict = (f"{target} in {limit} s", "pass" if good else "MISS") if recipe in TARGETS else ("-", "")
    print(
        f"| {recipe} | {mode} | {seed} | {score['trained_steps']:,} | {seconds:.0f} | {score['mean']:.1f} "
        f"| {aim} | {verdict} |",
        flush=True,
    )
    return good


if __name__ == "__main__":
    sys.exit(main())
