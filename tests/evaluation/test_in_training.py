"""Evaluations that fail in the middle of a training."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer, seed_everything

from lit_a3c import A3C, RolloutDataModule
from tests.dummy_envs import dummy
from tests.evaluation.test_process import evaluation_processes
from tests.trainers import quiet


def trained(engine: str, callback: Callback, env_id: str, **env_kwargs: Any) -> tuple[A3C, Trainer]:
    """A training of 200 updates with a validation every 50."""
    seed_everything(1, verbose=False)
    data = RolloutDataModule(env_id, 200 * 10, engine, 1, 2, 5, eval_episodes=3, env_kwargs=env_kwargs)  # type: ignore[arg-type]
    module = A3C(data.spaces)
    trainer = quiet(
        strategy="hogwild" if engine == "hogwild" else "auto",
        devices=1,
        check_val_every_n_epoch=None,
        val_check_interval=50,
        callbacks=[callback],
        num_sanity_val_steps=0,
    )
    trainer.fit(module, data)
    assert not evaluation_processes()
    return module, trainer


class Count(Callback):
    """Counts validations, and the processes that play at the end of each."""

    def __init__(self) -> None:
        self.processes: list[int] = []

    def on_validation_end(self, trainer: Trainer, pl_module: A3C) -> None:
        assert len(pl_module.episodes) == 3
        self.processes += [process.pid for process in evaluation_processes()]


@pytest.mark.parametrize("engine", ["hogwild", "async", "sync"])
def test_an_environment_that_crashes_in_an_evaluation_does_not_end_the_training(
    engine: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is played again, in a process that all further validations use."""
    count = Count()
    module, trainer = trained(engine, count, dummy("Crashes"), once=str(tmp_path / "once"), evaluation=True)
    assert module.finished
    assert len(count.processes) >= 2
    assert len(set(count.processes)) == 1
    assert trainer.callback_metrics["val/return_mean"] == 10
    (message,) = [record.getMessage() for record in caplog.records if "replaced" in record.getMessage()]
    assert message.startswith("lit-a3c: evaluation: worker 0 ended without a message (exit code -11)")


def test_a_process_that_was_killed_between_two_validations_is_replaced(tmp_path: Path) -> None:
    """The next validation notices it."""

    class Kill(Count):
        def on_validation_end(self, trainer: Trainer, pl_module: A3C) -> None:
            super().on_validation_end(trainer, pl_module)
            if len(self.processes) == 1:
                os.kill(self.processes[0], signal.SIGKILL)

    kill = Kill()
    module, _ = trained("async", kill, dummy("Identity"))
    assert module.finished
    assert len(set(kill.processes)) == 2


def test_without_workers_this_process_evaluates() -> None:
    """So a debugger sees the environment with the engine ``serial``."""
    count = Count()
    module, trainer = trained("serial", count, dummy("Identity"))
    assert module.finished
    assert "val/return_mean" in trainer.callback_metrics
    assert not count.processes
