"""In which options a run differs from a config that comes with this package."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lit_a3c.cli.configs import config_chain, shipped_configs
from lit_a3c.metrics.report import Difference
from lit_a3c.metrics.runs import Run
from lit_a3c.utils.options import by_option

NOT_COMPARED = (
    *("seed_everything", "trainer.logger", "trainer.enable_progress_bar", "progress"),
    *("ckpt_path", "weights_only", "trust_checkpoint"),
)
"""Sections and options that say nothing about what is learned."""


def difference(run: Run) -> Difference | None:
    """The shipped config that a run is nearest to, and the options in which it differs from that one.

    Nothing in the run's config is given to a parser: it may be a stranger's.

    Args:
        run: The run. None comes back where it has no config.
    """
    if not run.options:
        return None
    name = _named(run) or max(shipped_configs(), key=lambda name: _agreement(run.options, name))
    shipped, found = _whole(name), {}
    for option in sorted({*shipped, *run.options}):
        own, theirs = run.options.get(option), shipped.get(option)
        if own != theirs and not option.startswith(NOT_COMPARED):
            found[option] = (own, theirs)
    return Difference(name, found)


def _named(run: Run) -> str | None:
    """The shipped config that the command of the first start has named."""
    command = run.starts[0].get("command") if run.starts else None
    words = [str(word) for word in command] if isinstance(command, list) else []
    options = [part for word in words for part in word.split("=", 1)]
    for option, value in itertools.pairwise(options):
        if option in ("--config", "-c"):
            for name in shipped_configs():
                if Path(value).name in (name, name.removesuffix(".yaml")):
                    return name
    return None


def _agreement(options: Mapping[str, Any], name: str) -> int:
    """How many of the options that a shipped config sets a run has as well, less those that it has otherwise."""
    total = 0
    for option, value in _set_by(name).items():
        own = options.get(option, options.get(f"{option}.class_path"))
        total += 1 if own == value else -1
    return total


@functools.cache
def _set_by(name: str) -> dict[str, Any]:
    """The options that a shipped config and those below it set."""
    found: dict[str, Any] = {}
    for part in config_chain(name):
        text = Path(part).read_text(encoding="utf-8") if part.endswith(".yaml") else part
        found |= dict(by_option(yaml.safe_load(text)))
    return found


@functools.cache
def _whole(name: str) -> dict[str, Any]:
    """All options of a training with a shipped config and no others: what ``--print_config`` prints."""
    from lit_a3c.cli.lightning_cli import run as run_command  # imports torch

    with contextlib.redirect_stdout(io.StringIO()) as out:
        run_command(["fit", "--config", name, "--print_config"])
    return dict(by_option(yaml.safe_load(out.getvalue())))
