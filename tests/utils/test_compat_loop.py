"""The lean loop makes Lightning's updates, and steps aside where hooks are overridden."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch.optim import Optimizer

from lit_a3c import A3C, RolloutDataModule
from lit_a3c.utils.compat_loop import HOOKS, LeanEpochLoop, make_lean
from tests.trainers import quiet

UPDATES = 12


class Plain(SingleDeviceStrategy):
    """As a worker's, without shared parameters."""

    strategy_name = "plain"

    def lean_optimizer_step(self, optimizer: Optimizer, closure: Callable[[], Any]) -> Any:
        return optimizer.step(closure=closure)


class Counting(A3C):
    """Has a hook of its own."""

    backwards = 0

    def on_after_backward(self) -> None:
        self.backwards += 1


class Moving(RolloutDataModule):
    """Has another hook of its own."""

    moved = 0

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self.moved += 1
        return batch


def trained(
    lean: bool, cls: type[A3C] = A3C, data_cls: type[RolloutDataModule] = RolloutDataModule, **options: Any
) -> tuple[A3C, Trainer]:
    """After some updates of the engine ``serial``."""
    seed_everything(1, verbose=False)
    data = data_cls("CartPole-v1", 10**6, "serial", envs_per_worker=3, rollout_length=4, num_minibatches=2)
    module = cls(data.spaces, optimizer=functools.partial(torch.optim.Adam, lr=1e-2), normalize_returns=True)
    given = {"max_steps": UPDATES, "limit_val_batches": 0, "log_every_n_steps": 0, "gradient_clip_val": 0.1}
    trainer = quiet(strategy=Plain(device="cpu"), **{**given, **options})
    if lean:
        make_lean(trainer)
    trainer.fit(module, data)
    return module, trainer


def is_lean(trainer: Trainer) -> bool:
    """Whether the last training went without Lightning's hooks."""
    loop = trainer.fit_loop.epoch_loop
    return isinstance(loop, LeanEpochLoop) and loop._lean


def test_updates_and_counts_are_lightnings() -> None:
    """Weights, statistics, learning rates and counts are equal to the bit."""
    (one, ours), (other, theirs) = trained(lean=True), trained(lean=False)
    assert is_lean(ours)
    assert one.ledger.updates.total == other.ledger.updates.total == UPDATES
    for name, tensor in other.state_dict().items():
        assert torch.equal(one.state_dict()[name], tensor), name
    assert ours.global_step == theirs.global_step == UPDATES
    assert ours.optimizers[0].param_groups[0]["lr"] == theirs.optimizers[0].param_groups[0]["lr"]
    progress = [trainer.fit_loop.epoch_loop.batch_progress.state_dict() for trainer in (ours, theirs)]
    assert progress[0] == progress[1]


@pytest.mark.parametrize(
    "options", [{"accumulate_grad_batches": 2}, {"precision": "bf16-mixed"}, {"callbacks": [Callback()]}]
)
def test_what_needs_lightnings_loop_gets_it(options: dict[str, Any]) -> None:
    (one, ours), (other, _) = trained(lean=True, **options), trained(lean=False, **options)
    assert not is_lean(ours)
    assert one.ledger.updates.total == other.ledger.updates.total == UPDATES
    for name, tensor in other.state_dict().items():
        assert torch.equal(one.state_dict()[name], tensor), name


def test_hooks_of_the_users_own_are_called() -> None:
    """Of a module, once a batch, and of a data module."""
    module, trainer = trained(lean=True, cls=Counting)
    assert not is_lean(trainer)
    assert isinstance(module, Counting)
    assert module.backwards == UPDATES
    _, trainer = trained(lean=True, data_cls=Moving)
    assert not is_lean(trainer)
    data = getattr(trainer, "datamodule", None)
    assert isinstance(data, Moving)
    assert data.moved >= UPDATES


def test_lightning_has_the_hooks() -> None:
    """A renamed hook would be looked for in vain."""
    for name in HOOKS:
        assert callable(getattr(A3C, name))
