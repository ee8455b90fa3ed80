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
from tests.dummy_envs import dummy
from tests.engines.hogwild.trainings import (
    ENVS,
    GENEROUS,
    ROLLOUT,
    Together,
    Until,
    hogwild,
    make,
    trainer,
    updates,
    workers,
)


def error_of(since: Callable[[str], float], env_id: str = "CartPole-v1", callback: Callback | None = None) -> str:
    """The WorkerError's message. ``since`` finds in it how long ago it happened.

    Without the error the training would go on for about an hour.
    """
    module, data = make(env_id, updates=1_000_000, cls=Together)
    data.max_restarts = 0
    with pytest.raises(WorkerError) as error:
        trainer(devices=2, callbacks=callback).fit(module, datamodule=data)
    message = str(error.value)
    assert 0 < since(message) < GENEROUS
    assert not workers()
    return message


def test_a_workers_exception_arrives() -> None:
    """With its number, the type, the message and where it was raised."""

    def since(message: str) -> float:
        what = r"^worker [01] failed: environment 0 of .*: ZeroDivisionError: the environment broke at ([\d.]+) s "
        (at,) = re.findall(what, message)
        return time.monotonic() - float(at)

    message = error_of(since, env_id=dummy("BreaksElsewhere"))
    assert re.search(r"\(.*failing.py, line \d+, in BreaksElsewhere.judge\)\.$", message)


def test_a_killed_worker_is_an_error_and_no_hang() -> None:
    """The error names the worker's number and the signal."""

    class Killer(Callback):
        at = 0.0

        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
            if not self.at and min(updates(pl_module)) > 5:
                (victim,) = workers(1)
                self.at = time.monotonic()
                os.kill(victim.pid, signal.SIGKILL)

    killer = Killer()
    message = error_of(lambda _: time.monotonic() - killer.at, callback=killer)
    assert message == "worker 1 ended without a message (exit code -9)"


class Attack(Callback):
    """Sends a signal to the last worker as soon as it has made updates, as often as told.

    After a SIGSTOP, the worker's silence counts as if it had begun nearly so long ago as it may last.
    """

    def __init__(self, number: int, signum: signal.Signals, times: int) -> None:
        self.number, self.signum, self.left, self.seen = number, signum, times, 0
        self.victims: list[Any] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        made = updates(pl_module)[self.number]
        new = [process for process in workers(self.number) if process not in self.victims]
        if new and self.left and made > self.seen:
            self.left -= 1
            self.victims += new
            self.seen = made
            os.kill(new[0].pid, self.signum)
            if self.signum == signal.SIGSTOP:
                supervisor: Any = hogwild(trainer)._supervisor
                for _ in range(5):
                    supervisor.poll(0.02)  # what it has sent and counted before ends its silence
                supervisor._watchdog._silent[self.number] = GENEROUS - 1

    def replaced(self, pl_module: Any) -> bool:
        """Whether the last victim's successor has made updates."""
        successor = any(process not in self.victims for process in workers(self.number))
        return not self.left and successor and updates(pl_module)[self.number] > self.seen + 1


@pytest.mark.parametrize("signum", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("devices", [1, 2])
def test_a_worker_that_ends_or_hangs_is_replaced(
    devices: int,
    signum: signal.Signals,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The only one as well. The training goes on, and what the victims had not learned from is discarded."""
    file = tmp_path / "steps"
    module, data = make(dummy("Counted"), updates=10**9, data={"env_kwargs": {"file": str(file)}})
    data.worker_timeout = GENEROUS
    attack = Attack(devices - 1, signum, 2)
    until = Until(lambda: attack.replaced(module))
    trainer(devices=devices, callbacks=[attack, until], limit_val_batches=0).fit(module, datamodule=data)
    messages = [record.getMessage() for record in caplog.records if record.name == "lit_a3c.engines.processes"]
    assert len(messages) == 2
    what = "ended without a message" if signum == signal.SIGKILL else f"was silent for {GENEROUS:g} seconds"
    assert all(f"worker {devices - 1} {what}" in message for message in messages)
    assert not workers()
    ledger = module.ledger
    assert 0 <= ledger.discarded.total <= 2 * ROLLOUT
    assert ledger.collected.total == ledger.learned.total + ledger.discarded.total
    # A vector step that was cut short is not counted.
    assert 0 <= file.stat().st_size - (ledger.collected.total - until.skipped) <= 2 * ENVS
    assert ledger.collected.count(0) == until.skipped, "the process that was started takes no part"


def test_an_environment_that_cannot_work_ends_the_training() -> None:
    """Its worker raises an exception before the first update under its number. A replacement would, too."""
    module, data = make(dummy("Broken"))
    with pytest.raises(WorkerError, match=r"worker [01] failed: .*ZeroDivisionError: the environment broke in step 3"):
        trainer(devices=2).fit(module, datamodule=data)
    assert not workers()


def test_an_environment_that_crashes_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its worker is replaced. The message says in a few lines where it was, and the training goes on to its end."""
    once = tmp_path / "crashed"
    module, data = make(dummy("Crashes"), updates=30, data={"env_kwargs": {"once": str(once)}})
    trainer(devices=1, limit_val_batches=0).fit(module, datamodule=data)
    assert once.exists()
    assert module.finished
    (message,) = [record.getMessage() for record in caplog.records if record.name == "lit_a3c.engines.processes"]
    fault, first, *frames, last = message.splitlines()
    assert fault == (
        "lit-a3c: worker 0 ended without a message (exit code -11), Fatal Python error: Segmentation fault, "
        "most recent call first:"
    )
    assert re.fullmatch(r'  File ".*ctypes.*", line \d+ in string_at', first)
    assert re.fullmatch(r'  File ".*failing.py", line \d+ in judge', frames[0])
    assert len(frames) == 4
    assert last == "lit-a3c: it is replaced (1 of at most 10 times)"
