"""Learning curves of runs, from their ``metrics.csv``: training and validation return against steps.

python scripts/plot.py runs/Pong-v5/version_0 [more runs] --output curve.png
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt


def main() -> None:
    """Draw the curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run directories")
    parser.add_argument("--output", type=Path, default=Path("curve.png"))
    parser.add_argument("--title", default="")
    arguments = parser.parse_args()
    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for i, run in enumerate(arguments.runs):
        colour = f"C{i}"
        label = f"{run.parent.name}/{run.name}"
        axes.plot(*series(run, "train/return"), color=colour, label=f"{label}, training (last 100 episodes)")
        axes.plot(*series(run, "val/return_mean"), "o", color=colour, markersize=4, label=f"{label}, validation")
    axes.set(xlabel="steps", ylabel="return", title=arguments.title)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=120)
    print(f"written to {arguments.output}")


def series(run: Path, metric: str) -> tuple[list[int], list[float]]:
    """Steps and values of one metric; empty lists if the run has none of it."""
    with (run / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get(metric)]
    return [int(row["step"]) for row in rows], [float(row[metric]) for row in rows]


if __name__ == "__main__":
    main()
