"""Commands of ``lit-a3c`` as child processes, several at a time, none of which outlives its parent."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from lit_a3c.utils.errors import ConfigError, RunError
from lit_a3c.utils.one_line import one_line

POLL_SECONDS = 0.2
"""Between two looks at the children."""
STOP_SECONDS = 60.0
"""For a child to save and end. A validation or a checkpoint of a large network takes its time."""


class Job(Protocol):
    """Some commands, one after the other."""

    log: Path
    """Takes what the commands print."""

    def commands(self) -> Iterator[list[str]]:
        """The arguments of each command. The next one is asked for when the one before has ended well.

        Raises:
            RunError: What a command left cannot be used.
        """

    def goes_on(self) -> bool:
        """Asked while a command runs. False ends the job."""


class Ended(NamedTuple):
    """A job that is over."""

    job: Any
    error: str | None
    """Why it failed, in one line."""
    given_up: bool
    """Whether ``goes_on`` ended it."""


class _Child:
    """A job whose present command runs.

    Args:
        job: The job.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.given_up = job, False
        self._commands = job.commands()
        self._process: subprocess.Popen[bytes] | None = None
        self._printed_before = 0

    def start_next(self) -> bool:
        """Start the next command; False where there is none.

        Raises:
            Exception: Of the job.
        """
        if (arguments := next(self._commands, None)) is None:
            return False
        self.job.log.parent.mkdir(parents=True, exist_ok=True)
        own_group: Any = {"process_group": 0} if sys.platform != "win32" else {}  # Ctrl-C reaches the parent alone
        with self.job.log.open("ab") as log:
            self._printed_before = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lit_a3c.cli.child", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                **own_group,
            )
        return True

    def poll(self) -> Ended | None:
        """See whether the command has ended, and start the next one; the job if it is over."""
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            if not self.given_up and not self.job.goes_on():
                self.given_up = True
                self.ask_to_stop()
            return None
        self.ask_to_stop()  # closes the pipe
        if self.given_up:
            return Ended(self.job, None, given_up=True)
        if code:
            return Ended(self.job, self._last_words(code), given_up=False)
        try:
            return None if self.start_next() else Ended(self.job, None, given_up=False)
        except Exception as error:  # what the command left cannot be used
            return Ended(self.job, _message(error), given_up=False)

    def ask_to_stop(self) -> None:
        """Let the child save and end."""
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def wait(self, deadline: float) -> None:
        """See the child end; after the deadline it is killed."""
        if self._process is not None:
            try:
                self._process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _last_words(self, code: int) -> str:
        """The message of a command that failed."""
        with self.job.log.open("rb") as log:
            log.seek(self._printed_before)
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        ours = [line.removeprefix("lit-a3c: ") for line in lines if line.startswith("lit-a3c: ")]
        return (ours or lines or [f"exit code {code}, without a message"])[-1][:300]


def _message(error: Exception) -> str:
    """Why a job cannot go on. Errors of ours say all by themselves."""
    return str(error) if isinstance(error, ConfigError | RunError) else one_line(error)


def run_jobs(
    jobs: Iterator[Job], parallel: int, each_second: Callable[[], None] = lambda: None
) -> Generator[Ended, None, None]:
    """Run jobs, so many at a time. When the caller stops asking for more, the children save and end.

    Args:
        jobs: The next one is asked for when there is room for it.
        parallel: Jobs at a time.
        each_second: Called about once a second.

    Yields:
        Each job when it is over.
    """
    children: list[_Child] = []
    ended: list[Ended] = []
    told, more = 0.0, True
    try:
        while more or children:
            while more and len(children) < parallel:
                if (job := next(jobs, None)) is None:
                    more = False
                    break
                child = _Child(job)
                children.append(child)  # before it starts: a signal may come at any moment
                try:
                    started = child.start_next()
                    error = None
                except Exception as problem:
                    started, error = False, _message(problem)
                if not started:
                    children.remove(child)
                    yield Ended(job, error, given_up=False)
            for child in list(children):
                if (over := child.poll()) is not None:
                    children.remove(child)
                    ended.append(over)
            while ended:
                yield ended.pop(0)
            if time.monotonic() - told >= 1:
                told = time.monotonic()
                each_second()
            if children:
                time.sleep(POLL_SECONDS)
    finally:
        for child in children:
            child.ask_to_stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.wait(deadline)
