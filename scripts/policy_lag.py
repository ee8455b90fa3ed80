"""What V-trace does against stale actors: a config trained with actors an exact number of updates behind.

    python scripts/policy_lag.py [--config cartpole] [--lag 20] [--seeds 0 1 2] [OPTIONS OF lit-a3c fit ...]

The engine is ``serial``, so that the lag is exact and every run can be repeated. Prints a Markdown table of the
training return over the last 100 episodes and of the best validation.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from collections import deque
from pathlib import Path

import torch
from torch import Tensor

from lit_a3c import ActorCritic
from lit_a3c.cli.main import main as lit
from lit_a3c.engines.base import RolloutConfig
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.registry import SOURCES
from lit_a3c.engines.serial import SerialSource
from lit_a3c.experiments.run import NO_VIDEO
from lit_a3c.metrics.rows import ReadableRows

METRICS = ("train/return", "val/return_mean", "train/policy_lag")


class DelayedSource(SerialSource):
    """Its actors have the weights that were published ``lag`` times ago, or the oldest ones while there were fewer."""

    lag = 0

    def __init__(self, config: RolloutConfig, policy: ActorCritic, ledger: StepLedger) -> None:
        super().__init__(config, policy, ledger)
        self._past: deque[tuple[int, list[Tensor]]] = deque(maxlen=self.lag + 1)

    @torch.no_grad()
    def publish(self, version: int) -> None:
        self._past.append((version, [tensor.clone() for tensor in self._learner]))
        self._version, weights = self._past[0]
        for actor in self._actors:
            torch._foreach_copy_(actor.weights, weights)


def main() -> int:
    """Train each seed without lag, with it, and with V-trace against it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default="cartpole")
    parser.add_argument("--lag", type=int, default=20, help="updates between the weights that act and those that learn")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    arguments, options = parser.parse_known_args()
    SOURCES["serial"] = DelayedSource
    print("| lag | V-trace | seed | steps | last 100 episodes | best validation |\n|---|---|---|---|---|---|")
    for lag, vtrace in ((0, False), (arguments.lag, False), (arguments.lag, True)):
        DelayedSource.lag = lag
        for seed in arguments.seeds:
            corrected = f"--model.vtrace={str(vtrace).lower()}"
            rows = train(arguments.config, f"--seed_everything={seed}", corrected, *options)
            returns, validations, lags = (numbers(rows, name) for name in METRICS)
            assert max(lags) == lag, f"the lag was {max(lags)}"
            print(
                f"| {lag} | {'yes' if vtrace else 'no'} | {seed} | {int(rows[-1]['step']):,} "
                f"| {returns[-1]:.1f} | {max(validations):.1f} |",
                flush=True,
            )
    return 0


def train(config: str, *options: str) -> list[dict[str, str]]:
    """The ``metrics.csv`` of a training in this process.

    Raises:
        SystemExit: The training failed. Its message has been printed.
    """
    with tempfile.TemporaryDirectory() as directory:
        fixed = ("--engine=serial", NO_VIDEO, "--trainer.enable_progress_bar=false")
        command = ["fit", f"--config={config}.yaml", *fixed, f"--trainer.logger.save_dir={directory}", *options]
        with contextlib.redirect_stdout(sys.stderr):  # only the table goes to stdout
            code = lit(command)
        if code:
            sys.exit(code)
        [file] = Path(directory).rglob("metrics.csv")
        return list(ReadableRows(file))


def numbers(rows: list[dict[str, str]], metric: str) -> list[float]:
    """The values of a metric, in the order of the training."""
    return [float(row[metric]) for row in rows if row.get(metric)]


if __name__ == "__main__":
    sys.exit(main())
