"""One trial of a search: one or more trainings, whose validations are its score and may end it early."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lit_a3c.experiments.run import LOG, Run, column
from lit_a3c.utils.errors import RunError

SCORE = "val/return_mean"
"""The metric that is searched for the largest value of."""
RUNGS = 20
"""Parts of a training, at whose ends trials are compared. Trials with other rollouts validate at other steps."""
SCORED_PART = 0.2
"""The last part of the budget, whose validations are the score: one alone has few episodes."""
LOOK_SECONDS = 1.0
"""Between two looks at the metrics of a running training."""


class TrialJob:
    """A trial as a job.

    Args:
        trial: Of Optuna.
        runs: Its trainings, one for each seed.
        values: Of the options, for messages.
    """

    def __init__(self, trial: Any, runs: list[Run], values: dict[str, Any]) -> None:
        self.trial, self.runs, self.values = trial, runs, values
        self.log: Path = runs[0].directory.parent / LOG
        self._current, self._reported, self._looked = 0, 0, 0.0

    def commands(self) -> Iterator[list[str]]:
        for number, run in enumerate(self.runs):
            self._current = number
            yield from run.train()
            self._report()

    def goes_on(self) -> bool:
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return True
        self._looked = time.monotonic()
        return not (self._report() and self.trial.should_prune())

    def score(self) -> float:
        """The mean of the seeds' scores.

        Raises:
            RunError: A training had no validation.
        """
        return sum(score_of(run) for run in self.runs) / len(self.runs)

    @property
    def part(self) -> float:
        """The part of the trainings that is done, from 0 to 1."""
        return sum(min(1.0, run.steps_done() / run.total_steps) for run in self.runs) / len(self.runs)

    def _report(self) -> bool:
        """Tell Optuna the validations that are new; whether there were any.

        A rung has the first validation behind its end. Trials are compared at equal rungs of equal seeds.
        """
        run, news = self.runs[self._current], False
        for step, value in column(run.metrics, SCORE):
            rung = self._current * RUNGS + min(RUNGS, RUNGS * step // run.total_steps)
            if rung > self._reported and math.isfinite(value):
                self.trial.report(value, rung)
                self._reported, news = rung, True
        return news


def score_of(run: Run) -> float:
    """Mean return of the validations in the last part of a training; of the last one where that part has none.

    Raises:
        RunError: The training had none.
    """
    found = [(step, value) for step, value in column(run.metrics, SCORE) if math.isfinite(value)]
    if not found:
        raise RunError(f"{run} had no validation: a smaller --trainer.val_check_interval or more --data.total_steps")
    late = [value for step, value in found if step >= (1 - SCORED_PART) * run.total_steps]
    return sum(late) / len(late) if late else found[-1][1]
