r"""The table and the curves of what ``reproduce.py`` measured, beside published scores and beside Stable-Baselines3.

    python scripts/report.py docs/results/beta-1m.csv --reference docs/results/published_mujoco.csv \
        --columns tianshou_a2c_1M sb3zoo_a2c_1M --curves docs/beta-1m.png

Prints a Markdown table with a line for each environment: the mean of the test scores of the best checkpoints over the
seeds, their standard deviation, the 95% bootstrap interval of the mean, and the mean of the last policies. The curves
are the validations of each seed and their mean. The first published column is drawn into them. ``--beside`` takes a
file of ``sb3.py``, and its curves are drawn into the same panels.

    python scripts/report.py docs/results/beta-1m.csv --ablations docs/results/ablation-*.csv

prints instead what each change does: mean and standard deviation over the seeds that it has been tried with.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from lit_a3c.metrics.statistics import mean_interval

mpl.use("Agg")
import matplotlib.pyplot as plt

Rows = list[dict[str, str]]


def main() -> None:
    """Print the table and draw the curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="CSV file of reproduce.py")
    parser.add_argument("--environments", nargs="+", help="only these environments")
    parser.add_argument(
        "--reference", type=Path, help="CSV file of published scores; its column env names the environment"
    )
    parser.add_argument("--columns", nargs="+", default=[], help="columns of that file")
    parser.add_argument("--beside", type=Path, help="CSV file of sb3.py")
    parser.add_argument("--ablations", type=Path, nargs="+", help="CSV files of the experiments ablation-*")
    parser.add_argument("--curves", type=Path, help="image file for the curves")
    parser.add_argument(
        "--axis", default="steps", choices=["steps", "frames", "seconds"], help="horizontal axis of the curves"
    )
    arguments = parser.parse_args()
    ours = _by_environment(arguments.results, arguments.environments)
    if arguments.ablations:
        print_ablations(ours, {file.stem: _by_environment(file, None) for file in arguments.ablations})
        return
    theirs = _by_environment(arguments.beside, list(ours)) if arguments.beside else {}
    reference = {row["env"]: row for row in _read(arguments.reference)} if arguments.reference else {}
    published = {env: [reference.get(_task(env), {}).get(name, "") for name in arguments.columns] for env in ours}
    print_table(ours, arguments.columns, published)
    if arguments.curves:
        goals = {env: float(values[0]) for env, values in published.items() if values and values[0]}
        draw({"lit-a3c": ours, "Stable-Baselines3": theirs}, goals, arguments.axis, arguments.curves)


def print_table(results: dict[str, Rows], columns: list[str], published: dict[str, list[str]]) -> None:
    """One line for each environment."""
    head = ["environment", "seeds", "best checkpoint", "sd", "95% interval", "last policy", "seconds", *columns]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for environment, rows in sorted(results.items()):
        best, last = (scores(rows, checkpoint) for checkpoint in ("best", "last"))
        low, high = mean_interval(best) if len(best) > 1 else (best[0], best[0])
        seconds = np.mean([float(row["seconds"]) for row in rows if row["evaluation"] == "last"])
        cells = [
            *(environment, str(len(best)), f"{best.mean():,.1f}", f"{deviation(best):,.1f}"),
            *(f"{low:,.1f} to {high:,.1f}", f"{last.mean():,.1f}", f"{seconds:,.0f}"),
            *(value or "-" for value in published[environment]),
        ]
        print(f"| {' | '.join(cells)} |")


def print_ablations(whole: dict[str, Rows], ablations: dict[str, dict[str, Rows]]) -> None:
    """One line for the config and one for each change of it, on the environments that the changes were tried on."""
    environments = sorted({environment for results in ablations.values() for environment in results})
    seeds = {row["seed"] for results in ablations.values() for rows in results.values() for row in rows}
    print(f"| | {' | '.join(environments)} |\n{'|---' * (len(environments) + 1)}|")
    for name, results in {"the config": whole, **ablations}.items():
        kept = [[row for row in results.get(environment, []) if row["seed"] in seeds] for environment in environments]
        best = [scores(rows, "best") for rows in kept]
        cells = [f"{s.mean():,.0f} ± {deviation(s):,.0f} ({len(s)})" if len(s) else "-" for s in best]
        print(f"| {name.removeprefix('ablation-')} | {' | '.join(cells)} |")


def scores(rows: Rows, evaluation: str) -> np.ndarray:
    """Mean returns of this kind of evaluation, one for each seed."""
    return np.array([float(row["mean"]) for row in rows if row["evaluation"] == evaluation])


def deviation(values: np.ndarray) -> float:
    """The standard deviation of the sample; 0 for a single seed."""
    return float(values.std(ddof=min(1, len(values) - 1)))


def draw(results: dict[str, dict[str, Rows]], goals: dict[str, float], axis: str, output: Path) -> None:
    """A panel for each environment, with the curves of every system that was trained on it."""
    environments = sorted({environment for by_environment in results.values() for environment in by_environment})
    wide = min(3, len(environments))
    high = -(-len(environments) // wide)
    figure, axes = plt.subplots(high, wide, figsize=(4 * wide + 1, 2.8 * high), squeeze=False, layout="constrained")
    for panel in axes.flat[len(environments) :]:
        panel.set_axis_off()
    for panel, environment in zip(axes.flat, environments, strict=False):
        for i, (name, by_environment) in enumerate(results.items()):
            if rows := by_environment.get(environment):
                at, by_seed = curves(rows, axis)
                panel.plot(at, by_seed.T, color=f"C{i}", linewidth=0.5, alpha=0.5)
                panel.plot(at, by_seed.mean(axis=0), color=f"C{i}", label=f"{name}, seeds: {len(by_seed)}")
        if environment in goals:
            panel.axhline(goals[environment], color="grey", linestyle="--", label="published A2C")
        panel.set(title=environment, xlabel=axis)
        panel.grid(alpha=0.3)
        panel.legend(fontsize="x-small")
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=90)
    print(f"written to {output}")


def curves(rows: Rows, axis: str) -> tuple[np.ndarray, np.ndarray]:
    """A grid over the part of the axis that all seeds have, and each seed's validations interpolated on it."""
    seeds: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        if row["evaluation"] == "validation":
            seeds[row["seed"]].append((float(row[axis]), float(row["mean"])))
    points: list[Any] = [np.array(sorted(curve)).T for curve in seeds.values()]
    grid = np.linspace(max(x[0] for x, _ in points), min(x[-1] for x, _ in points), 100)
    return grid, np.array([np.interp(grid, x, y) for x, y in points])


def _by_environment(file: Path, environments: list[str] | None) -> dict[str, Rows]:
    rows: dict[str, Rows] = defaultdict(list)
    for row in _read(file):
        if environments is None or row["environment"] in environments:
            rows[row["environment"]].append(row)
    return dict(rows)


def _task(environment: str) -> str:
    """The name without version and namespace, as in published tables."""
    return environment.split("/")[-1].rsplit("-", 1)[0]


def _read(file: Path) -> Rows:
    with file.open(newline="") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


if __name__ == "__main__":
    main()
