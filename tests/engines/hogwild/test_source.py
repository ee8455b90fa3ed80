"""The rollouts of one lock-free worker: it acts with the very parameters that learn."""

from __future__ import annotations

import json
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lit_a3c import A3C, Rollout, RolloutDataModule
from lit_a3c.engines.base import tensors_of
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.hogwild.worker import HogwildWorker, WorkerConfig
from lit_a3c.rollout import AppliedUpdates
from tests.dummy_envs import dummy
from tests.engines.hogwild.trainings import make, trainer


class Observed(A3C):
    """Notes in a file, at the end of every update of a worker, what happened in it.

    These are the pulls and the copies of whole lists of tensors since the update before, and whether the actor stands
    on the memory of the module.
    """

    file = ""

    def on_train_start(self) -> None:
        super().on_train_start()
        self.pulls = self.copies = 0
        if isinstance(self.trainer.strategy, HogwildWorker):
            pull, copy = HogwildWorker.pull, torch._foreach_copy_

            def counted_pull(strategy: HogwildWorker) -> None:
                self.pulls += 1
                pull(strategy)

            def counted_copy(*args: Any, **kwargs: Any) -> Any:
                self.copies += 1
                return copy(*args, **kwargs)

            HogwildWorker.pull = counted_pull  # type: ignore[method-assign]
            torch._foreach_copy_ = counted_copy

    def on_train_batch_end(self, outputs: Any, batch: Rollout | AppliedUpdates, batch_idx: int) -> None:
        super().on_train_batch_end(outputs, batch, batch_idx)
        if isinstance(batch, Rollout):
            loader: Any = self.trainer.train_dataloader
            pairs = zip(loader._source._actor.weights, tensors_of(self.policy), strict=True)
            same = all(own.data_ptr() == shared.data_ptr() for own, shared in pairs)
            with Path(self.file).open("a") as file:
                file.write(json.dumps([self.pulls, self.copies, same]) + "\n")
            self.pulls = self.copies = 0


@pytest.mark.parametrize(("num_minibatches", "num_passes", "updates"), [(1, 1, 10), (2, 1, 20), (2, 3, 9 * 6 + 2)])
def test_weights_are_copied_once_for_each_update(
    num_minibatches: int, num_passes: int, updates: int, tmp_path: Path
) -> None:
    """So with one update a rollout they are copied once a rollout: the actor needs no copy of its own."""
    sizes = {"num_minibatches": num_minibatches, "num_passes": num_passes}
    module, data = make(updates=10, cls=Observed, data=sizes, vtrace=num_passes > 1)
    module.file = str(tmp_path / "updates")
    trainer(gradient_clip_val=0.5).fit(module, datamodule=data)
    noted = [json.loads(line) for line in Path(module.file).read_text().splitlines()]
    assert noted == [[1, 1, True]] * updates
    assert module.steps == data.total_steps


def connected(number: int, rank_zero: Connection, **options: Any) -> tuple[A3C, RolloutDataModule]:
    """Module and data module of the worker of a number, as if it trained."""
    module, data = make(**options)
    shared = SharedTrainState([], [], [], module.ledger)
    strategy = HogwildWorker(number, WorkerConfig(num_workers=3, report_every=1, seed=1, trainer={}), shared, rank_zero)
    data.trainer = trainer(strategy)
    strategy.connect(module)
    module.begin_training(data.total_steps)
    data.use_engine(strategy)
    return module, data


@pytest.mark.parametrize(("env_id", "what"), [("CartPole-v1", "observation"), (dummy("Counter"), "action")])
def test_workers_have_seeds_of_their_own(env_id: str, what: str) -> None:
    """Their environments start differently, as do their draws where they see the same. The same seed repeats both."""
    ours, _theirs = Pipe()

    def rollout(number: int, seed: int) -> Tensor:
        _, data = connected(number, ours, env_id=env_id, seed=seed)
        assert data.rollout_config().first_worker == number
        drawn = next(iter(data.train_dataloader()))
        assert isinstance(drawn, Rollout)
        tensor = drawn.tensors()[what].clone()
        data.teardown("fit")
        return tensor.flatten()

    first, again, other = ([rollout(number, seed) for number in range(3)] for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({tuple(drawn.tolist()) for drawn in [*first, *other]}) == 6


def test_a_workers_rollouts_end_when_rank_zero_is_gone() -> None:
    """Then its training ends as if the budget were used up."""
    ours, theirs = Pipe()
    module, data = connected(1, ours)
    module.ledger.allocate(4)
    rollouts = iter(data.train_dataloader())
    next(rollouts)
    theirs.close()
    assert list(rollouts) == []
    data.teardown("fit")


def test_a_workers_rollouts_end_with_the_trainers_max_steps() -> None:
    """Whoever made the updates."""
    ours, _theirs = Pipe()
    module, data = connected(1, ours)
    module.ledger.allocate(4)
    data._strategy._shared.max_updates = 7  # type: ignore[union-attr]
    rollouts = iter(data.train_dataloader())
    next(rollouts)
    module.ledger.for_rank(3).updates.add(7)
    assert list(rollouts) == []
    data.teardown("fit")
