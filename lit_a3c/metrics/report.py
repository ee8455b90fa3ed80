"""A page about runs: curves, video, scores, config, ledger, machine and command of each, and a comparison.

A run may be a stranger's. Every text of its files is escaped, and no file outside its directory is read.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lit_a3c.metrics.curves import Group, grouped
from lit_a3c.metrics.drawing import draw_curves
from lit_a3c.metrics.page import document, element, facts, folded, note, table, video
from lit_a3c.metrics.runs import Run, printable
from lit_a3c.metrics.scores import of_seeds, unequal_episodes
from lit_a3c.metrics.statistics import standard_deviation

RETURNS = ("train/return", "val/return_mean")
"""The curves of a run."""
LARGEST_VIDEO = 24 * 2**20
"""Bytes of the largest video that goes into a page."""


@dataclass(frozen=True)
class Difference:
    """In which options a run differs from a shipped config.

    Attributes:
        name: The config.
        options: Of each option the value of the run and that of the config.
    """

    name: str
    options: Mapping[str, tuple[Any, Any]]


def report(runs: Sequence[Run], shipped: Mapping[Path, Difference | None], title: str = "") -> bytes:
    """The page, in HTML.

    Args:
        runs: At least one, each with metrics.
        shipped: Of each run's directory the difference from a shipped config.
        title: The heading.
    """
    groups = grouped(runs)
    heading = title or (runs[0].name if len(runs) == 1 else ", ".join(sorted({run.env_id for run in runs})))
    body = [element("h1", printable(heading))]
    if len(runs) > 1:
        body += _comparison(groups, runs)
    for number, run in enumerate(runs):
        body += _section(number, run, shipped.get(run.directory), alone=len(runs) == 1)
    return document(printable(heading), body)


def _comparison(groups: Sequence[Group], runs: Sequence[Run]) -> Iterator[str]:
    links = "".join(f'<a href="#run{i}">{element("span", run.name)}</a>' for i, run in enumerate(runs))
    yield f"<nav>{links}</nav>"
    if drawn := [metric for metric in RETURNS[:1] if any(metric in run.metrics for run in runs)]:
        yield draw_curves(groups, drawn, title="", kind=".svg", inline=True).decode()
    yield element("h3", "Scores over seeds")
    rows = []
    for group in groups:
        means = [run.tests["best"]["mean"] for run in group.runs if "best" in run.tests]
        label = "" if group.label == group.env_id else group.label
        if not means:
            rows.append((group.env_id, label, 0, "not tested", "", ""))
            continue
        estimate = of_seeds(_array(means))
        interval = "one seed: none" if estimate.interval is None else _range(estimate.interval)
        sd = standard_deviation(_array(means))
        rows.append((group.env_id, label, len(means), _number(estimate.value), _number(sd), interval))
    yield table(["environment", "group", "seeds", "mean return", "sd over seeds", "95% interval over seeds"], rows)
    yield note("Tests of the best checkpoints. The interval is a bootstrap interval of the mean over seeds.")
    if unequal := unequal_episodes(runs, "best"):
        yield note(f"Mind that {unequal}.")
    for group in groups:
        if group.warning:
            yield note(f"{group.env_id}: {group.warning}")


def _section(number: int, run: Run, difference: Difference | None, *, alone: bool) -> Iterator[str]:
    """All about one run."""
    name = f"{run.env_id}, seed {run.seed if run.seed is not None else 'unknown'}"
    yield element("h2", name if alone else f"{run.name}: {name}", f'id="run{number}"')
    (group,) = grouped([run])
    if drawn := [metric for metric in RETURNS if metric in run.metrics]:
        yield draw_curves([group], drawn, kind=".svg", title="", inline=True).decode()
    yield from _video(run)
    yield element("h3", "Score")
    yield from _scores(run)
    yield element("h3", "Training")
    yield facts(_training(run))
    yield from _starts(run)
    yield from _config(run, difference)


def _video(run: Run) -> Iterator[str]:
    if run.video is None:
        return
    yield element("h3", "Video")
    if run.video.stat().st_size > LARGEST_VIDEO:
        yield note(f"{run.video.name} is too large for this page.")
        return
    data = run.video.read_bytes()
    if data[4:8] != b"ftyp":
        yield note(f"{run.video.name} is no video.")
        return
    yield video(data)
    yield note(run.video.name)


def _scores(run: Run) -> Iterator[str]:
    if not run.tests:
        yield note(f"Not tested yet. lit-a3c test --ckpt_path {run.directory} writes the score.")
        return
    rows = []
    for checkpoint, score in run.tests.items():
        interval = score.get("ci95")
        shown = _range(interval) if isinstance(interval, list) and len(interval) == 2 else "-"
        shown = "one episode: none" if score.get("episodes") == 1 else shown
        cells = (_number(score["mean"]), shown, _number(score.get("sd")), score.get("episodes", "-"))
        human = score.get("human_normalized")
        rows.append((checkpoint, *cells, _count(score.get("trained_steps")), "-" if human is None else _number(human)))
    yield table(
        ["checkpoint", "mean return", "95% interval", "sd", "episodes", "trained steps", "human-normalised"], rows
    )
    yield note("The interval is over the episodes of this one policy. It says nothing about other seeds.")


def _training(run: Run) -> list[tuple[str, object]]:
    """What the last rows of the metrics say: counters, times, and where every step has gone."""
    learned = max((int(row["step"]) for row in run.rows), default=0)
    frames, seconds = (_largest(run, axis) for axis in ("frames", "time"))
    at, validations = run.series("val/return_mean")
    best = int(validations.argmax()) if len(at) else None
    return [
        ("steps", _count(learned)),
        ("frames", _count(frames)),
        ("time of training", None if seconds is None else _duration(seconds)),
        ("engine", run.options.get("engine")),
        ("workers", run.options.get("num_workers")),
        ("best validation", None if best is None else f"{_number(validations[best])} at step {_count(at[best])}"),
        ("last validation", None if best is None else f"{_number(validations[-1])} at step {_count(at[-1])}"),
        ("steps of the environments", _ledger(run)),
    ]


def _ledger(run: Run) -> str | None:
    """Where every step that the environments had taken was at the last row that says so."""
    steps, flight = run.series("train/steps_in_flight")
    _, discarded = run.series("train/steps_discarded")
    if not len(steps) or not len(discarded):
        return None
    parts = (steps[-1], flight[-1], discarded[-1])
    learned, waiting, lost = (_count(part) for part in parts)
    total = _count(sum(parts))
    return f"{total} collected = {learned} learned + {waiting} in flight + {lost} discarded, at step {learned}"


def _starts(run: Run) -> Iterator[str]:
    """The command, the machine and the versions of the first start, and what has changed with later ones."""
    yield element("h3", "Command, machine and versions")
    if not run.starts:
        yield note("Not known: the run has no starts.jsonl. It was made from Python, or by an older version.")
        return
    times = f"Started {len(run.starts)} times." if len(run.starts) > 1 else "Started once, never continued."
    yield note(f"{times} Workers that were replaced are not in the files of a run; their steps are those discarded.")
    before: dict[str, Any] = {}
    for start in run.starts:
        command = start.get("command")
        words = [str(word) for word in command] if isinstance(command, list) else []
        yield note(f"{printable(str(start.get('time', '')))}, from step {_count(start.get('step'))}")
        yield element("pre", f"lit-a3c {shlex.join(words)}" if words else "not by the command line", 'class="command"')
        for part in ("machine", "versions"):
            values = start.get(part)
            if isinstance(values, dict) and values != before.get(part):
                yield facts([(str(name), value) for name, value in values.items()])
                before[part] = values


def _config(run: Run, difference: Difference | None) -> Iterator[str]:
    yield element("h3", "Config")
    if not run.config:
        yield note("There is no config.yaml that can be read.")
        return
    if difference is not None and difference.options:
        yield note(f"Differences from the shipped {difference.name} as this version has it:")
        yield table(
            ["option", "this run", difference.name],
            [(option, _plain(own), _plain(theirs)) for option, (own, theirs) in difference.options.items()],
        )
    elif difference is not None:
        yield note(f"No difference from the shipped {difference.name}.")
    yield folded("the whole config", yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True))


def _largest(run: Run, axis: str) -> float | None:
    """The end of an axis, over all metrics."""
    ends = [at[-1] for at, _ in (run.series(metric, axis) for metric in run.metrics) if len(at)]
    return max(ends, default=None)


def _array(values: Sequence[float]) -> Any:
    return np.array(values, np.float64)


def _plain(value: Any) -> str:
    return (
        "-"
        if value is None
        else yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()
    )


def _number(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, int | float) and math.isfinite(value) else "-"


def _count(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) and math.isfinite(value) else "-"


def _range(ends: Sequence[Any]) -> str:
    return f"{_number(ends[0])} to {_number(ends[1])}"


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return (
        f"{hours:.1f} hours" if hours >= 2 else f"{minutes:.1f} minutes" if minutes >= 2 else f"{seconds:.0f} seconds"
    )
