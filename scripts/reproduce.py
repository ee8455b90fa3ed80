"""Train and score configs x environments x seeds through the command line: one CSV row per evaluation.

    python scripts/reproduce.py beta-1m [--environments Hopper-v5 ...] [--seeds 0 1] [--jobs 2] [options of fit]
    python scripts/reproduce.py 'ablation-*'
    python scripts/report.py docs/results/beta-1m.csv

The experiments stand in ``experiments.py``, and each is made as ``lit-a3c sweep`` makes one. One that was interrupted
goes on where it was: a finished run is known by its rows in ``docs/results/EXPERIMENT.csv``, and an unfinished run goes
on from its last checkpoint in ``runs/reproduce/EXPERIMENT/ENVIRONMENT/seedN``. The jobs share the cores evenly.
"""

from __future__ import annotations

import argparse
import fnmatch
import itertools
import subprocess
import sys
from pathlib import Path

from experiments import EXPERIMENTS

from lit_a3c.cli.dry_run import fit_config
from lit_a3c.engines.processes import cores
from lit_a3c.experiments.results import Cell
from lit_a3c.experiments.run import Run
from lit_a3c.experiments.sweep import Sweep, lock_sweep
from lit_a3c.utils.errors import ConfigError

ROOT = Path(__file__).parents[1]


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
    try:
        sweeps = [sweep_of(name, arguments, options) for name in names]
        locks = [lock_sweep(Path("runs/reproduce", name)) for name in names]
        made = [sweep.make() for sweep in sweeps]
    except ConfigError as error:
        raise SystemExit(f"reproduce.py: {error}") from error
    for lock in locks:
        lock.release()
    return 0 if all(made) else 1


def sweep_of(name: str, arguments: argparse.Namespace, options: list[str]) -> Sweep:
    """An experiment as a sweep, seed by seed.

    Raises:
        ConfigError: ``fit`` refuses an option.
    """
    experiment = EXPERIMENTS[name]
    environments = [env for env in experiment.environments if env in (arguments.environments or [env])]
    workers, of_environment = max(1, cores() // arguments.jobs), {}
    for environment in environments:
        given = (
            f"--data.total_steps={experiment.total_steps}",
            *experiment.options,
            *experiment.of_environment.get(environment, ()),
            *options,
        )
        whole = fit_config([f"--config={experiment.config}.yaml", *given, f"--data.env_id={environment}"])
        if whole["num_workers"] == "auto":
            whole["num_workers"] = workers
        of_environment[environment] = given, whole
    runs = []
    for seed, environment in itertools.product(arguments.seeds or experiment.seeds, environments):
        given, whole = of_environment[environment]
        runs.append(
            Run(
                Path("runs/reproduce", name, environment.split("/")[-1], f"seed{seed}").absolute(),
                f"{experiment.config}.yaml",
                Cell(environment, whole["engine"], seed),
                whole["data"]["total_steps"],
                whole["num_workers"],
                given,
                experiment.test_episodes,
            )
        )
    return Sweep(name, arguments.output / f"{name}.csv", runs, arguments.jobs)


def lit(*arguments: str) -> None:
    """Run ``lit-a3c ARGUMENTS``.

    Raises:
        RuntimeError: The command failed. The message is the end of what it wrote.
    """
    done = subprocess.run([sys.executable, "-m", "lit_a3c", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"lit-a3c {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
