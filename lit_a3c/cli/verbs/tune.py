"""``lit-a3c tune``: a search for better values of options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml

from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.cli.verbs.with_fit_options import (
    FitOptionsParser,
    count,
    directory_of,
    first_difference,
    parallel,
    value_of,
    workers_of,
)
from lit_a3c.engines.processes import cores
from lit_a3c.utils.disk import replace_whole
from lit_a3c.utils.errors import ConfigError, RunError
from lit_a3c.utils.extras import require
from lit_a3c.utils.options import CLASSES, by_option
from lit_a3c.utils.paths import user_path
from lit_a3c.utils.signals import INTERRUPTION

FRESH_SEED = 1000
"""The first of the seeds that no trial has had. The trials have 0, 1, ..."""


def parser() -> VerbParser:
    """Its options."""
    parser = FitOptionsParser(
        "tune",
        "Search for better values of options with Optuna, by the mean return of validations. A search that was ended "
        "goes on where it was. The best values are then trained and tested with seeds that the search has not seen.",
        {"seed_everything": "The seeds are 0, 1, ... for the trials (--seeds_per_trial), others for the last score."},
    )
    parser.add_argument("--space", required=True, metavar="FILE", help="YAML: an option of fit, and its range")
    parser.add_argument("--trials", type=count, default=20, metavar="N", help="trials in all (20)")
    parser.add_argument("--seeds_per_trial", type=count, default=1, metavar="N", help="trainings of a trial (1)")
    parser.add_argument("--fresh_seeds", type=int, default=3, metavar="N", help="seeds of the last score (3), or 0")
    parser.add_argument("--parallel", type=parallel, default=None, metavar="N", help="trials at a time, or auto")
    parser.add_argument("--directory", help="where everything goes; by default runs/tune/CONFIG")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Make the trials that are missing, and score the best values; 1 if one of these runs failed."""
    if not 0 <= arguments.fresh_seeds <= 1000:
        raise ConfigError(f"--fresh_seeds {arguments.fresh_seeds} must be at least 0 and at most 1000.")
    if any(option.partition("=")[0] in ("--config", "-c") for option in arguments.other_options):
        raise ConfigError("tune takes one config. Another one can build on it with base:.")
    require("optuna", "tune", "tune")
    directory = directory_of(arguments.directory, "tune", arguments.config)

    from lit_a3c.experiments.space import read_space

    ranges = read_space(user_path(arguments.space, "--space"))
    base = _check_space(arguments, ranges)

    from lit_a3c.experiments.results import Cell
    from lit_a3c.experiments.run import Run
    from lit_a3c.experiments.search import Search
    from lit_a3c.experiments.sweep import lock_sweep

    workers, at_once = workers_of(base, cores(), arguments.parallel)

    def make_run(files: Path, seed: int, options: list[str]) -> Run:
        cell = Cell(base["data"]["env_id"], base["engine"], seed)
        whole = (*arguments.other_options, *options)
        return Run(files, arguments.config, cell, base["data"]["total_steps"], workers, whole)

    own = {r.option: value_of(base, r.option) for r in ranges}
    described = {
        name: value for name, value in by_option(base, whole=CLASSES) if name not in ("num_workers", "seed_everything")
    }
    described |= {"--space": list(map(repr, ranges)), "--seeds_per_trial": arguments.seeds_per_trial}
    seeds = list(range(arguments.seeds_per_trial))
    search = Search(directory, ranges, seeds, arguments.trials, make_run, described, own, at_once)
    lock = lock_sweep(directory)
    try:
        search.open()
        INTERRUPTION.training = INTERRUPTION.interruptible = True  # a signal lets the runs save
        search.make()
        return _score_best(search, arguments, workers, at_once)
    except KeyboardInterrupt:
        print("lit-a3c: the runs have saved. The same command goes on where they were.", flush=True)
        return 1  # the exit code is that of the signal
    finally:
        lock.release()


def _check_space(arguments: argparse.Namespace, ranges: list[Any]) -> dict[str, Any]:
    """The whole config of the search, once ``fit`` has taken the extremes of all ranges.

    Raises:
        ConfigError: ``fit`` has no such option, or refuses a value.
    """
    from lit_a3c.cli.dry_run import fit_config
    from lit_a3c.experiments.space import as_options

    fixed = [f"--config={arguments.config}", *arguments.other_options]
    base = fit_config(fixed)
    given = {option.lstrip("-").partition("=")[0] for option in arguments.other_options if option.startswith("--")}
    not_searched = {"data.env_id", "data.total_steps", "seed_everything", "engine", "num_workers", "ckpt_path"}
    for r in ranges:
        if r.option in given:
            raise ConfigError(f"--space: {r.option} is also given as an option, which would fix it.")
        if r.option in not_searched or r.option.startswith("trainer.logger"):
            raise ConfigError(f"--space: {r.option} cannot be searched: trials would not be comparable.")
    for i in range(max(len(r.extremes) for r in ranges)):
        together = {r.option: r.extremes[min(i, len(r.extremes) - 1)] for r in ranges}
        try:
            fit_config([*fixed, *as_options(together)])
        except ConfigError:
            for option, value in together.items():  # the one that is refused by itself, if any
                try:
                    fit_config([*fixed, *as_options({option: value})])
                except ConfigError as error:
                    raise ConfigError(f"--space: {error}") from error
    return base


def _score_best(search: Any, arguments: argparse.Namespace, workers: int, at_once: int) -> int:
    """Write the best values as a config, and score them with seeds that the search has not seen.

    Raises:
        RunError: No trial has a score.
    """
    from lit_a3c.experiments.results import Cell
    from lit_a3c.experiments.run import Run
    from lit_a3c.experiments.search import CONFIG, in_words
    from lit_a3c.experiments.sweep import Sweep, directory_name

    best = search.best
    if best is None:
        raise RunError("no trial has a score, so there is no best one.")
    file = search.directory / "best.yaml"
    config = write_config(file, arguments, best)
    same = ", which is the config as it was" * bool(best.user_attrs.get(CONFIG))
    print(f"lit-a3c: the best of {search.done} is trial {best.number}{same}: {in_words(best.params)}", flush=True)
    if not arguments.fresh_seeds:
        print(f"lit-a3c: written to {file}. To train it: lit-a3c fit --config {file}")
        return 0
    fresh = search.directory / f"fresh-trial{best.number}"
    environment = config["data"]["env_id"]
    runs = [
        Run(
            fresh / directory_name(environment) / f"seed{seed}",
            str(file),
            Cell(environment, config["engine"], seed),
            config["data"]["total_steps"],
            workers,
        )
        for seed in range(FRESH_SEED, FRESH_SEED + arguments.fresh_seeds)
    ]
    sweep = Sweep(f"trial {best.number} with fresh seeds", fresh / "results.csv", runs, at_once)
    whole = sweep.make()
    print(sweep.table())
    print(
        f"lit-a3c: in the search it had {best.value:,.1f}. That is the best of {search.done} trials by the very "
        "validations that it was chosen by, so it is optimistic. The table above is not: its seeds are fresh."
    )
    print(f"lit-a3c: written to {file}. To train it: lit-a3c fit --config {file}", flush=True)
    return 0 if whole else 1


def write_config(file: Path, arguments: argparse.Namespace, best: Any) -> dict[str, Any]:
    """Write the options that differ from the config, behind ``base:``; the whole config that ``fit`` reads from it."""
    from lit_a3c.cli.configs import resolve_config, shipped_configs
    from lit_a3c.cli.dry_run import fit_config
    from lit_a3c.experiments.space import as_options

    source = resolve_config(arguments.config, "CONFIG")
    base = source.name if source in shipped_configs().values() else str(source.absolute())
    wanted = fit_config([f"--config={arguments.config}", *arguments.other_options, *as_options(best.params)])
    changes = _changes(fit_config([f"--config={arguments.config}"]), wanted)
    title = f"# Trial {best.number} of lit-a3c tune, with a score of {best.value:.6g} in the search.\n"
    replace_whole(file, (title + yaml.safe_dump({"base": base, **changes}, sort_keys=False)).encode())
    if first_difference(wanted, fit_config([f"--config={file}"]), ()):  # a class of which arguments would remain
        replace_whole(file, (title + yaml.safe_dump(wanted, sort_keys=False)).encode())
    return wanted


def _changes(base: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """What must be set in the first config to have the second. The arguments of a class stand together."""
    found: dict[str, Any] = {}
    for name, value in wanted.items():
        before = base.get(name)
        if isinstance(value, dict) and isinstance(before, dict) and "class_path" not in {*value, *before}:
            if inner := _changes(before, value):
                found[name] = inner
        elif value != before:
            found[name] = value
    return found
