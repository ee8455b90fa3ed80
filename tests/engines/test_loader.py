"""The train loader: it publishes weights and yields rollouts, in as many minibatches as asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything

from lit_a3c import A3C, RolloutDataModule
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.loader import RolloutLoader
from lit_a3c.engines.registry import make_source
from lit_a3c.metrics.train_metrics import MetricsDelta, TrainMetrics
from lit_a3c.rollout import Rollout
from lit_a3c.utils.errors import EnvError
from tests.dummy_envs import dummy
from tests.engines.sources import assert_same_tensors, copied, setting
from tests.trainers import quiet

TOTAL_STEPS = 200
ENVS, LENGTH = 6, 5
ROLLOUT = ENVS * LENGTH


@contextmanager
def loading(
    num_minibatches: int = 1,
    started: int = 0,
    env_id: str = "CartPole-v1",
    passes: int = 1,
    with_returns: Callable[[Rollout], Rollout] = lambda rollout: rollout,
    renew: bool = False,
    **changes: Any,
) -> Iterator[tuple[RolloutLoader, StepLedger]]:
    """A loader of serial rollouts, and the ledger."""
    config, policy = setting(env_id, "serial", envs=ENVS, length=LENGTH)
    config = dataclasses.replace(config, **changes)
    ledger = StepLedger()
    source = make_source(config, policy, ledger)
    counts = (ledger, TOTAL_STEPS, num_minibatches, lambda: started)
    loader = RolloutLoader(source, config, *counts, num_passes=passes, with_returns=with_returns, renew_returns=renew)
    with closing(loader):
        yield loader, ledger


def learn(ledger: StepLedger, rollout: Rollout) -> None:
    """Count an update that was made of a minibatch."""
    ledger.stage(0 if rollout.repeated else rollout.num_steps)
    ledger.record_update()


def test_every_rollout_has_the_weights_of_all_updates_before_it() -> None:
    """Weights are published before a rollout is asked for, with the number of updates as their version."""
    with loading() as (loader, ledger):
        for i, rollout in zip(range(5), loader, strict=False):
            assert rollout.policy_version == ledger.updates.total == i
            assert rollout.num_steps == ROLLOUT
            learn(ledger, rollout)


@pytest.mark.parametrize("num_minibatches", [2, 3, 4])
def test_minibatches_of_a_rollout_share_its_version(num_minibatches: int) -> None:
    """Their lag grows by one update each. Together they are the rollout, and its episodes are counted once."""
    with loading() as (loader, _):
        whole = [copied(rollout) for _, rollout in zip(range(6), loader, strict=False)]
    with loading(num_minibatches) as (loader, ledger):
        minibatches = iter(loader)
        for i, rollout in enumerate(whole):
            parts = []
            for lag in range(num_minibatches):
                part = next(minibatches)
                assert part.policy_version == i * num_minibatches
                assert ledger.updates.total - part.policy_version == lag
                learn(ledger, part)
                parts.append(copied(part))
            assert torch.equal(torch.cat([part.observation for part in parts], dim=1), rollout.observation)
            assert [episode for part in parts for episode in part.episodes] == rollout.episodes
            assert max(part.num_steps for part in parts) - min(part.num_steps for part in parts) <= LENGTH


@pytest.mark.parametrize("engine", ["serial", "sync", "async", "hogwild"])
def test_the_lag_of_minibatches_in_a_training(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is logged as policy lag grows by one from minibatch to minibatch of a rollout."""
    lags: list[float] = []
    count, merge = TrainMetrics.count, TrainMetrics.merge

    def counted(self: TrainMetrics, rollout: Rollout, policy_lag: float) -> None:
        lags.append(policy_lag)
        count(self, rollout, policy_lag)

    def merged(self: TrainMetrics, delta: MetricsDelta) -> None:  # of a worker that learns itself, after each update
        lags.extend([delta.lag] * delta.updates)
        merge(self, delta)

    monkeypatch.setattr(TrainMetrics, "count", counted)
    monkeypatch.setattr(TrainMetrics, "merge", merged)
    seed_everything(1, verbose=False)
    workers = 1 if engine == "hogwild" else 2
    data = RolloutDataModule("CartPole-v1", 480, engine, workers, 3, rollout_length=4, num_minibatches=3)
    module = A3C(data.spaces)
    strategy = "hogwild" if engine == "hogwild" else "auto"
    trainer = quiet(strategy=strategy, devices=1, limit_val_batches=0, log_every_n_steps=1)
    trainer.fit(module, datamodule=data)
    assert len(lags) == trainer.global_step == 3 * 480 // (24 if engine in ("serial", "sync") else 12)
    firsts = lags[::3]
    assert lags == [first + i for first in firsts for i in range(3)]
    if engine == "async":
        assert max(firsts) > 0, "its workers act while it learns"
    else:
        assert firsts == [0] * len(firsts)


def test_further_minibatches_refresh_the_weights() -> None:
    """Before each of them but not before the first, which has those that were published for the rollout."""
    events: list[str] = []
    with loading(3) as (loader, _):
        source = loader._source
        publish, refresh = source.publish, source.refresh
        source.publish = lambda version: (events.append("publish"), publish(version))[1]  # type: ignore[method-assign]
        source.refresh = lambda: (events.append("refresh"), refresh())[1]  # type: ignore[method-assign]
        for _ in zip(range(6), loader, strict=False):
            events.append("minibatch")
    assert events == ["publish", "minibatch", "refresh", "minibatch", "refresh", "minibatch"] * 2


@pytest.mark.parametrize("recurrent", [False, True])
def test_each_pass_has_all_steps_in_an_order_of_its_own(recurrent: bool) -> None:
    """Single steps, or whole environments of a recurrent policy. The first pass of three has the episodes.

    The weights are refreshed for each update. Returns are asked for before each pass, after the refresh.
    """
    refreshed: list[int] = []
    rollouts = []

    def with_returns(rollout: Rollout) -> Rollout:
        assert ledger.updates.total == 2 * len(rollouts)
        assert refreshed[-1:] == [ledger.updates.total] or not rollout.repeated
        state = torch.zeros(1, ENVS, 2) if recurrent else None
        returns = rollout.reward + len(rollouts)
        rollout = dataclasses.replace(rollout, returns=returns, advantage=-returns, recurrent_state=state)
        rollouts.append(copied(rollout))
        return rollout

    with loading(2, passes=3, with_returns=with_returns, renew=True) as (loader, ledger):
        loader._source.refresh = lambda: refreshed.append(ledger.updates.total)  # type: ignore[method-assign]
        minibatches = []
        for _, minibatch in zip(range(12), loader, strict=False):
            minibatches.append(copied(minibatch))
            learn(ledger, minibatch)
    assert refreshed == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    assert len(rollouts) == 6
    for number, rollout in enumerate((minibatches[:6], minibatches[6:])):
        passes = [Rollout.cat(rollout[i : i + 2]) for i in (0, 2, 4)]
        wholes = [one if recurrent else one.single_steps() for one in rollouts[3 * number : 3 * number + 3]]
        assert [part.repeated for part in rollout] == [False, False, True, True, True, True]
        assert len({part.policy_version for part in rollout}) == 1
        assert not any(part.episodes for part in rollout[1:])
        orders = []
        for again, whole in zip(passes, wholes, strict=True):
            order = [int((whole.observation[0] == column).all(-1).nonzero()) for column in again.observation[0]]
            assert sorted(order) == list(range(ENVS if recurrent else ROLLOUT))
            orders.append(order)
            for name, tensor in again.tensors().items():
                assert torch.equal(tensor, whole.tensors()[name][:, order]), name
        assert orders[0] != orders[1] != orders[2]
    assert ledger.learned.total == 2 * ROLLOUT


def test_returns_of_the_first_pass_hold_for_all() -> None:
    """They are asked for once a rollout."""
    asked = []

    def with_returns(rollout: Rollout) -> Rollout:
        asked.append(rollout.repeated)
        return dataclasses.replace(rollout, returns=rollout.reward + len(asked), advantage=rollout.reward)

    with loading(2, passes=3, with_returns=with_returns) as (loader, ledger):
        for i, minibatch in zip(range(12), loader, strict=False):
            assert minibatch.returns is not None
            assert torch.equal(minibatch.returns, minibatch.reward + (1 if i < 6 else 2))
            learn(ledger, minibatch)
    assert asked == [False, False]


@pytest.mark.parametrize(("num_minibatches", "started"), [(1, 0), (3, 0), (3, 5)])
def test_the_length_is_the_updates_of_the_epoch(num_minibatches: int, started: int) -> None:
    """Those that Lightning has started, and those that the budget still needs: 200 steps are seven rollouts of 30."""
    with loading(num_minibatches, started, passes=2) as (loader, _):
        assert len(loader) == started + 2 * 7 * num_minibatches
    with loading(num_minibatches, started) as (loader, ledger):
        assert len(loader) == started + 7 * num_minibatches
        ledger.learned.add(61)
        assert len(loader) == started + 5 * num_minibatches
        ledger.learned.add(1_000)
        assert len(loader) == started


def test_a_state_goes_on_in_the_middle_of_a_rollout() -> None:
    """The minibatches that are left come first, then rollouts as if nothing had happened."""
    with loading(3, resumable=True) as (loader, ledger):
        minibatches = iter(loader)
        for _ in range(4):
            learn(ledger, next(minibatches))
        state, steps = loader.state_dict(), ledger.learned.total
        expected = []
        for _ in range(8):
            expected.append(copied(next(minibatches)))
            learn(ledger, expected[-1])
    assert steps == 4 * ROLLOUT // 3
    with loading(3, resumable=True) as (loader, ledger):
        ledger.restore(learned=steps, discarded=0, updates=4)
        torch.manual_seed(123)
        loader.load_state_dict(state)
        assert ledger.in_flight == 2 * ROLLOUT // 3, "of the rollout in the middle"
        for minibatch, again in zip(expected, loader, strict=False):
            assert_same_tensors(again, minibatch)
            assert (again.policy_version, again.episodes) == (minibatch.policy_version, minibatch.episodes)
            learn(ledger, again)
            assert ledger.in_flight % (ROLLOUT // 3) == 0


@pytest.mark.parametrize("change", [{"resumable": False}, {"num_workers": 2}, {"envs_per_worker": 5}])
def test_the_state_of_other_environments_is_not_taken(change: dict[str, Any]) -> None:
    """A warning says so, and nothing has changed. A loader that cannot go on exactly has no state either."""
    with loading(resumable=True) as (loader, _):
        next(iter(loader))
        state = loader.state_dict()
    with loading(**{"resumable": True, **change}) as (loader, ledger):
        with pytest.warns(match="episodes begin anew"):
            loader.load_state_dict(state)
        assert ledger.collected.total == 0
        assert bool(loader.state_dict()) == (change != {"resumable": False})


def test_a_rollout_that_an_error_broke_off_has_no_state() -> None:
    """What the environments did in it was not learned from."""
    with loading(env_id=dummy("Broken"), resumable=True) as (loader, _):
        assert loader.state_dict()
        with pytest.raises(EnvError, match="ZeroDivisionError"):
            next(iter(loader))
        assert not loader.state_dict()


def test_a_closed_loader_has_no_state() -> None:
    """Its environments are gone. That no state is there to go on from is no reason for a warning."""
    with loading(resumable=True) as (loader, ledger):
        loader.load_state_dict({})
        assert ledger.collected.total == 0
        loader.close()
        assert not loader.state_dict()


@pytest.mark.parametrize(("passes", "in_flight"), [(1, 8), (4, 0)])
def test_lightning_saves_and_restores_the_state(passes: int, in_flight: int, tmp_path: Path) -> None:
    """From the middle of a rollout, or of a pass, a resumed training is the uninterrupted one, to the bit."""
    file = tmp_path / "middle.ckpt"

    class Save(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 7:
                trainer.save_checkpoint(file)

    def trained(resumed: Path | None = None) -> A3C:
        seed_everything(1, verbose=False)
        sizes = {"envs_per_worker": 3, "rollout_length": 4, "num_minibatches": 3, "num_passes": passes}
        data = RolloutDataModule("CartPole-v1", 480, "serial", 2, **sizes)
        module = A3C(data.spaces, vtrace=True)
        trainer = quiet(max_steps=20, limit_val_batches=0, log_every_n_steps=0, callbacks=[Save()])
        trainer.fit(module, data, ckpt_path=resumed, weights_only=True)
        return module

    whole, again = trained(), trained(file)
    assert again.ledger.updates.total == whole.ledger.updates.total == 20
    assert again.ledger.in_flight == whole.ledger.in_flight == in_flight
    for name, tensor in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
