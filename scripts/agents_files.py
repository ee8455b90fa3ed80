"""From the finished runs of ``agents.py`` to the files of the package and the table about them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from agents_trainings import TRAININGS

from lit_a3c import A3C
from lit_a3c.checkpoint.agent_file import describe, pack
from lit_a3c.checkpoint.agent_header import read_header
from lit_a3c.checkpoint.find import read_checkpoint
from lit_a3c.checkpoint.shipped import SUFFIX
from lit_a3c.cli.configs import SECTIONS
from lit_a3c.utils.disk import replace_whole

ROOT = Path(__file__).parents[1]
AGENTS = ROOT / "lit_a3c/agents"
PAGE = ROOT / "docs/agents.md"
BEGIN, END = "<!-- scripts/agents.py writes what follows -->\n", "<!-- to here -->\n"
"""What stands around the tables of the page."""


@dataclass(frozen=True)
class Finished:
    """A run that has been trained and tested."""

    seed: int
    directory: Path

    @property
    def best(self) -> Path:
        return self.directory / "checkpoints/best.ckpt"

    @property
    def score(self) -> dict[str, Any]:
        """Of the test of the best checkpoint, with the seed and with the validation that has made it the best."""
        score = json.loads((self.directory / "test-best.json").read_text())
        return {"seed": self.seed, "validation": self.validation, **score}

    @property
    def validation(self) -> float:
        """The best mean return of a validation. A seed is chosen by it, so the test has no part in the choice."""
        return float(read_checkpoint(self.best)["callbacks"]["ValidationScores"]["best"][0])


def pack_agent(name: str, runs: list[Finished]) -> None:
    """Write the agent of the seed with the best validation, unless its file is there already.

    Its weights are stored in half precision where its test score then lies within the interval of the test score.

    Args:
        name: Of the agent.
        runs: At least one, of different seeds.
    """
    file = AGENTS / f"{name}{SUFFIX}"
    chosen = max(runs, key=lambda run: run.validation)
    checkpoint, score = read_checkpoint(chosen.best), chosen.score
    num_workers = yaml.safe_load(checkpoint["config"])["num_workers"]
    about = describe(
        checkpoint,
        sections=SECTIONS,
        score=score,
        seeds=[run.score for run in sorted(runs, key=lambda run: run.seed)],
        command=TRAININGS[name].command(chosen.seed, num_workers),
    )
    if file.exists() and read_header(file)["seeds"] == about["seeds"]:
        return
    file.parent.mkdir(exist_ok=True)
    weights = dict(A3C.load_from_checkpoint(chosen.best).named_parameters())
    data = pack(checkpoint, about, weights)
    (low, high), half = score["ci95"], _test(name, data)
    if good := low <= half <= high:
        replace_whole(file, data)
    else:
        replace_whole(file, pack(checkpoint, about))
    print(
        f"{name}: seed {chosen.seed}, {score['mean']:.2f} ({low:.2f} to {high:.2f}); in half precision {half:.2f}, "
        f"so it is stored in {'half' if good else 'single'}: {file.stat().st_size:,} bytes",
        flush=True,
    )


def write_page() -> None:
    """Write the tables of ``docs/agents.md`` from the files of the package."""
    agents = {file.name.removesuffix(SUFFIX): read_header(file) for file in sorted(AGENTS.glob(f"*{SUFFIX}"))}
    scores = ["| agent | steps | this agent | every seed | mean of the seeds |", "|---|---|---|---|---|"]
    commands = ["| agent | command |", "|---|---|"]
    for name, about in agents.items():
        low, high = about["score"]["ci95"]
        seeds = "; ".join(f"{seed['seed']}: {seed['mean']:,.2f}" for seed in about["seeds"])
        mean = statistics.mean(seed["mean"] for seed in about["seeds"])
        this = f"**{about['score']['mean']:,.2f}** ({low:,.2f} to {high:,.2f}), seed {about['seed']}"
        scores.append(f"| {name} | {about['steps']:,} | {this} | {seeds} | {mean:,.2f} |")
        commands.append(f"| {name} | `{about['command']}` |")
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    tables = "\n".join([*scores, "", *commands, ""])
    replace_whole(PAGE, f"{before}{BEGIN}\n{tables}\n{END}{after}".encode())


def _test(name: str, data: bytes) -> float:
    """The mean return of an agent file in the episodes of its test: its config has the seed."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, f"{name}{SUFFIX}")
        file.write_bytes(data)
        command = [sys.executable, "-m", "lit_a3c", "test", f"--ckpt_path={file}"]
        subprocess.run(command, cwd=directory, stdout=subprocess.DEVNULL, check=True)
        (score,) = Path(directory).glob("runs/*/agent/test-*.json")
        return float(json.loads(score.read_text())["mean"])
