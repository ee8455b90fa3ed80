"""Train, test and pack the agents that come with the package. It may be stopped at any time, and goes on where it was.

    python scripts/agents.py [--agents CartPole-v1 Hopper-v5 ...] [--seeds 0 1 2] [--jobs 1] [options of fit]
    python scripts/agents.py --pack_only

``agents_trainings.py`` says how each agent is trained. All runs stay in ``runs/agents/AGENT/seedN``: one that has been
tested is left alone, one that has been trained is tested, and one that was cut off goes on from its ``last.ckpt``. The
first seed of all agents comes first, then the next one. Further options go to ``lit-a3c fit``.

At the end the seed with the best validation of each agent is written to ``lit_a3c/agents``, with the test scores of all
seeds that have finished, and the tables of ``docs/agents.md`` are written from these files.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents_files import HOW, Finished, pack_agent, write_page
from agents_trainings import TRAININGS

from lit_a3c.checkpoint.agent_file import installed_versions
from lit_a3c.checkpoint.find import read_checkpoint, resolve_checkpoint
from lit_a3c.utils.disk import replace_whole
from lit_a3c.utils.errors import ConfigError

EPISODES = 100
"""Episodes of a test."""


class Children:
    """Commands that run, and that end when the campaign is to end."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self.stopped = threading.Event()

    def run(self, *arguments: str) -> None:
        """Run ``lit-a3c ARGUMENTS``.

        Raises:
            RuntimeError: The command failed, or the campaign ends. The message is the end of what it wrote.
        """
        command = [sys.executable, "-m", "lit_a3c", *arguments]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
            self._running.add(child)
            if self.stopped.is_set():
                child.terminate()
            errors = child.communicate()[1]
            self._running.discard(child)
        if child.returncode:
            raise RuntimeError(f"{shlex.join(['lit-a3c', *arguments])} failed:\n{errors[-2000:]}")

    def stop(self) -> None:
        """Let trainings save their last checkpoint and end."""
        self.stopped.set()
        for child in tuple(self._running):
            child.terminate()


CHILDREN = Children()


@dataclass(frozen=True)
class Run:
    """One training of an agent.

    Attributes:
        agent: Its name in :data:`TRAININGS`.
        seed: Of the training.
        root: Directory of all runs.
        options: Further options of ``lit-a3c fit``.
    """

    agent: str
    seed: int
    root: Path
    options: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        return self.root / self.agent / f"seed{self.seed}"

    @property
    def tested(self) -> Path:
        """The file of the score. A run that has it is complete."""
        return self.directory / "test-best.json"

    def train(self) -> None:
        """Train until the budget is used up, from the last good checkpoint if there is one.

        Raises:
            RuntimeError: The training failed.
        """
        training = TRAININGS[self.agent]
        if not any(self.directory.glob("checkpoints/*.ckpt")):
            shutil.rmtree(self.directory, ignore_errors=True)  # nothing to go on from
            self.directory.mkdir(parents=True)
            command = training.command(self.directory, self.seed, self.options)
            how = {"command": shlex.join(["lit-a3c", *command]), "seed": self.seed, "versions": installed_versions()}
            replace_whole(self.directory / HOW, json.dumps(how, indent=2).encode())
            CHILDREN.run(*command)
        elif self._steps() < training.total_steps:
            CHILDREN.run("fit", f"--ckpt_path={self.directory}", *self.options)

    def test(self) -> dict[str, Any]:
        """The score of the best checkpoint over new episodes.

        Raises:
            RuntimeError: The test failed.
        """
        if not self.tested.exists():
            best = self.directory / "checkpoints/best.ckpt"
            CHILDREN.run("test", f"--ckpt_path={best}", f"--data.test_episodes={EPISODES}")
        return dict(json.loads(self.tested.read_text()))

    def _steps(self) -> int:
        return int(read_checkpoint(resolve_checkpoint(str(self.directory), "last"))["steps"])


def main() -> int:
    """Make the runs that are missing; 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    parser.add_argument("--agents", nargs="+", default=list(TRAININGS), choices=list(TRAININGS), metavar="AGENT")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--directory", type=Path, default=Path("runs/agents"), help="of the runs")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--num_workers", type=int, default=2, help="workers of each run")
    parser.add_argument("--pack_only", action="store_true", help="train nothing: pack what has finished")
    arguments, options = parser.parse_known_args()
    options = (f"--num_workers={arguments.num_workers}", *options)
    order = itertools.product(arguments.seeds, arguments.agents)
    runs = [Run(agent, seed, arguments.directory, options) for seed, agent in order]
    code = 0 if arguments.pack_only else _make([run for run in runs if not run.tested.exists()], arguments.jobs)
    if not CHILDREN.stopped.is_set():
        _pack(arguments.directory, arguments.agents)
    return code


def _pack(directory: Path, agents: list[str]) -> None:
    """Pack each agent that has a finished run, whatever seeds were asked for now."""
    for agent in agents:
        places = [file.parent for file in directory.glob(f"{agent}/seed*/test-best.json")]
        if runs := [Finished(int(place.name.removeprefix("seed")), place) for place in places]:
            pack_agent(agent, runs)
    write_page()


def _make(runs: list[Run], jobs: int) -> int:
    """Train and test; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: CHILDREN.stop())
    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        for future in as_completed([pool.submit(_train_and_test, run) for run in runs]):
            try:
                future.result()
            except (RuntimeError, ConfigError) as error:
                failed = True
                if not CHILDREN.stopped.is_set():
                    print(error, file=sys.stderr, flush=True)
    if CHILDREN.stopped.is_set():
        print("stopped. The same command goes on.", file=sys.stderr)
    return 1 if failed else 0


def _train_and_test(run: Run) -> None:
    if CHILDREN.stopped.is_set():
        return
    print(f"{run.agent} seed {run.seed}: training in {run.directory}", flush=True)
    start = time.monotonic()
    run.train()
    seconds = time.monotonic() - start
    score = run.test()
    low, high = score["ci95"]
    print(
        f"{run.agent} seed {run.seed}: {score['mean']:.2f} ({low:.2f} to {high:.2f}) over {score['episodes']} "
        f"episodes, {seconds:.0f} s of training",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
