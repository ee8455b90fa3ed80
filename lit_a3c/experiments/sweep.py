"""A sweep: one config with several environments, engines and seeds. What is done is not done again."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lit_a3c.experiments.jobs import run_jobs
from lit_a3c.experiments.results import append, finished, read
from lit_a3c.experiments.run import LOG, TESTED, Run
from lit_a3c.metrics.run_lock import RunLock
from lit_a3c.utils.disk import say
from lit_a3c.utils.errors import RunError

REPORT_SECONDS = 60
"""Between two lines on what is running."""


class SweepJob:
    """A run as a job: trained, then tested.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.log = run.directory / LOG

    def commands(self) -> Iterator[list[str]]:
        for arguments in self.run.train():
            steps = self.run.steps_done()
            _print(f"{self.run} {f'goes on from step {steps:,}' if steps else 'starts'}")
            yield arguments
        yield from self.run.test()

    def goes_on(self) -> bool:
        return True


@dataclass
class Sweep:
    """Runs and the table of their scores.

    Attributes:
        name: The column ``experiment`` of the table.
        output: The table, a CSV file. A run that has its rows there is finished.
        runs: All of them, in the order in which they start.
        parallel: Runs at a time.
        failed: Messages of the runs that failed, by run.
    """

    name: str
    output: Path
    runs: list[Run]
    parallel: int = 1
    failed: dict[str, str] = field(default_factory=dict)

    def make(self) -> bool:
        """Make the runs that are missing. A run that fails is reported and does not end the others.

        Returns:
            Whether all runs are finished.
        """
        done = finished(self.output)
        missing = [run for run in self.runs if run.cell not in done]
        _print(
            f"{self.name}: {len(self.runs)} runs, {len(self.runs) - len(missing)} of them done; {self.parallel} at a "
            f"time; scores go to {self.output}"
        )
        state = _Progress(len(self.runs), len(self.runs) - len(missing))
        jobs = self._jobs(missing, state)
        with contextlib.closing(run_jobs(jobs, self.parallel, lambda: state.tell(_print))) as ended:
            for job, error, _ in ended:
                run: Run = job.run
                state.running.remove(run)
                if error is None:
                    error = self._record(run, state)
                if error is not None:
                    self.failed[str(run)] = error
                    state.failed += 1
                    say(f"{run} failed: {error.rstrip('.')}. All that it printed is in {job.log}")
        return not self.failed

    def _jobs(self, runs: list[Run], state: _Progress) -> Iterator[SweepJob]:
        for run in runs:
            state.running.append(run)
            yield SweepJob(run)

    def _record(self, run: Run, state: _Progress) -> str | None:
        """Add the rows of a finished run; the reason if that is impossible."""
        try:
            rows = run.rows(self.name)
            append(self.output, rows)
        except (OSError, KeyError, ValueError, RunError) as error:
            return f"its rows cannot be written: {error}"
        state.done += 1
        tests = [row for row in rows if row["evaluation"] in TESTED]
        scores = ", ".join(f"{row['evaluation']} {row['mean']:,.1f}" for row in tests)
        _print(
            f"{run}: {scores} over {tests[-1]['episodes']} episodes after {float(tests[-1]['seconds']):,.0f} s "
            f"({state.done} of {state.total} done)"
        )
        return None

    def table(self) -> str:
        """Mean and standard deviation of the test scores over the seeds, a line for each environment and engine."""
        cells: dict[tuple[str, str], dict[str, list[float]]] = {}
        wanted = {run.cell for run in self.runs}
        for row in read(self.output):
            key = row["environment"], row["engine"]
            if row["evaluation"] in TESTED and (*key, int(row["seed"])) in wanted:
                cells.setdefault(key, {name: [] for name in TESTED})[row["evaluation"]].append(float(row["mean"]))
        lines = [f"{'environment':<32}{'engine':<9}{'seeds':>5}{'best checkpoint':>22}{'last policy':>22}"]
        for (environment, engine), scores in sorted(cells.items()):
            shown = "".join(f"{mean_and_sd(scores[name]):>22}" for name in TESTED)
            lines.append(f"{environment:<32}{engine:<9}{len(scores['last']):>5}{shown}")
        return "\n".join(lines)


@dataclass
class _Progress:
    """What is said while a sweep runs."""

    total: int
    done: int
    failed: int = 0
    running: list[Run] = field(default_factory=list)
    told: float = field(default_factory=time.monotonic)

    def tell(self, write: Callable[[str], None]) -> None:
        """A line on what is running, once a minute."""
        if time.monotonic() - self.told < REPORT_SECONDS:
            return
        self.told = time.monotonic()
        running = ", ".join(f"{run} at {run.steps_done():,} of {run.total_steps:,} steps" for run in self.running)
        left = self.total - self.done - self.failed - len(self.running)
        failed = f", {self.failed} failed" if self.failed else ""
        write(f"{self.done} of {self.total} done{failed}, {left} to start; running: {running}")


def mean_and_sd(values: list[float]) -> str:
    """For example ``487.3 ± 12.1``; the mean alone of a single value, and ``-`` of none."""
    if not values:
        return "-"
    mean = f"{np.mean(values):,.1f}"
    return f"{mean} ± {np.std(values, ddof=1):,.1f}" if len(values) > 1 else mean


def directory_name(env_id: str) -> str:
    """An environment's id as the name of a directory, another one for each id."""
    return re.sub(r"[^\w.+-]+", "-", env_id)


def lock_sweep(directory: Path) -> RunLock:
    """Take the directory of a sweep or a search.

    Raises:
        ConfigError: Another process has it.
    """
    return RunLock(directory, "a sweep or a search", "--directory")


def _print(line: Any) -> None:
    print(f"lit-a3c: {line}", flush=True)
