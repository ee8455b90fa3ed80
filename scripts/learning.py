"""Scores of the small configs: each is trained and tested through the command line, with seeds 0-2.

    python scripts/learning.py [--configs cartpole ...] [--seeds 0 1 2] [--engines async hogwild]
    python scripts/learning.py --configs mujoco --engines async hogwild --data.total_steps 300000

Prints a Markdown table. A run of a small config passes if the mean return of 100 test episodes reaches the target in
time. Further options go to ``lit-a3c fit``.
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

TARGETS = {
    "cartpole": (475, 60),
    "inverted_pendulum": (950, 300),
    "mountain_car_continuous": (90, 300),
    "pendulum": (-200, 600),
}
"""The least mean return, and the most seconds of training, start-up included. Other configs have none."""


def main() -> int:
    """Train and test; 1 if any run misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--configs", nargs="+", default=list(TARGETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--engines", nargs="+", default=["async"], help="async, sync, serial, hogwild")
    arguments, options = parser.parse_known_args()
    print(
        "| config | engine | seed | steps | seconds | test return, mean | target | |\n|---|---|---|---|---|---|---|---|"
    )
    passed = True
    with tempfile.TemporaryDirectory() as directory:
        for config, engine, seed in itertools.product(arguments.configs, arguments.engines, arguments.seeds):
            try:
                passed &= _train_and_test(config, engine, seed, options, Path(directory))
            except RuntimeError as error:
                raise SystemExit(str(error)) from error
    return 0 if passed else 1


def _train_and_test(config: str, engine: str, seed: int, options: list[str], directory: Path) -> bool:
    target, limit = TARGETS.get(config, (float("-inf"), float("inf")))
    run = directory / config / f"{engine}{seed}"
    start = time.monotonic()
    lit(
        "fit",
        f"--config={config}.yaml",
        f"--engine={engine}",
        f"--seed_everything={seed}",
        f"--trainer.logger.save_dir={directory}",
        f"--trainer.logger.name={config}",
        f"--trainer.logger.version={engine}{seed}",
        *options,
    )
    seconds = time.monotonic() - start
    lit("test", f"--ckpt_path={run}")
    score = json.loads(next(run.glob("test-*.json")).read_text())
    good = score["mean"] >= target and seconds <= limit
    aim, verdict = (f"{target} in {limit} s", "pass" if good else "MISS") if config in TARGETS else ("-", "")
    print(
        f"| {config} | {engine} | {seed} | {score['trained_steps']:,} | {seconds:.0f} | {score['mean']:.1f} "
        f"| {aim} | {verdict} |",
        flush=True,
    )
    return good


if __name__ == "__main__":
    sys.exit(main())
