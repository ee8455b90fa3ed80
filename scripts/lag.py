"""What V-trace does against stale actors: a recipe trained with actors an exact number of updates behind.

    python scripts/lag.py [--recipe cartpole] [--lag 20] [--seeds 0 1 2] [OPTIONS OF lit-a3c fit ...]

In ``serial`` mode, so that the lag is exactly what is asked for and every run can be repeated. Prints a Markdown table
of the training return over the last 100 episodes and of the best validation.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import deque
from dataclasses import replace
from pathlib import Path

from reproduce import without_films
from torch import Tensor

from lit_a3c import ActorCritic, Rollout, stream
from lit_a3c.actor import CollectConfig
from lit_a3c.collect import Serial
from lit_a3c.main import main as lit

METRICS = ("train/return", "val/return_mean", "train/policy_lag")


class Delayed(Serial):
    """A collection whose actors have the weights of ``lag`` pushes ago, or the oldest while there were fewer."""

    lag = 0

    def __init__(self, config: CollectConfig, policy: ActorCritic) -> None:
        super().__init__(config, policy)
        self._newest = self._learner
        self._past: deque[list[Tensor]] = deque(maxlen=self.lag + 1)

    def push(self) -> None:
        self._past.append([tensor.clone() for tensor in self._newest])
        self._learner = self._past[0]
        super().push()

    def next(self) -> Rollout:
        rollout = super().next()
        return replace(rollout, version=rollout.version - len(self._past) + 1)


def main() -> int:
    """Train each seed without lag, with it, and with V-trace against it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", default="cartpole")
    parser.add_argument("--lag", type=int, default=20, help="updates between the weights that act and those that learn")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments, options = parser.parse_known_args()
    stream.collect = Delayed  # type: ignore[assignment]
    print("| lag | V-trace | seed | steps | last 100 episodes | best validation |\n|---|---|---|---|---|---|")
    for lag, vtrace in ((0, False), (arguments.lag, False), (arguments.lag, True)):
        Delayed.lag = lag
        for seed in arguments.seeds:
            corrected = f"--model.vtrace={str(vtrace).lower()}"
            rows = train(arguments.recipe, f"--seed_everything={seed}", corrected, *options)
            returns, validations, lags = (numbers(rows, name) for name in METRICS)
            assert max(lags) == lag, f"the lag was {max(lags)}"
            print(
                f"| {lag} | {'yes' if vtrace else 'no'} | {seed} | {int(rows[-1]['step']):,} "
                f"| {returns[-1]:.1f} | {max(validations):.1f} |",
                flush=True,
            )
    return 0


def train(recipe: str, *options: str) -> list[dict[str, str]]:
    """The ``metrics.csv`` of a training in this process.

    Raises:
        SystemExit: It failed, and has said why.
    """
    with tempfile.TemporaryDirectory() as directory:
        mode = ("--trainer.strategy=auto", "--data.mode=serial", "--trainer.enable_progress_bar=false")
        out = f"--trainer.logger.save_dir={directory}"
        if code := lit(["fit", f"--config={recipe}.yaml", without_films(f"{recipe}.yaml"), *mode, out, *options]):
            sys.exit(code)
        [file] = Path(directory).rglob("metrics.csv")
        return list(csv.DictReader(file.read_text().splitlines()))


def numbers(rows: list[dict[str, str]], metric: str) -> list[float]:
    """The values of a metric, in the order of the training."""
    return [float(row[metric]) for row in rows if row.get(metric)]


if __name__ == "__main__":
    sys.exit(main())
