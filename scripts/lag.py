"""What V-trace does against stale actors: a recipe trained with actors an exact number of updates behind.

    python scripts/lag.py [--recipe cartpole] [--lag 20] [--seeds 0 1 2] [OPTIONS OF lit-a3c fit ...]

In ``serial`` mode, so that the lag is exactly what is asked for and every run can be repeated. Prints a Markdown table
of the training return over the last 100 episodes and of the best validation.
"""

from __future__ import annotations

import argparse
import copy
import csv
import sys
import tempfile
from collections import deque
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from lit_a3c import ActorCritic, Rollout, data
from lit_a3c.actor import CollectConfig, tensors_of
from lit_a3c.collect import collect
from lit_a3c.main import main as lit


class Delayed:
    """A collection whose actors have the weights of ``lag`` pushes ago.

    Args:
        config: What to collect.
        policy: The learner's.
    """

    lag = 0

    def __init__(self, config: CollectConfig, policy: ActorCritic) -> None:
        old = copy.deepcopy(policy)
        self._learner, self._old = tensors_of(policy), tensors_of(old)
        self._past: deque[list[Tensor]] = deque(maxlen=self.lag + 1)
        self._collection = collect(config, old)

    def push(self) -> None:
        """Let the actors have the next of the old weights."""
        self._past.append([tensor.clone() for tensor in self._learner])
        torch._foreach_copy_(self._old, self._past[0])
        self._collection.push()

    def next(self) -> Rollout:
        """A rollout by the old weights."""
        rollout = self._collection.next()
        return replace(rollout, version=rollout.learner_version - len(self._past) + 1)

    def close(self) -> None:
        """End."""
        self._collection.close()


def main() -> int:
    """Train each seed without lag, with it, and with V-trace against it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recipe", default="cartpole")
    parser.add_argument("--lag", type=int, default=20, help="updates between the weights that act and those that learn")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments, options = parser.parse_known_args()
    data.collect = Delayed  # type: ignore[assignment]
    print("| lag | V-trace | seed | steps | last 100 episodes | best validation |\n|---|---|---|---|---|---|")
    for lag, vtrace in ((0, False), (arguments.lag, False), (arguments.lag, True)):
        Delayed.lag = lag
        for seed in arguments.seeds:
            with tempfile.TemporaryDirectory() as directory:
                code = lit(
                    f"fit --config {arguments.recipe}.yaml --seed_everything {seed} --trainer.strategy auto "
                    f"--data.mode serial --model.vtrace {str(vtrace).lower()} --trainer.enable_progress_bar false "
                    f"--trainer.logger.save_dir {directory}".split()
                    + options
                )
                if code:
                    return code
                [file] = Path(directory).rglob("metrics.csv")
                rows = list(csv.DictReader(file.read_text().splitlines()))
            returns = [float(row["train/return"]) for row in rows if row.get("train/return")]
            validations = [float(row["val/return_mean"]) for row in rows if row.get("val/return_mean")]
            lags = {round(float(row["train/policy_lag"])) for row in rows if row.get("train/policy_lag")}
            assert max(lags) == lag, f"the lag was {lags}"
            print(
                f"| {lag} | {'yes' if vtrace else 'no'} | {seed} | {int(float(rows[-1]['step'])):,} "
                f"| {returns[-1]:.1f} | {max(validations):.1f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
