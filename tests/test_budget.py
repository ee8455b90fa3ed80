"""The budget of a training is the data module's alone: fine-tuning, continued runs, and runs that had their steps."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lit_a3c import A3C, ConfigError, RMSprop, RolloutDataModule
from tests.commands import read
from tests.dummy_envs import dummy
from tests.trainers import quiet

ROLLOUT = 20
"""Steps of one update: 4 environments x 5."""
ENGINES: dict[str, dict[str, Any]] = {"serial": {}, "hogwild": {"strategy": "hogwild", "devices": 1}}


def data_of(steps: int, engine: str = "serial") -> RolloutDataModule:
    return RolloutDataModule(
        dummy("Identity"), steps, engine="serial" if engine == "serial" else None, envs_per_worker=4, rollout_length=5
    )


class Schedule(Callback):
    """The learning rate and the weight of the entropy, before each update."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.entropies: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        assert isinstance(pl_module, A3C)
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.entropies.append(pl_module.entropy_coef)


def fit(module: A3C, data: RolloutDataModule, engine: str = "serial", **options: Any) -> tuple[Trainer, Schedule]:
    """One training, and the schedules in it."""
    schedule = Schedule()
    trainer = quiet(callbacks=[schedule], limit_val_batches=0, **ENGINES[engine])
    trainer.fit(module, datamodule=data, **options)
    return trainer, schedule


def make(steps: int, engine: str = "serial") -> tuple[A3C, RolloutDataModule]:
    data = data_of(steps, engine)
    optimizer = functools.partial(RMSprop, lr=0.1)
    return A3C(data.spaces, entropy_coef=0.4, final_entropy_coef=0.0, optimizer=optimizer), data


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A checkpoint after 4 updates."""
    module, data = make(4 * ROLLOUT)
    trainer, _ = fit(module, data)
    trainer.save_checkpoint(tmp_path / "trained.ckpt")
    return tmp_path / "trained.ckpt"


@pytest.mark.parametrize("engine", ENGINES)
def test_fine_tuning_learns_from_the_data_modules_steps(trained: Path, engine: str) -> None:
    """A loaded module learns from so many more, fewer than before or not, and its schedules run over them."""
    module = A3C.load_from_checkpoint(trained, optimizer=functools.partial(RMSprop, lr=0.1))
    assert module.steps == 4 * ROLLOUT
    _, schedule = fit(module, data_of(2 * ROLLOUT, engine), engine)
    assert (module.steps, module.ledger.updates.total, module.finished) == (6 * ROLLOUT, 6, True)
    if engine == "serial":  # else the schedules are those of the workers, and this process sees them now and then
        assert schedule.rates == pytest.approx([0.1, 0.05])
        assert schedule.entropies == pytest.approx([0.4, 0.2])


def test_a_second_fit_learns_from_as_many_steps_again() -> None:
    module, data = make(3 * ROLLOUT)
    for done in (3, 6):
        _, schedule = fit(module, data)
        assert module.steps == done * ROLLOUT
        assert schedule.rates == pytest.approx([0.1, 0.2 / 3, 0.1 / 3])


def test_fine_tuning_may_use_another_optimizer(trained: Path) -> None:
    """Only the weights were taken. A continued run needs the optimizer of its state."""
    adam = functools.partial(torch.optim.Adam, lr=1e-3)
    trainer, _ = fit(A3C.load_from_checkpoint(trained, optimizer=adam), data_of(ROLLOUT))
    assert isinstance(trainer.optimizers[0], torch.optim.Adam)
    with pytest.raises(ConfigError, match=r"optimizer RMSprop, and model\.optimizer is Adam"):
        fit(A3C.load_from_checkpoint(trained, optimizer=adam), data_of(8 * ROLLOUT), ckpt_path=trained)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_continued_run_counts_from_its_own_beginning(trained: Path, tmp_path: Path, engine: str) -> None:
    """``ckpt_path`` goes on: a run that began with a trained module still has the steps that it has not had."""
    half = tmp_path / "half.ckpt"
    module, data = A3C.load_from_checkpoint(trained, optimizer=functools.partial(RMSprop, lr=0.1)), data_of(2 * ROLLOUT)
    save = quiet(max_steps=1, limit_val_batches=0)
    save.fit(module, datamodule=data)
    save.save_checkpoint(half)
    assert (read(half)["steps"], read(half)["first_step"]) == (5 * ROLLOUT, 4 * ROLLOUT)
    module, data = make(2 * ROLLOUT, engine)
    _, schedule = fit(module, data, engine, ckpt_path=half)
    assert module.steps == 6 * ROLLOUT
    assert schedule.rates == pytest.approx([0.05])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_that_has_had_its_steps_is_refused(trained: Path, engine: str) -> None:
    """It says so, and no environment is stepped. With more steps it goes on to them."""
    module, data = make(4 * ROLLOUT, engine)
    with pytest.raises(ConfigError, match="the run has finished its 80 steps"):
        fit(module, data, engine, ckpt_path=trained)
    assert module.ledger.in_flight == 0
    module, data = make(5 * ROLLOUT, engine)
    _, schedule = fit(module, data, engine, ckpt_path=trained)
    assert module.steps == 5 * ROLLOUT
    assert schedule.rates == pytest.approx([0.02])


def test_checkpoints_of_version_0_1_0(trained: Path) -> None:
    """They hold the budget as an option of the module, and not where their training began."""
    checkpoint = read(trained)
    del checkpoint["first_step"]
    checkpoint["hyper_parameters"]["total_steps"] = 80
    torch.save(checkpoint, trained)
    assert A3C.load_from_checkpoint(trained).steps == 4 * ROLLOUT
    module, data = make(5 * ROLLOUT)
    fit(module, data, ckpt_path=trained)
    assert module.steps == 5 * ROLLOUT


@pytest.mark.parametrize("first_step", [-1, 81, 1.5, "many"])
def test_a_beginning_that_cannot_be(trained: Path, first_step: Any) -> None:
    checkpoint = read(trained)
    checkpoint["first_step"] = first_step
    torch.save(checkpoint, trained)
    with pytest.raises(ConfigError, match="'first_step'"):
        A3C.load_from_checkpoint(trained)


def test_without_a_budget_nothing_moves() -> None:
    """A module that no data module has told a budget is never finished, and its schedules stay where they begin."""
    module, _ = make(ROLLOUT)
    module.ledger.learned.total = 1_000_000
    assert (module.finished, module.last_step, module.share_left, module.entropy_coef) == (False, None, 1.0, 0.4)
