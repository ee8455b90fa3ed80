"""``lit-a3c report``: a page about runs."""

from __future__ import annotations

import argparse

from lit_a3c.cli.run_arguments import HELP, add_output, find_runs, output_file, with_metrics, write_output
from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.cli.verbs.plot import require_matplotlib


def parser() -> VerbParser:
    """The options."""
    parser = VerbParser(
        "report",
        "Write one HTML file about runs, which opens from the disk without any request: curves, video, score, config, "
        "its difference from the shipped one, command, machine, versions, and where every step has gone.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help=HELP)
    parser.add_argument("--title", default="", help="the heading")
    add_output(parser, "report.html", "the page (report.html)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Write the page.

    Raises:
        ConfigError: A run is not there or has no metrics, or the page cannot be written.
    """
    output = output_file(arguments.output, (".html", ".htm"), overwrite=arguments.overwrite)
    runs = with_metrics(find_runs(arguments.runs), arguments.runs)
    require_matplotlib("report")
    from lit_a3c.cli.shipped_difference import difference  # imports torch
    from lit_a3c.metrics.report import report

    shipped = {run.directory: difference(run) for run in runs}
    write_output(output, report(runs, shipped, arguments.title))
    return 0
