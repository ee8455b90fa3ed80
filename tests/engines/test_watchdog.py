"""Silence counts only while the learner listens."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from lit_a3c.engines import watchdog
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.watchdog import Watchdog
from tests.commands import wait_for
from tests.engines.sources import GENEROUS, opened, setting, workers

NIGHT = 8 * 3600.0


class Clock:
    """The clock of the watchdog, which a test puts forward."""

    ahead = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watchdog, "time", clock)
    return clock


def test_silence_is_added_up_and_a_message_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two workers, the one that sends nothing is silent for too long."""
    now = 100.0
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: now))
    dog = Watchdog(limit=5.0)
    for _ in range(4):
        now += 1.2
        assert dog.expired([0, 1]) == []
        dog.reset(0)
    now += 0.3
    assert dog.expired([0, 1]) == [1]


def test_a_pause_between_two_polls_counts_as_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A night, for which a laptop slept, or an evaluation."""
    now = 100.0
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: now))
    dog = Watchdog(limit=5.0)
    for expired in ([], [], [0]):
        now += NIGHT
        assert dog.expired([0]) == expired


def test_a_stopped_job_goes_on(clock: Clock) -> None:
    """As after Ctrl-Z and ``fg``, or when a laptop slept: time has passed for everybody, and nobody was silent."""
    config, policy = setting("CartPole-v1", "async", workers=2)
    with opened(config, policy) as source:
        for _ in range(4):
            source.next()
        processes = workers()
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        clock.ahead += NIGHT
        # The learner wakes up first. Of eight rollouts at most three are ready.
        go_on = threading.Timer(0.5, lambda: [os.kill(process.pid, signal.SIGCONT) for process in processes])
        go_on.start()
        for _ in range(8):
            source.next()
        go_on.join()
        assert workers() == processes


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_a_learners_pause_is_not_its_workers_silence(engine: str, clock: Clock) -> None:
    """Its workers have filled their slots, and wait for one more."""
    config, policy = setting("CartPole-v1", engine, workers=2)
    ledger, handed = StepLedger(), 0
    with opened(config, policy, ledger) as source:
        for _ in range(3):
            for _ in range(8):
                handed += source.next().num_steps
            full = handed + (3 * config.steps_per_rollout if engine == "async" else 0)
            wait_for(lambda full=full: ledger.collected.total == full, GENEROUS)
            clock.ahead += NIGHT
        source.next()
