"""A search for better values of options, by Optuna. One that was ended goes on where it was."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from lit_a3c.experiments.jobs import Ended, run_jobs
from lit_a3c.experiments.run import Run
from lit_a3c.experiments.space import Range, as_options
from lit_a3c.experiments.trial import RUNGS, TrialJob
from lit_a3c.utils.disk import replace_whole, say
from lit_a3c.utils.errors import ConfigError, RunError

STARTUP_TRIALS = 8
"""Trials with random values before the sampler learns from them."""
COMPARED_TRIALS = 4
"""Trials that must have ended before one is pruned."""
FIRST_FAILURES = 3
"""A search whose first trials all fail ends: it would fail to the end."""
CONTINUES, DIRECTORY, CONFIG = "continues", "directory", "config"
"""User attributes of a trial: the number of the interrupted one that it continues, the directory of its runs, and
whether it has the values of the config."""

MakeRun = Callable[[Path, int, list[str]], Run]
"""Directory, seed and options of ``fit`` to a training."""


@dataclass
class Search:
    """Trials of values, each trained with the same seeds.

    The sampler is Optuna's tree-structured Parzen estimator, seeded: it needs few trials and takes numbers and
    choices. The pruner ends a trial whose best validation so far is below the median of the others at the same part of
    the budget. Some trials are enough for it to compare with. Hyperband needs dozens for each of its brackets.

    Attributes:
        directory: Of the study (``study.db``) and of all runs.
        ranges: What may change.
        seeds: With which every trial is trained.
        trials: Trials in all, those of earlier calls included.
        make_run: Makes a training.
        described: What must be the same when the search goes on, in plain types.
        own_values: The config's value of each option. They are the first trial if they lie in the ranges.
        parallel: Trials at a time.
    """

    directory: Path
    ranges: list[Range]
    seeds: list[int]
    trials: int
    make_run: MakeRun
    described: dict[str, Any]
    own_values: dict[str, Any]
    parallel: int = 1

    def open(self) -> None:
        """Open the study, or make it. Trials that were interrupted are queued again.

        Raises:
            ConfigError: The study there has other options, or cannot be opened.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", ExperimentalWarning)
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            self._study = optuna.create_study(
                storage=f"sqlite:///{self.directory.absolute() / 'study.db'}",
                study_name="lit-a3c",
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(COMPARED_TRIALS, n_warmup_steps=RUNGS // 5),
            )
            known = len(self._study.get_trials(deepcopy=False))
        except Exception as error:  # of sqlite, of SQLAlchemy or of Optuna
            raise ConfigError(f"the study in {str(self.directory)!r} cannot be opened: {error}") from error
        # A sampler that begins anew with the same seed would draw the same values again.
        self._study.sampler = optuna.samplers.TPESampler(
            seed=known, n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=self.parallel > 1
        )
        self._check_same()
        for trial in self._of(TrialState.RUNNING):  # nobody else has the directory
            if trial.number not in self._continued():
                attributes = {CONTINUES: trial.number, DIRECTORY: trial.user_attrs.get(DIRECTORY)}
                self._study.enqueue_trial(trial.params, user_attrs=attributes)
            self._study.tell(trial.number, state=TrialState.FAIL)
        if not known and all(r.holds(self.own_values[r.option]) for r in self.ranges):
            self._study.enqueue_trial(self.own_values, user_attrs={CONFIG: True})

    @property
    def done(self) -> int:
        """Trials that are over. One that was interrupted is not: another one continues it."""
        over = self._of(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        return len({trial.number for trial in over} - self._continued())

    @property
    def best(self) -> Any:
        """The trial with the best score, or None: of the values as they are where several have it."""
        return max(self._of(TrialState.COMPLETE), key=lambda trial: (trial.value, -trial.number), default=None)

    def make(self) -> None:
        """Make the trials that are missing.

        Raises:
            RunError: The first trials all failed.
        """
        print(f"lit-a3c: {self.done} of {self.trials} trials done, {self.parallel} at a time", flush=True)
        with contextlib.closing(run_jobs(self._jobs(), self.parallel)) as ended:
            for over in ended:
                line = self._record(over)
                best = self.best
                leading = f"; best: trial {best.number}, {best.value:,.1f}" if best else ""
                print(
                    f"lit-a3c: trial {over.job.trial.number}: {line} ({self.done} of {self.trials}{leading})",
                    flush=True,
                )
                self._write_table()
                failed = self._of(TrialState.FAIL)
                if best is None and self.done == len(failed) - len(self._continued()) >= FIRST_FAILURES:
                    raise RunError(
                        f"the first {self.done} trials failed. All that the last printed is in {over.job.log}"
                    )

    def _jobs(self) -> Iterator[TrialJob]:
        """The next trial, as long as some are missing."""
        while self.done + len(self._of(TrialState.RUNNING)) < self.trials:
            trial = self._study.ask()
            values = {r.option: r.suggest(trial) for r in self.ranges}
            name = trial.user_attrs.get(DIRECTORY) or f"trial{trial.number}"
            trial.set_user_attr(DIRECTORY, name)
            runs = [self.make_run(self.directory / name / f"seed{s}", s, as_options(values)) for s in self.seeds]
            print(f"lit-a3c: trial {trial.number} starts: {in_words(values)}", flush=True)
            yield TrialJob(trial, runs, values)

    def _record(self, over: Ended) -> str:
        """Tell Optuna how a trial has ended, and say it."""
        job, error = over.job, over.error
        if over.given_up:
            self._study.tell(job.trial, state=TrialState.PRUNED)
            return f"pruned after {100 * job.part:.0f}% of its steps"
        try:
            value = None if error else job.score()
        except RunError as problem:
            error, value = str(problem), None
        if value is None:
            self._study.tell(job.trial, state=TrialState.FAIL)
            say(f"trial {job.trial.number} failed: {error}")
            return "failed"
        self._study.tell(job.trial, value)
        return f"{value:,.1f}"

    def _check_same(self) -> None:
        """Refuse to go on with other options: the scores could not be compared."""
        before = self._study.user_attrs.get("described")
        now = json.loads(json.dumps(self.described))
        if before is None:
            self._study.set_user_attr("described", now)
            return
        if changed := sorted(name for name in before.keys() & now.keys() if before[name] != now[name]):
            name = changed[0]
            raise ConfigError(
                f"{str(self.directory)!r} has a search with other options: {name} was {before.get(name)!r} and is "
                f"{now.get(name)!r} now. Give this one a --directory of its own."
            )

    def _of(self, *states: TrialState) -> list[Any]:
        return self._study.get_trials(deepcopy=False, states=states)

    def _continued(self) -> set[int]:
        """Numbers of the interrupted trials that others continue."""
        trials = self._study.get_trials(deepcopy=False)
        return {trial.user_attrs[CONTINUES] for trial in trials if CONTINUES in trial.user_attrs}

    def _write_table(self) -> None:
        """``trials.csv``: a row for each trial."""
        options = [r.option for r in self.ranges]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["trial", "state", "score", *options])
        for trial in self._study.get_trials(deepcopy=False):
            if trial.number not in self._continued():
                score = "" if trial.value is None else trial.value
                state = trial.state.name.lower()
                writer.writerow([trial.number, state, score, *(trial.params.get(option, "") for option in options)])
        replace_whole(self.directory / "trials.csv", text.getvalue().encode())


def in_words(values: dict[str, Any]) -> str:
    """Options with their values, for messages."""
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )
