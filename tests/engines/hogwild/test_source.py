"""The rollouts of one lock-free worker: it acts with the very parameters that learn."""

from __future__ import annotations

from multiprocessing import Pipe
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lit_a3c import A3C, Hogwild, RolloutDataModule
from lit_a3c.engines.base import tensors_of
from tests.dummy_envs import dummy
from tests.engines.hogwild.trainings import hogwild, make, trainer


class Copies(Callback):
    """Counts, at the end of every update, the pulls and the copies of whole lists of tensors since the one before."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.pulls = self.copies = 0
        self.counts: list[tuple[int, int]] = []
        pull, copy = Hogwild.pull, torch._foreach_copy_

        def counted_pull(strategy: Hogwild) -> None:
            self.pulls += 1
            pull(strategy)

        def counted_copy(*args: Any, **kwargs: Any) -> Any:
            self.copies += 1
            return copy(*args, **kwargs)

        patch.setattr(Hogwild, "pull", counted_pull)
        patch.setattr(torch, "_foreach_copy_", counted_copy)

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        self.counts.append((self.pulls, self.copies))
        self.pulls = self.copies = 0


@pytest.mark.parametrize("num_minibatches", [1, 2])
def test_weights_are_copied_once_for_each_update(num_minibatches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So with one update a rollout they are copied once a rollout: the actor needs no copy of its own."""
    module, data = make(updates=10, data={"num_minibatches": num_minibatches})
    copies = Copies(monkeypatch)
    trainer(callbacks=[copies], gradient_clip_val=0.5).fit(module, datamodule=data)
    assert copies.counts == [(1, 1)] * 10 * num_minibatches


def test_the_actor_stands_on_the_memory_of_the_module() -> None:
    """At the start and after updates, parameters and running statistics alike."""
    seen = []

    class Compare(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: A3C, *_: Any) -> None:
            actor = trainer.train_dataloader._source._actor
            pairs = zip(actor.weights, tensors_of(pl_module.policy), strict=True)
            seen.append(all(own.data_ptr() == shared.data_ptr() for own, shared in pairs))

    module, data = make(updates=10)
    trainer(callbacks=[Compare()]).fit(module, datamodule=data)
    assert seen == [True] * 10


def connected(rank: int, rank_zero: Any = None, **options: Any) -> tuple[A3C, RolloutDataModule]:
    """Module and data module of the worker of a rank, as if it trained."""
    module, data = make(**options)
    module.begin_training(data.total_steps)
    data.trainer = trainer(Hogwild(), devices=3)
    hogwild(data.trainer).connect(module)
    hogwild(data.trainer).join(None, rank, rank_zero, 1)  # type: ignore[arg-type]
    data.use_engine(hogwild(data.trainer))
    return module, data


@pytest.mark.parametrize(("env_id", "what"), [("CartPole-v1", "observation"), (dummy("Counter"), "action")])
def test_workers_have_seeds_of_their_own(env_id: str, what: str) -> None:
    """Their environments start differently, as do their draws where they see the same. The same seed repeats both."""

    def rollout(rank: int, seed: int) -> Tensor:
        _, data = connected(rank, env_id=env_id, seed=seed)
        assert data.rollout_config().first_worker == rank
        drawn = next(iter(data.train_dataloader())).tensors()[what].clone()
        data.teardown("fit")
        return drawn.flatten()

    first, again, other = ([rollout(rank, seed) for rank in range(3)] for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert len({tuple(drawn.tolist()) for drawn in [*first, *other]}) == 6


def test_a_workers_rollouts_end_when_rank_zero_is_gone() -> None:
    """Then its training ends as if the budget were used up."""
    ours, theirs = Pipe()
    module, data = connected(1, rank_zero=ours)
    module.ledger.allocate(3)
    rollouts = iter(data.train_dataloader())
    next(rollouts)
    theirs.close()
    assert list(rollouts) == []
    data.teardown("fit")
