"""Several rollouts make one update: none is lost or seen twice, no worker waits, and the lag is the true one."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything

from lit_a3c import A3C, GRU, RolloutDataModule
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.loader import RolloutLoader
from lit_a3c.engines.registry import make_source
from lit_a3c.rollout import Rollout
from lit_a3c.utils.errors import ConfigError
from tests.dummy_envs import dummy
from tests.engines.sources import GENEROUS, assert_same_tensors, copied, setting, workers
from tests.trainers import quiet

ENVS, LENGTH = 2, 5
ROLLOUT = ENVS * LENGTH


def loader_of(
    engine: str, rollouts: int, num_workers: int = 1, total_steps: int = 10_000, env_id: str = dummy("Pid")
) -> tuple[closing[RolloutLoader], StepLedger]:
    """A loader, closed in any case, and its ledger."""
    config, policy = setting(env_id, engine, num_workers, ENVS, LENGTH)
    config = replace(config, rollouts_per_update=rollouts)
    ledger = StepLedger()
    source = make_source(config, policy, ledger)
    return closing(RolloutLoader(source, config, ledger, total_steps, 1, lambda: 0)), ledger


def learn(ledger: StepLedger, rollout: Rollout) -> None:
    ledger.stage(rollout.num_steps)
    ledger.record_update()


def counts(rollout: Rollout) -> dict[tuple[float, ...], list[float]]:
    """By worker, the numbers of its steps, in the order in which they lie side by side."""
    seen: dict[tuple[float, ...], list[float]] = {}
    for column in range(0, rollout.reward.shape[1], ENVS):
        process = tuple(rollout.observation[0, column, :2].tolist())
        assert (rollout.observation[:, column : column + ENVS, :2] == torch.tensor(process)).all()
        seen.setdefault(process, []).extend(rollout.observation[:, column, 2].tolist())
    return seen


def test_they_are_the_rollouts_that_would_have_come_one_by_one() -> None:
    """With the weights of one publication, though each overwrites the memory of the one before."""
    one, _ = loader_of("serial", 1, env_id="CartPole-v1")
    with one as loader:
        singles = [copied(rollout) for _, rollout in zip(range(6), loader, strict=False)]
    several, ledger = loader_of("serial", 3, env_id="CartPole-v1")
    with several as loader:
        for i, rollout in zip(range(2), loader, strict=False):
            assert_same_tensors_but_unused(rollout, Rollout.cat(singles[3 * i : 3 * i + 3]))
            assert rollout.policy_versions == (i, i, i)
            learn(ledger, rollout)
        assert ledger.learned.total == 6 * ROLLOUT


def assert_same_tensors_but_unused(rollout: Rollout, expected: Rollout) -> None:
    """Of the next observations only the valid ones are copied."""
    unused = ~expected.truncated
    unused[-1] = False
    for each in (rollout, expected):
        each.next_observation[unused] = 0
    assert_same_tensors(rollout, expected)


def test_a_single_rollout_is_not_copied() -> None:
    """The loader yields what the source gives."""
    made, _ = loader_of("serial", 1)
    with made as loader:
        given: list[Rollout] = []
        source = loader._source
        next_ = source.next
        source.next = lambda: (given.append(next_()), given[-1])[1]  # type: ignore[method-assign]
        rollout = next(iter(loader))
        assert rollout.observation.data_ptr() == given[0].observation.data_ptr()
        assert loader._staging is None


@pytest.mark.parametrize(("num_workers", "rollouts"), [(1, 5), (2, 3)])
def test_async_takes_them_as_they_come(num_workers: int, rollouts: int) -> None:
    """Also more of them than all workers have slots. The steps of each worker follow one another without a gap."""
    made, ledger = loader_of("async", rollouts, num_workers=num_workers)
    seen: dict[tuple[float, ...], list[float]] = {}
    deadline = time.monotonic() + GENEROUS
    with made as loader:
        for rollout in loader:
            assert rollout.num_steps == rollouts * ROLLOUT
            assert len(rollout.policy_versions) == rollouts
            assert ledger.updates.total - rollout.policy_version <= 2
            for process, steps in counts(rollout).items():
                seen.setdefault(process, []).extend(steps)
            learn(ledger, rollout)
            if ledger.updates.total >= 6 and len(seen) == num_workers:
                break
            assert time.monotonic() < deadline, "a worker never delivers"
        assert 0 <= ledger.in_flight <= 2 * num_workers * ROLLOUT
    for steps in seen.values():
        assert steps == list(range(len(steps)))


def test_sync_takes_as_many_of_every_worker() -> None:
    """One after the other with the same weights, which are those of all updates so far."""
    made, ledger = loader_of("sync", 3, num_workers=2)
    with made as loader:
        for i, rollout in zip(range(4), loader, strict=False):
            assert rollout.num_steps == 3 * 2 * ROLLOUT
            assert set(rollout.policy_versions) == {i}
            steps = list(counts(rollout).values())
            assert steps == [list(range(3 * LENGTH * i, 3 * LENGTH * (i + 1)))] * 2
            assert ledger.in_flight == rollout.num_steps, "nobody acts before the next weights"
            learn(ledger, rollout)


def test_the_workers_of_sync_are_staged_as_well() -> None:
    """Their rollouts lie side by side in the same memory for every update."""
    made, ledger = loader_of("sync", 1, num_workers=2)
    with made as loader:
        memory = set()
        for i, rollout in zip(range(3), loader, strict=False):
            assert list(counts(rollout).values()) == [list(range(LENGTH * i, LENGTH * (i + 1)))] * 2
            memory.add(rollout.observation.data_ptr())
            learn(ledger, rollout)
    assert len(memory) == 1


def test_the_length_is_in_updates() -> None:
    """200 steps are seven updates of three rollouts of 10."""
    made, ledger = loader_of("serial", 3, total_steps=200)
    with made as loader:
        assert len(loader) == 7
        ledger.learned.add(61)
        assert len(loader) == 5


class Kill(Callback):
    """Counts minibatches and their steps, and kills a worker three times."""

    def __init__(self) -> None:
        self.killed = self.steps = 0
        self.sizes: list[int] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: A3C, outputs: Any, batch: Rollout, *_: Any) -> None:
        self.sizes.append(batch.reward.shape[1])
        self.steps += batch.num_steps
        assert pl_module.ledger.learned.total == self.steps
        assert pl_module.ledger.in_flight >= 0
        if len(self.sizes) % 7 == 0 and self.killed < 3:
            self.killed += 1
            os.kill(workers()[0].pid, signal.SIGKILL)


@pytest.mark.parametrize("engine", ["sync", "async"])
def test_the_ledger_is_exact_when_workers_are_killed(engine: str, tmp_path: Path) -> None:
    """In trainings of a recurrent policy with V-trace. The budget is passed by less than one update."""
    seed_everything(1, verbose=False)
    file = tmp_path / "steps"
    data = RolloutDataModule(
        dummy("Counted"),
        *(500, engine, 2, ENVS, LENGTH),
        num_minibatches=3,
        rollouts_per_update=3,
        env_kwargs={"file": str(file)},
    )
    module, kill = A3C(data.spaces, vtrace=True, recurrent=GRU), Kill()
    quiet(limit_val_batches=0, callbacks=[kill]).fit(module, datamodule=data)
    assert kill.killed == 3
    assert set(kill.sizes) == {2 * (2 if engine == "sync" else 1)}
    assert 500 <= module.steps == kill.steps < 500 + kill.sizes[0] * LENGTH
    ledger = module.ledger
    assert ledger.updates.total == len(kill.sizes)
    assert ledger.collected.total <= file.stat().st_size <= ledger.collected.total + kill.killed * ENVS
    waiting = 0 if engine == "sync" else 4 * ROLLOUT
    assert 0 <= ledger.in_flight <= waiting + 2 * kill.sizes[0] * LENGTH, "with the update's other minibatches"


def test_the_logged_lag_is_the_mean_of_the_rollouts() -> None:
    """The oldest alone would say more than is true of the others."""
    data = RolloutDataModule("CartPole-v1", 100, "serial", envs_per_worker=ENVS)
    module = A3C(data.spaces)
    config, policy = setting("CartPole-v1", "serial", 1, ENVS, LENGTH)
    with closing(make_source(config, policy, StepLedger())) as source:
        one = source.next()
        versions = [replace(one, policy_version=version) for version in (7, 4, 1)]
        module.ledger.updates.total = 10
        module.training_step(Rollout.cat(versions), 0)
    assert module.metrics.report(0)["policy_lag"] == 6
    assert [part.mean_policy_version for part in Rollout.cat(versions).split(2)] == [4, 4]


def test_serial_goes_on_exactly(tmp_path: Path) -> None:
    """From the middle of an update's minibatches a resumed training is the uninterrupted one, to the bit."""
    file = tmp_path / "middle.ckpt"

    class Save(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 7:
                trainer.save_checkpoint(file)

    def trained(resumed: Path | None = None) -> A3C:
        seed_everything(1, verbose=False)
        data = RolloutDataModule("CartPole-v1", 480, "serial", 2, 3, 4, num_minibatches=5, rollouts_per_update=2)
        module = A3C(data.spaces)
        trainer = quiet(max_steps=14, limit_val_batches=0, callbacks=[Save()])
        trainer.fit(module, data, ckpt_path=resumed, weights_only=True)
        return module

    whole, again = trained(), trained(file)
    assert again.ledger.updates.total == whole.ledger.updates.total == 14
    for name, tensor in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_minibatches_may_be_as_many_as_there_are_environments() -> None:
    """Those of all rollouts of the update."""
    options = {"envs_per_worker": 4, "num_minibatches": 100}
    assert RolloutDataModule("CartPole-v1", **options).num_minibatches == 4
    assert RolloutDataModule("CartPole-v1", **options, rollouts_per_update=3).num_minibatches == 12


def test_hogwild_is_refused() -> None:
    """Its workers learn from their own rollouts."""
    data = RolloutDataModule("CartPole-v1", 480, rollouts_per_update=4)
    with pytest.raises(ConfigError, match=r"data.rollouts_per_update 4 must be 1 with engine 'hogwild'"):
        quiet(strategy="hogwild", devices=2).fit(A3C(data.spaces), datamodule=data)
    assert not workers()
