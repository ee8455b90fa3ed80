"""``export``: a trained policy as an ONNX or PT2 file."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import cast

from lit_a3c.checkpoint.find import read_checkpoint, resolve_checkpoint
from lit_a3c.cli.configs import TRUST
from lit_a3c.cli.library_lines import silence_library_warnings
from lit_a3c.cli.verbs.base import VerbParser
from lit_a3c.export import Exported, export_policy
from lit_a3c.export.check import BATCHES, STEPS, TOLERANCE
from lit_a3c.export.program import FORMATS, Format
from lit_a3c.module import A3C
from lit_a3c.utils.disk import DiskError, check_room, reason
from lit_a3c.utils.errors import ConfigError, RunError, check_choice, did_you_mean
from lit_a3c.utils.extras import require
from lit_a3c.utils.paths import user_path

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What ONNX needs, all of the extra ``onnx``."""


def parser() -> VerbParser:
    """Its options."""
    parser = VerbParser("export", "Write a trained policy as one file that other programs run.")
    parser.add_argument("--ckpt_path", help="a checkpoint, a run's directory, last or best, as for test")
    parser.add_argument("--format", help="onnx or pt2 (default: that of --output, else onnx)")
    parser.add_argument("--output", help="the file (default: beside the checkpoint, under the same name)")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if there is one")
    parser.add_argument(TRUST, action="store_true", help="let the checkpoint name any class: for a file of your own")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Export.

    Raises:
        ConfigError: The request cannot work.
        RunError: The exported policy is not that of the checkpoint, or the file cannot be written.
    """
    silence_library_warnings()
    if arguments.ckpt_path is None:
        raise ConfigError("export needs a trained agent: --ckpt_path with a checkpoint or a run's directory.")
    kind = _format(arguments.format, arguments.output)
    if kind == "onnx":
        for package in PACKAGES:
            require(package, "onnx", "export --format onnx")
    checkpoint = resolve_checkpoint(arguments.ckpt_path, "best")
    contents = read_checkpoint(checkpoint)
    file = _target(arguments, checkpoint, str(contents["spaces"]["env_id"]), kind)
    agent = A3C.load_from_checkpoint(checkpoint, trust_checkpoint=arguments.trust_checkpoint)
    config = contents.get("config")
    try:
        exported = export_policy(agent, file, kind, config if isinstance(config, str) else None)
    except OSError as error:
        raise RunError(f"{str(file)!r} cannot be written: {reason(error)}.") from error
    print(_report(exported, agent, checkpoint))
    return 0


def _format(given: str | None, output: str | None) -> Format:
    """The format that the user asks for.

    Raises:
        ConfigError: There is no such format, or the suffix of the file names another one.
    """
    suffix = Path(output).suffix.removeprefix(".").lower() if output else ""
    if given is not None:
        check_choice("--format", given, FORMATS)
        if suffix in FORMATS and suffix != given:
            raise ConfigError(f"--format {given} contradicts --output {output!r}. Give one of them.")
        return cast(Format, given)
    if output and suffix not in FORMATS:
        near = did_you_mean(suffix, FORMATS)
        raise ConfigError(f"--output {output!r} must end in .onnx or .pt2, or --format must say which it is.{near}")
    return cast(Format, suffix or FORMATS[0])


def _target(arguments: argparse.Namespace, checkpoint: Path, env_id: str, kind: Format) -> Path:
    """The file to be written, whose directory is there and has room.

    Raises:
        ConfigError: There is a file already, or none can be written there.
    """
    if arguments.output:
        file = user_path(arguments.output, "--output")
    elif arguments.ckpt_path in ("last", "best") or user_path(arguments.ckpt_path, "--ckpt_path").exists():
        file = checkpoint.with_suffix(f".{kind}")
    else:  # what was downloaded has no place of its own
        file = Path(f"{re.sub(r'[^A-Za-z0-9_.-]+', '-', env_id)}.{kind}")
    if file.is_dir():
        raise ConfigError(f"--output {str(file)!r} is a directory. Name a file in it.")
    if file.exists() and not arguments.overwrite:
        raise ConfigError(f"{str(file)!r} exists already. Name another file with --output, or add --overwrite.")
    try:
        check_room(file.parent)
    except DiskError as error:
        raise ConfigError(f"{str(file)!r} cannot be written: {reason(error)}.") from error
    return file


def _report(exported: Exported, agent: A3C, checkpoint: Path) -> str:
    """What was written, in lines."""
    size = exported.file.stat().st_size
    return "\n".join(
        (
            f"{agent.spaces.env_id}, trained for {agent.steps:,} steps, from {checkpoint}",
            "inputs",
            *(f"  {port}" for port in exported.inputs),
            "outputs",
            *(f"  {port}" for port in exported.outputs),
            f"largest difference from the policy: {exported.difference:.1e} of {TOLERANCE:g} allowed, over "
            f"{sum(BATCHES) * STEPS} random observations in batches of {', '.join(map(str, BATCHES))}",
            f"written to {exported.file} ({size / 1e3:,.0f} kB)",
        )
    )
