"""``lit-a3c agents``: the trained agents that come with the package. It answers without torch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lit_a3c.checkpoint.agent_header import read_header
from lit_a3c.checkpoint.model_card import score_text
from lit_a3c.checkpoint.shipped import PREFIX, shipped_agent, shipped_agents
from lit_a3c.cli.verbs.base import VerbParser

COLUMNS = ("agent", "steps", "return, mean", "95% interval", "seeds", "kB")


def parser() -> VerbParser:
    """The options of the command."""
    made = VerbParser(
        "agents",
        "List the trained agents that come with the package. Each is used by its name wherever a checkpoint is, for "
        "example 'lit-a3c test --ckpt_path agent:CartPole-v1'.",
    )
    made.add_argument("name", nargs="?", help="show all that is known of this agent")
    made.add_argument("--json", action="store_true", help="as JSON, for programs")
    return made


def run(arguments: argparse.Namespace) -> int:
    """Print the list, or what is known of one agent."""
    if arguments.name:
        file = shipped_agent(arguments.name.removeprefix(PREFIX))
        about = _about(file)
        print(json.dumps(about, indent=2) if arguments.json else _sheet(file, about))
        return 0
    agents = {name: _about(file) for name, file in shipped_agents().items()}
    if arguments.json:
        print(json.dumps(agents, indent=2))
    else:
        rows = [_row(name, about) for name, about in agents.items()]
        print("\n".join([*_aligned([COLUMNS, *rows]), "", *_END]))
    return 0


_END = (
    "Returns are means of 100 test episodes; seeds are those that were trained.",
    "All that is known of one: lit-a3c agents CartPole-v1",
    "To score one:             lit-a3c test --ckpt_path agent:CartPole-v1",
    "To watch one:             lit-a3c play agent:CartPole-v1",
)


def _about(file: Path) -> dict[str, Any]:
    about = read_header(file)
    kept = ("steps", "frames", "seed", "score", "seeds", "command", "versions")
    return {"env_id": about["spaces"]["env_id"], "bytes": file.stat().st_size, **{name: about[name] for name in kept}}


def _row(name: str, about: dict[str, Any]) -> tuple[str, ...]:
    score = about["score"]
    low, high = score["ci95"]
    size = f"{about['bytes'] / 1000:,.0f}"
    mean, interval = f"{score['mean']:,.2f}", f"{low:,.2f} to {high:,.2f}"
    return name, f"{about['steps']:,}", mean, interval, str(len(about["seeds"])), size


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _sheet(file: Path, about: dict[str, Any]) -> str:
    rows = {
        "agent": PREFIX + file.name.removesuffix(".safetensors"),
        "environment": about["env_id"],
        "return, mean": score_text(about["score"]),
        "trained": f"{about['steps']:,} steps, {about['frames']:,} frames",
        "command": about["command"],
        "file": f"{about['bytes'] / 1000:,.0f} kB, {file}",
    }
    for score in about["seeds"]:
        shipped = ", this agent" if score["seed"] == about["seed"] else ""
        rows[f"seed {score['seed']}"] = score_text(score) + shipped
    rows["versions"] = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())
