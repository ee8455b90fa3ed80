"""Lock-free workers that raise, end or hang."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer

from lit_a3c import WorkerError
from lit_a3c.engines.hogwild import strategy
from lit_a3c.engines.processes import Worker, start_worker
from lit_a3c.utils.errors import EnvError
from tests.dummy_envs import dummy
from tests.engines.hogwild.trainings import ENVS, GENEROUS, ROLLOUT, Together, Until, hogwild, make, trainer, workers

SILENCE = 1.0
"""Seconds of silence after which a stopped worker is replaced."""


def error_of(since: Callable[[str], float], env_id: str = "CartPole-v1", callback: Callback | None = None) -> str:
    """The WorkerError's message. ``since`` finds in it how long ago it happened.

    Without the error the training would go on for about an hour.
    """
    module, data = make(env_id, updates=1_000_000)
    data.max_restarts = 0
    with pytest.raises(WorkerError) as error:
        trainer(devices=2, callbacks=callback).fit(module, datamodule=data)
    message = str(error.value)
    assert 0 < since(message) < GENEROUS
    assert not workers()
    return message


def test_a_workers_exception_arrives() -> None:
    """With its number, the type, the message and where it was raised. Rank zero's own environments are fine."""

    def since(message: str) -> float:
        what = r"^worker 1 failed: environment 0 of .*: ZeroDivisionError: the environment broke at ([\d.]+) s "
        (at,) = re.findall(what, message)
        return time.monotonic() - float(at)

    message = error_of(since, env_id=dummy("BreaksElsewhere"))
    assert re.search(r"\(.*failing.py, line \d+, in BreaksElsewhere.judge\)\.$", message)


def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    """The error names the worker's number and the signal."""

    class Killer(Together):
        at = 0.0

        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 5:
                (victim,) = workers()
                self.at = time.monotonic()
                os.kill(victim.pid, signal.SIGKILL)

    killer = Killer()
    message = error_of(lambda _: time.monotonic() - killer.at, callback=killer)
    assert message == "worker 1 ended without a message (exit code -9)"


class Attack(Together):
    """Sends a signal to the other worker as soon as it has made updates, as often as told.

    After a SIGSTOP the silence that is allowed is short, until the worker is replaced.
    """

    def __init__(self, signum: signal.Signals, times: int, patch: pytest.MonkeyPatch) -> None:
        self.signum, self.left, self.seen = signum, times, 0
        self.victims: list[Any] = []
        patch.setattr(strategy, "start_worker", self.start)
        self.watchdog: Any = None

    def start(self, *args: Any) -> Worker:
        if self.watchdog is not None:
            self.watchdog.limit = GENEROUS  # a worker needs seconds for its first update
        return start_worker(*args)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        updates = pl_module.ledger.updates.count(1)
        new = [process for process in workers() if process not in self.victims]
        if new and self.left and updates > self.seen:
            self.left -= 1
            self.victims += new
            self.seen = updates
            os.kill(new[0].pid, self.signum)
            if self.signum == signal.SIGSTOP:
                self.watchdog = hogwild(trainer)._supervisor._watchdog  # type: ignore[union-attr]
                self.watchdog.limit = SILENCE

    def replaced(self, pl_module: Any) -> bool:
        """Whether the last victim's successor has made updates."""
        successor = any(process not in self.victims for process in workers())
        return not self.left and successor and bool(pl_module.ledger.updates.count(1) > self.seen + 1)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_a_worker_that_ends_or_hangs_is_replaced(
    signum: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The training goes on to its end, and what the victims had not learned from is discarded."""
    file = tmp_path / "steps"
    module, data = make(dummy("Counted"), updates=10**9, data={"env_kwargs": {"file": str(file)}})
    data.worker_timeout = GENEROUS
    attack = Attack(signum, 2, monkeypatch)
    until = Until(lambda: attack.replaced(module))
    trainer(devices=2, callbacks=[attack, until], limit_val_batches=0).fit(module, datamodule=data)
    messages = [record.getMessage() for record in caplog.records if record.name == "lit_a3c.engines.processes"]
    assert len(messages) == 2
    what = "ended without a message" if signum == signal.SIGKILL else f"was silent for {SILENCE:g} second"
    assert all(f"worker 1 {what}" in message for message in messages)
    assert not workers()
    ledger = module.ledger
    assert 0 <= ledger.discarded.total <= 2 * ROLLOUT
    assert ledger.collected.total == ledger.learned.total + ledger.discarded.total
    # A vector step that was cut short is not counted.
    assert 0 <= file.stat().st_size - (ledger.collected.total - until.skipped) <= 2 * ENVS


def test_rank_zeros_own_exception_ends_the_others() -> None:
    """Even before these have started."""
    module, data = make(dummy("Broken"))
    with pytest.raises(EnvError, match="ZeroDivisionError: the environment broke in step 3"):
        trainer(devices=2).fit(module, datamodule=data)
    assert not workers()
