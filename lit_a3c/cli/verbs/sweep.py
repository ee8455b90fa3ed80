"""``lit-a3c sweep``: one config with several seeds, environments and engines."""

from __future__ import annotations

import argparse
import itertools
import time
from pathlib import Path
from typing import Any

from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.cli.verbs.with_fit_options import (
    FitOptionsParser,
    directory_of,
    first_difference,
    parallel,
    seeds,
    workers_of,
)
from lit_a3c.engines.processes import cores
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.paths import user_path
from lit_a3c.utils.signals import INTERRUPTION

MAY_DIFFER = (
    *("seed_everything", "num_workers", "trainer.logger", "trainer.enable_progress_bar", "video.every_n_steps"),
    *("ckpt_path", "init_from"),
)
"""Options of a run that say nothing of what it learns, or that the sweep itself sets."""


def parser() -> VerbParser:
    """Its options."""
    parser = FitOptionsParser(
        "sweep",
        "Train and test a config with several seeds, environments and engines. A sweep that was ended goes on where it "
        "was: the same command makes what is missing. All options of fit can be given, for every run the same.",
        {"seed_everything": "Use --seeds."},
    )
    parser.add_argument("--seeds", nargs="+", default=["0..4"], metavar="N", help="0 1 2, or 0..4 (the default)")
    parser.add_argument("--env_ids", nargs="+", metavar="ID", help="environments; by default that of the config")
    parser.add_argument("--engines", nargs="+", metavar="NAME", help="engines; by default that of the config")
    parser.add_argument(
        "--parallel",
        type=parallel,
        default=None,
        metavar="N",
        help="runs at a time, or auto: as many as the cores have room for, each with --num_workers processes",
    )
    parser.add_argument("--directory", help="where the runs go; by default runs/sweeps/CONFIG")
    parser.add_argument("--output", help="the table of all scores, a CSV file; by default DIRECTORY/results.csv")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Make the runs that are missing; 1 if one of them failed."""
    chosen = seeds(arguments.seeds, "--seeds")
    directory = directory_of(arguments.directory, "sweeps", arguments.config)
    output = user_path(arguments.output, "--output") if arguments.output else directory / "results.csv"
    if output.is_dir():
        raise ConfigError(f"--output {str(output)!r} is a directory.")
    configs = _configs(arguments)

    from lit_a3c.experiments.results import Cell, read
    from lit_a3c.experiments.run import Run
    from lit_a3c.experiments.sweep import Sweep, directory_name, lock_sweep

    read(output)  # which may be no table
    planned = {key: workers_of(config, cores(), arguments.parallel) for key, config in configs.items()}
    runs = []
    for seed, (environment, engine) in itertools.product(chosen, configs):
        name = directory_name(environment) + (f"-{engine}" if arguments.engines else "")
        config, (workers, _) = configs[environment, engine], planned[environment, engine]
        runs.append(
            Run(
                directory / name / f"seed{seed}",
                arguments.config,
                Cell(environment, engine, seed),
                config["data"]["total_steps"],
                workers,
                tuple(arguments.other_options),
            )
        )
        _check_unchanged(runs[-1], config)
    sweep = Sweep(directory.resolve().name, output, runs, min(at_once for _, at_once in planned.values()))
    lock = lock_sweep(directory)
    start = time.monotonic()
    INTERRUPTION.training = INTERRUPTION.interruptible = True  # a signal lets the runs save
    try:
        whole = sweep.make()
    except KeyboardInterrupt:
        print("lit-a3c: the runs have saved. The same command goes on where they were.", flush=True)
        return 1  # the exit code is that of the signal
    finally:
        lock.release()
    print(sweep.table())
    print(f"lit-a3c: written to {output} in {time.monotonic() - start:,.0f} s", flush=True)
    if not whole:
        print(
            f"lit-a3c: {len(sweep.failed)} of {len(runs)} runs failed. The same command tries them again.", flush=True
        )
    return 0 if whole else 1


def _configs(arguments: argparse.Namespace) -> dict[tuple[str, str], dict[str, Any]]:
    """The whole config of every environment with every engine. What ``fit`` would refuse is refused now."""
    from lit_a3c.cli.dry_run import fit_config

    found = {}
    for environment, engine in itertools.product(arguments.env_ids or [None], arguments.engines or [None]):
        varied = [f"--data.env_id={environment}"] if environment else []
        varied += [f"--engine={engine}"] if engine else []
        config = fit_config([f"--config={arguments.config}", *arguments.other_options, *varied])
        key = config["data"]["env_id"], config["engine"]
        if key in found:
            raise ConfigError(f"{key[0]} with the engine {key[1]} is asked for twice.")
        found[key] = config
    return found


def _check_unchanged(run: Any, config: dict[str, Any]) -> None:
    """Refuse to go on with other options than a run was begun with.

    Raises:
        ConfigError: By the first option that differs.
    """
    from lit_a3c.utils.yaml_strict import load_yaml

    file: Path = run.directory / "config.yaml"
    if not file.exists():
        return
    if difference := first_difference(load_yaml(file.read_text()), config, MAY_DIFFER):
        raise ConfigError(
            f"{str(run.directory)!r} has a run of another sweep: {difference}. Give this one a --directory of its own."
        )
