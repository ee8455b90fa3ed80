"""Train, test and pack the agents that come with the package. It may be stopped at any time, and goes on where it was.

    python scripts/agents.py [--agents CartPole-v1 Hopper-v5 ...] [--seeds 0 1 2] [--jobs 1] [options of fit]
    python scripts/agents.py --pack_only

``agents_trainings.py`` says how each agent is trained. All runs stay in ``runs/agents/AGENT/seedN``, and
``runs/agents/results.csv`` has their scores: they are made as ``lit-a3c sweep`` makes its own. The first seed of all
agents comes first, then the next one. Further options go to ``lit-a3c fit``.

At the end the seed with the best validation of each agent is written to ``lit_a3c/agents``, with the test scores of all
seeds that have finished, and the tables of ``docs/agents.md`` are written from these files.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from agents_files import Finished, pack_agent, write_page
from agents_trainings import TRAININGS

from lit_a3c.cli.dry_run import fit_config
from lit_a3c.experiments.results import Cell
from lit_a3c.experiments.run import Run
from lit_a3c.experiments.sweep import Sweep, lock_sweep
from lit_a3c.utils.errors import ConfigError

EPISODES = 100
"""Episodes of a test."""


def main() -> int:
    """Make the runs that are missing, and pack; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    parser.add_argument("--agents", nargs="+", default=list(TRAININGS), choices=list(TRAININGS), metavar="AGENT")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--directory", type=Path, default=Path("runs/agents"), help="of the runs")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--num_workers", type=int, default=2, help="workers of each run")
    parser.add_argument("--pack_only", action="store_true", help="train nothing: pack what has finished")
    arguments, options = parser.parse_known_args()
    made = True
    if not arguments.pack_only:
        try:
            lock = lock_sweep(arguments.directory)
            made = sweep_of(arguments, options).make()
        except ConfigError as error:
            raise SystemExit(f"agents.py: {error}") from error
        lock.release()
    for agent in arguments.agents:  # whatever seeds were asked for now
        places = [file.parent for file in arguments.directory.glob(f"{agent}/seed*/test-best.json")]
        if runs := [Finished(int(place.name.removeprefix("seed")), place) for place in places]:
            pack_agent(agent, runs)
    write_page()
    return 0 if made else 1


def sweep_of(arguments: argparse.Namespace, options: list[str]) -> Sweep:
    """All runs, seed by seed.

    Raises:
        ConfigError: ``fit`` refuses an option.
    """
    runs, engines = [], {}
    for agent in arguments.agents:
        training = TRAININGS[agent]
        given = [f"--config={training.config}.yaml", *training.given, *options, f"--data.env_id={training.env_id}"]
        engines[agent] = fit_config(given)["engine"]
    for seed, agent in itertools.product(arguments.seeds, arguments.agents):
        training = TRAININGS[agent]
        runs.append(
            Run(
                (arguments.directory / agent / f"seed{seed}").absolute(),
                f"{training.config}.yaml",
                Cell(training.env_id, engines[agent], seed),
                training.total_steps,
                arguments.num_workers,
                (*training.given, *options),
                EPISODES,
            )
        )
    return Sweep("agents", arguments.directory / "results.csv", runs, arguments.jobs)


if __name__ == "__main__":
    sys.exit(main())
