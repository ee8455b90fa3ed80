"""Curves as a picture, with matplotlib (the extra ``plot``). The same runs give the same bytes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from lit_a3c.metrics.curves import Curve, Group, curve_of
from lit_a3c.metrics.runs import printable

KINDS = (".png", ".svg")
"""Endings of the pictures that can be drawn."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999")
"""Those of Okabe and Ito (2008), which colour-blind people can tell apart."""
LINES = ("-", "--", ":", "-.")
FOREGROUND = "#010203"
"""Stands for the colour of the text of a page that has the picture inside."""
COLOURED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color", "grid.color")
"""What has this colour."""
FEW = 40
"""A single run with no more points than this has each of them drawn."""
UNITS = ((10_800.0, 3_600.0, "hours"), (300.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
"""From so many seconds on, the axis has this unit of so many seconds, with this name."""


def draw_curves(
    groups: Sequence[Group],
    metrics: Sequence[str],
    *,
    axis: str = "steps",
    smooth: int = 1,
    title: str = "",
    kind: str = ".png",
    inline: bool = False,
) -> bytes:
    """A panel for each environment, with a curve for each group and metric.

    Args:
        groups: The runs.
        metrics: Columns of ``metrics.csv``.
        axis: ``steps``, ``frames`` or ``time``.
        smooth: Each value is the mean of the last so many values of its run.
        title: Of the picture.
        kind: One of :data:`KINDS`.
        inline: For an SVG inside a page: its text is text, in the colour of the page, on no background.

    Raises:
        ConfigError: The runs of a group share no part of the axis.
    """
    import matplotlib as mpl

    panels = _panels(groups, metrics, axis, smooth)
    style: dict[Any, Any] = {
        "svg.hashsalt": "lit-a3c" + title,
        "svg.fonttype": "none" if inline else "path",
        "font.size": 9,
        "legend.framealpha": 0.0 if inline else 0.6,
        "text.parse_math": False,
        **(dict.fromkeys(COLOURED, FOREGROUND) if inline else {}),
    }
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that the font lacks
        mpl.rcdefaults()
        mpl.rcParams.update(style)
        figure = _figure(panels, metrics, axis, smooth, printable(title))
        data = io.BytesIO()
        if kind == ".svg":
            figure.savefig(data, format="svg", metadata={"Date": None, "Creator": None}, transparent=inline)
        else:
            figure.savefig(data, format="png", dpi=120, metadata={"Software": None})
    if not inline:
        return data.getvalue()
    return _for_a_page(data.getvalue())


def axis_name(axis: str, seconds: float) -> tuple[str, float]:
    """What an axis is called, and the number of its units in one of the picture's.

    Args:
        axis: ``steps``, ``frames`` or ``time``.
        seconds: The largest value of the axis, where it is ``time``.
    """
    if axis != "time":
        return axis, 1.0
    _, scale, unit = next(row for row in UNITS if seconds >= row[0])
    return f"{unit} of training", scale


def notes(curves: Sequence[Curve], smooth: int) -> list[str]:
    """What a reader must know about the curves."""
    several = any(curve.low is not None for curve in curves)
    said = []
    if several:
        said.append("Line: mean over the seeds. Band: 95% bootstrap interval of that mean.")
    if any(curve.low is None for curve in curves):
        said.append("One seed: no interval." if not several else "A curve of one seed has no interval.")
    if smooth > 1:
        said.append(f"Smoothed: each value is the mean of the last {smooth} of its run.")
    return said


def _panels(groups: Sequence[Group], metrics: Sequence[str], axis: str, smooth: int) -> dict[str, list[Any]]:
    """Of each environment its curves, each with its metric and the numbers of its colour and its line."""
    panels: dict[str, list[Any]] = {}
    labels: dict[str, int] = {}
    for group in groups:
        colour = labels.setdefault(group.label if group.label != group.env_id else "", len(labels))
        for number, metric in enumerate(metrics):
            if (curve := curve_of(group, metric, axis, smooth)) is not None:
                panels.setdefault(group.env_id, []).append((curve, metric, colour, number))
    return panels


def _figure(panels: dict[str, list[Any]], metrics: Sequence[str], axis: str, smooth: int, title: str) -> Any:
    from matplotlib.figure import Figure

    wide = min(3, len(panels))
    high = -(-len(panels) // wide)
    figure = Figure(figsize=(6.4, 3.9) if len(panels) == 1 else (4 * wide, 3 * high + 0.3), layout="constrained")
    axes = figure.subplots(high, wide, squeeze=False)
    for panel in axes.flat[len(panels) :]:
        panel.set_axis_off()
    for panel, (env_id, drawn) in zip(axes.flat, panels.items(), strict=False):
        name, scale = axis_name(axis, max(curve.at[-1] for curve, *_ in drawn))
        for curve, metric, colour, number in drawn:
            _draw(panel, curve, scale, colour, number, metric if len(metrics) > 1 else "")
        panel.set(title=env_id, xlabel=name, ylabel=metrics[0] if len(metrics) == 1 else "")
        panel.grid(alpha=0.25)
        panel.legend(fontsize="small")
        if axis != "time":
            panel.xaxis.set_major_formatter(_short)
    if title:
        figure.suptitle(title)
    curves = [curve for drawn in panels.values() for curve, *_ in drawn]
    figure.supxlabel("\n".join(notes(curves, smooth)), fontsize=7.5, x=0.02, ha="left")
    return figure


def _draw(panel: Any, curve: Curve, scale: float, colour: int, number: int, metric: str) -> None:
    seeds = "1 seed" if curve.seeds == 1 else f"{curve.seeds} seeds"
    name = "" if curve.group.label == curve.group.env_id else f"{curve.group.label}, "
    label = f"{name}{metric}{', ' if metric else ''}{seeds}"
    look = {"color": COLOURS[colour % len(COLOURS)], "linestyle": LINES[number % len(LINES)], "linewidth": 1.3}
    dots = {"marker": "o", "markersize": 3} if curve.low is None and len(curve.at) <= FEW else {}
    panel.plot(curve.at / scale, curve.mean, label=f" {label}" if label.startswith("_") else label, **look, **dots)
    if curve.low is not None:
        panel.fill_between(curve.at / scale, curve.low, curve.high, color=look["color"], alpha=0.2, linewidth=0)


def _short(value: float, _: Any = None) -> str:
    """A number of steps as an axis shows it: 250k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{np.round(value / size, 6):g}{letter}"
    return f"{value:g}"


def _for_a_page(svg: bytes) -> bytes:
    """The element alone, with the colour of the page for its text and lines."""
    text = svg.decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return text.replace(FOREGROUND, "currentColor").encode()
