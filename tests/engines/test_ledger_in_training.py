"""Every step is learned from, in flight or discarded, during and after a training with any engine.

The trainings of ``hogwild`` are checked beside its other tests.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer, seed_everything

from lit_a3c import A3C, RolloutDataModule
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.processes import context
from lit_a3c.rollout import Rollout
from tests.dummy_envs import dummy
from tests.engines.sources import workers
from tests.trainers import quiet

WORKERS, ENVS, LENGTH = 2, 2, 5
ROLLOUT = ENVS * LENGTH


def collect_and_learn(ledger: StepLedger, updates: int) -> None:
    """A process that learns from each step at once."""
    for _ in range(updates):
        ledger.collected.add(5)
        ledger.stage(5)
        ledger.record_update()


def test_nobody_sees_more_steps_learned_from_than_were_taken() -> None:
    """Though others collect and learn while a process adds up the counts."""
    ledger, updates = StepLedger(), 3000
    ledger.allocate(3)
    processes = [
        context().Process(target=collect_and_learn, args=(ledger.for_rank(rank), updates), daemon=True)
        for rank in range(3)
    ]
    for process in processes:
        process.start()
    seen = [ledger.in_flight]
    while any(process.is_alive() for process in processes):
        seen.append(ledger.in_flight)
    assert min(seen) >= 0
    assert ledger.collected.total == ledger.learned.total == 3 * updates * 5
    assert ledger.updates.total == 3 * updates


class Check(Callback):
    """Compares the ledger with counts that do not depend on it: a file, and the minibatches of Lightning.

    After every update at most so many steps are in flight.
    """

    def __init__(self, file: Path, most_in_flight: int) -> None:
        self.file, self.most_in_flight = file, most_in_flight
        self.learned = self.checks = self.killed = 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: A3C, outputs: Any, batch: Rollout, *_: Any) -> None:
        self.checks += 1
        self.learned += 0 if batch.repeated else batch.num_steps
        self.check(pl_module.ledger)

    def check(self, ledger: StepLedger) -> None:
        assert ledger.learned.total == self.learned
        assert 0 <= ledger.in_flight <= self.most_in_flight
        before, taken, after = ledger.collected.total, self.file.stat().st_size, ledger.collected.total
        # A vector step is counted when it is whole, and that of a killed worker may never be.
        assert before <= taken <= after + (WORKERS + self.killed) * ENVS


class Killer(Check):
    """Kills a worker after every tenth update, three times."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: A3C, outputs: Any, batch: Rollout, *_: Any) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, batch)
        if self.checks % 10 == 0 and self.killed < 3:
            self.killed += 1
            os.kill(workers()[0].pid, signal.SIGKILL)


def trained(engine: str, check: Check, num_minibatches: int = 1, num_passes: int = 1) -> StepLedger:
    """The ledger after a training of a hundred rollouts of one worker."""
    seed_everything(1, verbose=False)
    data = RolloutDataModule(
        dummy("Counted"),
        100 * ROLLOUT,
        engine,
        WORKERS,
        ENVS,
        LENGTH,
        num_minibatches,
        num_passes,
        env_kwargs={"file": str(check.file)},
    )
    module = A3C(data.spaces, vtrace=num_passes > 1)
    trainer = quiet(devices=1, limit_val_batches=0, callbacks=[check])
    trainer.fit(module, datamodule=data)
    assert module.steps == data.total_steps
    assert module.ledger.updates.total == check.checks == trainer.global_step
    return module.ledger


@pytest.mark.parametrize(("num_minibatches", "num_passes"), [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize(("engine", "rollouts_in_flight"), [("serial", 0), ("sync", 0), ("async", 2 * WORKERS - 1)])
def test_the_ledger_balances(
    engine: str, rollouts_in_flight: int, num_minibatches: int, num_passes: int, tmp_path: Path
) -> None:
    """With ``async`` all slots may be full but that of the present rollout, which may be learned from in part."""
    present = 0 if num_minibatches == 1 else ROLLOUT * (1 if engine == "async" else WORKERS) // 2
    check = Check(tmp_path / "steps", rollouts_in_flight * ROLLOUT + present)
    ledger = trained(engine, check, num_minibatches, num_passes)
    assert ledger.discarded.total == 0
    check.check(ledger)
    if engine != "async":  # where nobody acts unasked, no step is left
        assert ledger.in_flight == 0
        assert ledger.collected.total == check.file.stat().st_size


@pytest.mark.parametrize(("engine", "rollouts_in_flight"), [("sync", 0), ("async", 2 * WORKERS - 1)])
def test_the_ledger_balances_when_workers_are_killed(engine: str, rollouts_in_flight: int, tmp_path: Path) -> None:
    """What the killed ones had not handed over is discarded, once it is known that they are dead."""
    dead = 3 * 2 * ROLLOUT
    check = Killer(tmp_path / "steps", rollouts_in_flight * ROLLOUT + dead)
    ledger = trained(engine, check)
    assert check.killed == 3
    assert 0 <= ledger.discarded.total <= dead
    check.check(ledger)
    assert ledger.in_flight <= rollouts_in_flight * ROLLOUT
