"""Hogwild with several workers: all of them share one training."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from lit_a3c import A3C, MLPBody
from lit_a3c.engines.hogwild import strategy
from lit_a3c.engines.processes import Worker, start_worker
from lit_a3c.metrics.train_metrics import MetricsDelta, TrainMetrics
from tests.commands import wait_for
from tests.dummy_envs import dummy
from tests.engines.hogwild.trainings import GENEROUS, ROLLOUT, Constant, Together, make, trainer, updates, workers

LOST = 0.05
"""Largest share of updates that races may lose, here where networks are tiny and updates all there is."""


def test_every_gradient_is_applied_to_the_shared_parameters() -> None:
    """Each update moves each parameter by the learning rate, whoever makes it, up to lost races."""
    lr = 2.0**-10
    module, data = make(updates=400, cls=Constant, optimizer=functools.partial(torch.optim.SGD, lr=lr), anneal_lr=False)
    before = [p.detach().clone() for p in module.parameters()]
    trainer(devices=2).fit(module, datamodule=data)
    applied = torch.cat([((a - b.detach()) / lr).flatten() for a, b in zip(before, module.parameters(), strict=True)])
    made = module.ledger.updates.total
    lost = made - applied
    said = (
        f"of {made} updates (by worker: {updates(module)}) races lost "
        f"{lost.mean():.3f} on average over all parameters, {lost.min():.2f} to {lost.max():.2f}"
    )
    print(said)
    assert min(updates(module)) > 0, said
    assert 400 <= made <= 402, said
    assert lost.min() > -0.01, said
    assert lost.max() < LOST * made, said


def test_workers_begin_when_all_have_been_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that trains already would take time from what is being started."""
    made = []

    def start(number: int, work: Any, *args: Any) -> Worker:
        for process in workers():  # those started before have all that they need, and could have started
            wait_for(functools.partial(asleep, process.pid), GENEROUS)
        *_, shared = args
        made.append(shared.ledger.updates.total)
        return start_worker(number, work, *args)

    monkeypatch.setattr(strategy, "start_worker", start)
    module, data = make(updates=60, cls=Together)
    trainer_ = trainer(devices=3)
    trainer_.fit(module, datamodule=data)
    assert made == [0, 0, 0]
    assert module.finished
    assert min(updates(module)) > 0


def asleep(pid: int) -> bool:
    """Whether a process has computed, and now waits for something."""

    def look() -> tuple[str, float]:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return state, int(rest[10]) + int(rest[11])

    (_, before), _, (state, after) = look(), time.sleep(0.3), look()
    return state == "S" and before == after > 0


@dataclass
class Run:
    """A training of two workers, as the process that was started saw it."""

    module: A3C
    trainer: Trainer
    reports: list[int] = field(default_factory=list)
    """Updates in each report."""
    deltas: list[MetricsDelta] = field(default_factory=list)
    """What the workers sent."""
    in_flight: list[int] = field(default_factory=list)
    """Steps in flight at each report."""
    file: Path = Path()
    """A byte for every step that the environments took."""

    @property
    def made(self) -> int:
        """Updates of all workers."""
        return self.module.ledger.updates.total


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """With Adam, whose state holds the number of updates, and an annealed learning rate."""

    class Body(MLPBody):
        """Of a user's own script: a class that the other process cannot import."""

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("run") / "steps"
    counted = {"env_kwargs": {"file": str(file)}}
    module, data = make(dummy("Counted"), 400, Together, optimizer=torch.optim.Adam, body=Body, data=counted)
    run = Run(module, trainer(devices=2, limit_val_batches=0), file=file)
    report, merge = TrainMetrics.report, TrainMetrics.merge

    def reported(self: TrainMetrics, steps: int) -> dict[str, float]:
        run.reports.append(self.updates)
        run.in_flight.append(module.ledger.in_flight)
        return report(self, steps)

    def merged(self: TrainMetrics, delta: MetricsDelta) -> None:
        run.deltas.append(delta)
        merge(self, delta)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainMetrics, "report", reported)
        patch.setattr(TrainMetrics, "merge", merged)
        run.trainer.fit(module, datamodule=data)
    assert not workers()
    return run


def test_all_workers_share_one_budget(run: Run) -> None:
    """It ends with the rollouts under way, and the learning rate falls with everybody's steps."""
    total = run.module.last_step
    assert total <= run.module.steps < total + 2 * ROLLOUT
    assert run.made * ROLLOUT == run.module.steps
    assert min(updates(run.module)) > 0
    (group,) = run.trainer.optimizers[0].param_groups
    assert 0 <= group["lr"] < 0.01 * group["initial_lr"]


def test_the_trainer_counts_the_updates_of_all_workers(run: Run) -> None:
    """In one epoch, though it has not seen each of them."""
    assert run.trainer.global_step == run.made
    assert run.trainer.current_epoch <= 1
    assert run.trainer.callback_metrics["train/learning_rate"] < 0.2 * 1e-3


def test_all_workers_share_one_ledger(run: Run) -> None:
    """Every step that any environment took is counted, and at the end an update was made of every one."""
    ledger = run.module.ledger
    assert run.file.stat().st_size == ledger.collected.total == ledger.learned.total
    assert ledger.discarded.total == ledger.in_flight == 0
    assert min(run.in_flight) >= 0
    assert ledger.collected.count(0) == ledger.updates.count(0) == 0, "the process that was started takes no part"
    assert run.made == sum(updates(run.module))


def test_all_workers_share_one_optimizer_state(run: Run) -> None:
    """Adam counts everybody's updates, up to lost races."""
    for state in run.trainer.optimizers[0].state.values():
        assert (1 - LOST) * run.made < state["step"] <= run.made


def test_all_workers_share_one_running_normaliser(run: Run) -> None:
    """It has seen everybody's observations, up to lost races: with so small a network it is written half the time."""
    count = run.module.state_dict()["policy.encoder.body.norm.count"]
    assert max(updates(run.module)) * ROLLOUT * 0.9 < count <= run.module.steps
    assert count > 0.7 * run.module.steps


def test_reports_are_of_all_workers(run: Run) -> None:
    """No update is missing in them and none is there twice. Episodes come with them."""
    assert sum(delta.updates for delta in run.deltas) == run.made
    assert sum(run.reports) + run.module.metrics.updates == run.made
    assert min(run.reports) >= 20
    assert all(set(delta.sums) >= {"policy_loss", "grad_norm"} for delta in run.deltas if delta.updates)
    episodes = [episode for delta in run.deltas for episode in delta.episodes]
    assert episodes
    assert set(episodes) & set(run.module.metrics.recent)
    assert 0 <= run.trainer.callback_metrics["train/policy_lag"] < 10
    assert run.trainer.callback_metrics["train/grad_norm"] > 0
