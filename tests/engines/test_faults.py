"""Workers of the engines ``async`` and ``sync`` that raise, end or hang."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lit_a3c.engines import process_pool
from lit_a3c.engines.base import RolloutSource
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.processes import Worker, WorkerError, start_worker
from lit_a3c.engines.watchdog import Watchdog
from tests.commands import wait_for
from tests.dummy_envs import dummy
from tests.engines.sources import GENEROUS, collecting, opened, setting, workers


def ask(source: RolloutSource, calls: int) -> None:
    for _ in range(calls):
        source.next()


def error_of(source: RolloutSource, calls: int = 1) -> str:
    """The WorkerError's message. A worker that hangs instead would be silent for too long, which is another message."""
    with pytest.raises(WorkerError) as error:
        ask(source, calls)
    return str(error.value)


def worker_1() -> Any:
    """The process of the second worker."""
    [process] = [process for process in workers() if process.name.endswith("1")]
    return process


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_a_workers_exception_arrives(engine: str) -> None:
    """With its type, its message, the worker's number, and where it was raised."""
    with collecting(dummy("Broken"), engine, workers=2) as (source, _):
        message = error_of(source)
    what = rf"environment 0 of '{dummy('Broken')}': step\(\) failed: ZeroDivisionError: the environment broke in step 3"
    assert re.fullmatch(rf"worker [01] failed: {what} \(.*failing.py, line \d+, in Broken.judge\)\.", message)
    assert not workers()


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_an_exception_arrives_while_nobody_listens(engine: str) -> None:
    """A worker that failed while the learner was busy is reported by its exception, not as a broken pipe."""
    with collecting(dummy("Broken"), engine, length=1) as (source, _):
        source.next()
        source.next()
        if engine == "async":
            wait_for(lambda: not workers(), GENEROUS)  # the third step fails meanwhile
        message = error_of(source, calls=2)
    assert message.startswith("worker 0 failed: ")
    assert "ZeroDivisionError: the environment broke in step 3" in message


def test_an_environments_own_oserror_arrives() -> None:
    """A missing file is an environment's failure like any other."""
    with collecting(dummy("Broken"), "async", error="FileNotFoundError") as (source, _):
        message = error_of(source)
    assert "FileNotFoundError: the environment broke in step 3" in message


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_a_killed_worker_is_an_error_and_no_hang(engine: str) -> None:
    """The error names the worker's number and the signal. The source's end ends the other worker."""
    with collecting("CartPole-v1", engine, workers=2) as (source, _):
        source.next()
        os.kill(worker_1().pid, signal.SIGKILL)
        message = error_of(source, calls=50)
    assert "worker 1 ended without a message (exit code -9)" in message
    assert not workers()


SILENCE = 0.5
"""Seconds of silence after which a stopped worker is replaced."""


@pytest.fixture
def attack(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends a signal to the second worker of a source, whose silence is short from then until it is replaced."""
    monkeypatch.setattr(Watchdog, "POLL_SECONDS", 0.1)

    def call(source: Any, signum: signal.Signals) -> Any:
        def start(*args: Any) -> Worker:
            source._watchdog.limit = GENEROUS  # a worker may take its time to start
            return start_worker(*args)

        monkeypatch.setattr(process_pool, "start_worker", start)
        victim = worker_1()
        os.kill(victim.pid, signum)
        if signum == signal.SIGSTOP:
            source._watchdog.limit = SILENCE
        return victim

    return call


@pytest.mark.parametrize("engine", ["sync", "async"])
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_ends_or_hangs_is_replaced(
    engine: str, signum: signal.Signals, attack: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As often as allowed. Every step that the environments took is handed over, in flight, or discarded."""
    file, envs, length, handed, ledger = tmp_path / "steps", 2, 5, 0, StepLedger()
    config, policy = setting(dummy("Counted"), engine, 2, envs, length, file=str(file), pause=0.001)
    with opened(dataclasses.replace(config, max_restarts=2), policy, ledger) as source:
        for _ in range(2):
            for _ in range(6):
                handed += source.next().num_steps
            victim = attack(source, signum)
            while victim.pid in {process.pid for process in workers()}:
                handed += source.next().num_steps
        wait_for(lambda: idle(file), GENEROUS)
        # A vector step that was cut short is not counted: of two environments one may have taken it.
        assert 0 <= file.stat().st_size - ledger.collected.total < 3 * envs
        assert 0 <= ledger.discarded.total <= 2 * 2 * envs * length
        # All slots but the one that the learner holds are full.
        in_flight = 3 * envs * length if engine == "async" else 0
        assert ledger.collected.total == handed + in_flight + ledger.discarded.total
        attack(source, signal.SIGKILL)
        assert "worker 1 ended without a message" in error_of(source, calls=200)
    assert len(caplog.records) == 2
    what = "ended without a message" if signum == signal.SIGKILL else f"was silent for {SILENCE} seconds"
    assert all(f"worker 1 {what}" in record.getMessage() for record in caplog.records)
    assert not workers()


def idle(file: Path) -> bool:
    """Whether nobody takes a step for a while."""
    before = file.stat().st_size
    time.sleep(0.3)
    return file.stat().st_size == before
