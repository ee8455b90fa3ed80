"""``lit-a3c plot``: learning curves of runs."""

from __future__ import annotations

import argparse
import os

from lit_a3c.cli.run_arguments import HELP, add_output, find_runs, output_file, with_metrics, write_output
from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.metrics.curves import Group, differences, grouped
from lit_a3c.metrics.drawing import KINDS, draw_curves
from lit_a3c.metrics.runs import AXES, check_metric
from lit_a3c.utils.disk import say
from lit_a3c.utils.errors import check_number
from lit_a3c.utils.extras import require


def parser() -> VerbParser:
    """The options."""
    parser = VerbParser(
        "plot",
        "Draw the learning curves of runs. Seeds of one experiment are one curve: their mean, with a 95% interval.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help=HELP)
    parser.add_argument("--x", default="steps", choices=list(AXES), help="the horizontal axis (steps)")
    parser.add_argument(
        "--metric",
        action="append",
        metavar="NAME",
        help="a column of metrics.csv (train/return), for example val/return_mean; may be given several times",
    )
    parser.add_argument("--smooth", type=int, default=1, metavar="N", help="draw the mean of the last N values (1)")
    parser.add_argument("--title", default="", help="the title of the picture")
    add_output(parser, "curve.png", "the picture, .png or .svg (curve.png)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Draw the picture.

    Raises:
        ConfigError: A run or a metric is not there, or the picture cannot be written.
    """
    check_number("--smooth", arguments.smooth, low=1, whole=True)
    output = output_file(arguments.output, KINDS, overwrite=arguments.overwrite)
    runs = with_metrics(find_runs(arguments.runs), arguments.runs)
    metrics = arguments.metric or ["train/return"]
    for metric in metrics:
        check_metric(runs, metric)
    require_matplotlib("plot")
    groups = grouped(runs)
    warn(groups)
    options = {"axis": arguments.x, "smooth": arguments.smooth, "title": arguments.title}
    write_output(output, draw_curves(groups, metrics, kind=output.suffix.lower(), **options))
    return 0


def require_matplotlib(command: str) -> None:
    """Import matplotlib, whose choice of a window system no picture needs.

    Raises:
        ConfigError: It is not installed.
    """
    os.environ["MPLBACKEND"] = "agg"  # a notebook's or a user's choice may not be there
    require("matplotlib.figure", "plot", command)


def warn(groups: list[Group]) -> None:
    """Say what makes a mean or an interval misleading."""
    for group in groups:
        name = group.env_id if group.label == group.env_id else f"{group.env_id}, {group.label}"
        if group.warning:
            say(f"{name}: {group.warning}")
        if names := differences(group.runs):
            say(f"{name}: the runs differ in {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}.")
