"""``lit-a3c score``: the test scores of runs, over seeds and environments."""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from lit_a3c.cli.run_arguments import HELP, add_output, find_runs, output_file, write_output
from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.metrics.curves import grouped
from lit_a3c.metrics.scores import (
    Estimate,
    ScoreSet,
    aggregates,
    improvement,
    merged,
    of_runs,
    of_seeds,
    of_table,
    references,
    unequal_episodes,
)
from lit_a3c.metrics.statistics import standard_deviation
from lit_a3c.utils.disk import say
from lit_a3c.utils.errors import ConfigError
from lit_a3c.utils.paths import user_path

KINDS = (".json", ".csv")
HEAD = ("environment", "seeds", "mean", "sd", "95% interval", "normalised")
FIELDS = ("set", "environment", "seeds", "mean", "sd", "low", "high", "normalised")
"""Columns of a CSV file that this command writes."""


def parser() -> VerbParser:
    """The options."""
    parser = VerbParser(
        "score",
        "Test scores of runs by environment, and over all environments: mean, median and interquartile mean (IQM) of "
        "normalised scores, with 95% stratified bootstrap intervals over seeds. The scores are those of "
        "`lit-a3c test`, or of a CSV file.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"{HELP}; or CSV files of scores")
    parser.add_argument(
        "--against",
        action="append",
        metavar="RUN",
        help="also the probability of an improvement over these; may be given several times",
    )
    parser.add_argument(
        "--checkpoint", default="best", choices=["best", "last"], help="the checkpoint whose test counts (best)"
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        help="CSV file with the columns environment, zero and one: the scores that are 0 and 1 after normalisation. "
        "Those of Atari are known: random and human play",
    )
    add_output(parser, None, "write the numbers to a .json or .csv file, too")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Print the scores.

    Raises:
        ConfigError: A run has no score, or the scores cannot be compared.
    """
    output = output_file(arguments.output, KINDS, overwrite=arguments.overwrite) if arguments.output else None
    sets = _sets(arguments.runs, arguments.checkpoint)
    others = _sets(arguments.against, arguments.checkpoint) if arguments.against else []
    if len(others) > 1:
        raise ConfigError("--against takes one group of runs.")
    file = None if arguments.reference is None else user_path(arguments.reference, "--reference")
    environments = sorted({environment for scores in (*sets, *others) for environment in scores.by_environment})
    scale = references(file, environments)
    numbers = [_numbers(scores, scale) for scores in (*sets, *others)]
    for scores, found in zip((*sets, *others), numbers, strict=True):
        heading = "against" if scores in others and not scores.name else scores.name
        print("\n".join([*([f"{heading}:"] if heading else []), *_lines(found), *_problems(scores, scale, found)]))
    for scores, found in zip(sets, numbers, strict=False):
        for other in others:
            shared, estimate = improvement(scores, other)
            found["improvement"] = _plain(estimate)
            where = f"over {len(shared)} environments" if len(shared) > 1 else f"in {shared[0]}"
            better = (
                f"a run{f' of {scores.name}' if scores.name else ''} is better than one of {other.name or 'the others'}"
            )
            print(f"probability that {better}, {where}: {_words(estimate)}")
    if output is not None:
        write_output(output, _encoded(numbers, output.suffix.lower()))
    return 0


def _sets(given: Sequence[str], checkpoint: str) -> list[ScoreSet]:
    """The scores of the runs or files that the user names."""
    tables, directories = [], []
    for argument in given:
        name, _, path = argument.rpartition("=")
        if path.lower().endswith(".csv") and (file := user_path(path, "the run")).is_file():
            tables.append(of_table(file, checkpoint, name))
        else:
            directories.append(argument)
    if not directories:
        return merged(tables)
    runs = find_runs(directories)
    for group in grouped(runs):
        if group.warning:
            say(f"{group.env_id}: {group.warning}")
    if unequal := unequal_episodes(runs, checkpoint):
        say(f"{unequal}.")
    return merged([*tables, *of_runs(runs, checkpoint)])


def _numbers(scores: ScoreSet, scale: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """All numbers of a set, in plain types."""
    rows = {}
    for environment, values in sorted(scores.by_environment.items()):
        estimate = of_seeds(values)
        zero, one = scale.get(environment, (None, None))
        rows[environment] = {
            "seeds": len(values),
            **_plain(estimate),
            "sd": standard_deviation(values) if len(values) > 1 else None,
            "normalised": None if zero is None or one is None else (estimate.value - zero) / (one - zero),
        }
    own = {environment: scale[environment] for environment in rows if environment in scale}
    found: dict[str, Any] = {"set": scores.name, "environments": rows, "aggregates": {}}
    if len(own) > 1 and len({rows[environment]["seeds"] for environment in own}) == 1:
        found["aggregates"] = {name: _plain(estimate) for name, estimate in aggregates(scores, own).items()}
    return found


def _lines(found: dict[str, Any]) -> Iterator[str]:
    rows = [HEAD]
    for environment, row in found["environments"].items():
        sd = "-" if row["sd"] is None else f"{row['sd']:,.2f}"
        normalised = "-" if row["normalised"] is None else f"{row['normalised']:.3f}"
        rows.append((environment, str(row["seeds"]), f"{row['value']:,.2f}", sd, _interval(row["ci95"]), normalised))
    columns = list(zip(*rows, strict=True))
    shown = [column for column in columns if column[0] != "normalised" or set(column[1:]) != {"-"}]
    widths = [max(map(len, column)) for column in shown]
    for cells in zip(*shown, strict=True):
        padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
        yield "  ".join([cells[0].ljust(widths[0]), *padded[1:]]).rstrip()
    for name, row in found["aggregates"].items():
        yield f"{name:<16}{_words(Estimate(row['value'], row['ci95']))}"


def _problems(scores: ScoreSet, scale: dict[str, tuple[float, float]], found: dict[str, Any]) -> Iterator[str]:
    """What could not be computed, and why."""
    rows = found["environments"]
    if any(row["seeds"] == 1 for row in rows.values()):
        yield "One seed has no interval over seeds. The interval in its test-*.json is over episodes of the one policy."
    without = [environment for environment in rows if environment not in scale]
    if len(rows) == 1:
        return
    if len(without) < len(rows) - 1 and without:
        yield f"The aggregates are without {', '.join(without)}: no reference scores (--reference FILE)."
    elif without:
        yield "No aggregates: these environments have no reference scores (--reference FILE)."
    elif not found["aggregates"]:
        try:
            scores.matrix([environment for environment in rows if environment in scale])
        except ConfigError as error:
            yield f"No aggregates: {error}"


def _plain(estimate: Estimate) -> dict[str, Any]:
    return {"value": estimate.value, "ci95": None if estimate.interval is None else list(estimate.interval)}


def _words(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({_interval(estimate.interval, '.3f')})"


def _interval(interval: Sequence[float] | None, form: str = ",.2f") -> str:
    return "one seed" if interval is None else f"{interval[0]:{form}} to {interval[1]:{form}}"


def _encoded(numbers: list[dict[str, Any]], kind: str) -> bytes:
    if kind == ".json":
        return (json.dumps(numbers, indent=2) + "\n").encode()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for found in numbers:
        for environment, row in found["environments"].items():
            low, high = row["ci95"] or (None, None)
            cells = {name: row[name] for name in ("seeds", "sd", "normalised")} | {"mean": row["value"]}
            writer.writerow({"set": found["set"], "environment": environment, "low": low, "high": high, **cells})
    return text.getvalue().encode()
