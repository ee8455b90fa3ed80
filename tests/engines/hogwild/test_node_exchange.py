"""What nodes tell each other, over the real connection: each node is a thread of this process, and has no worker."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from lit_a3c import RMSprop
from lit_a3c.engines.hogwild.averaging import StateAverage
from lit_a3c.engines.hogwild.node_group import NodeError, NodeGroup
from lit_a3c.engines.hogwild.nodes import Node
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.metrics.train_metrics import MetricsDelta, TrainMetrics
from lit_a3c.rollout import Episode
from tests.engines.hogwild.nodes import free_port
from tests.engines.hogwild.test_node_group import on_each
from tests.engines.hogwild.trainings import GENEROUS

EVERY = 10
BEFORE = 1000
"""Updates before the training, of one step each."""


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))


class Member:
    """A node whose worker is the test."""

    def __init__(self, rank: int) -> None:
        self.ledger, self.metrics = StepLedger(), TrainMetrics()
        self.ledger.restore(BEFORE, 0, BEFORE)
        self.ledger.allocate(2, other_nodes=True)
        self.worker = self.ledger.for_rank(1)
        self.module = torch.nn.Linear(1, 1)
        shared = SharedTrainState.of(self.module, RMSprop(self.module.parameters()), self.ledger)
        self.weight = shared.parameters[0]
        self.weight.fill_(float(rank))
        self.group = NodeGroup(LightningEnvironment(), rank, 2, GENEROUS)
        self.group.agree({})
        learner: Any = SimpleNamespace(ledger=self.ledger, metrics=self.metrics)
        self.node = Node(self.group, StateAverage(shared, self.module), learner, EVERY)

    def update(self, number: int) -> None:
        for _ in range(number):
            self.worker.collected.add(1)
            self.worker.stage(1)
            self.worker.record_update()

    def poll_until(self, condition: Callable[[], Any], *, ended: bool = False) -> None:
        deadline = time.monotonic() + GENEROUS
        while not condition():
            self.node.poll(ended=ended)
            assert time.monotonic() < deadline
            time.sleep(0.002)


def test_counts_metrics_and_parameters_are_of_all_nodes() -> None:
    """The second node makes three times as many updates. The first one averages when both together have made enough."""

    def do(rank: int) -> Any:
        member = Member(rank)
        member.update(4 + 2 * rank)  # less than EVERY each, on average
        member.poll_until(lambda: member.ledger.updates.total == BEFORE + 10)
        before = float(member.weight)
        episode = Episode(0, float(rank), 5)
        member.metrics.merge(MetricsDelta(4 + 2 * rank, {"loss": 1.0}, {"loss": 1}, 1, 0, [episode], {"own": 1.5}))
        member.update(3 * EVERY * rank)
        member.poll_until(lambda: float(member.weight) != float(rank))
        middle = float(member.weight)
        member.poll_until(lambda: member.node.finished, ended=True)
        counts = [counter.total for counter in (member.ledger.collected, member.ledger.learned, member.ledger.updates)]
        member.node.close()
        return before, middle, counts, member.metrics, member.ledger.in_flight

    first, other = on_each(do)
    assert (first[0], other[0]) == (0.0, 1.0)
    assert first[1] == other[1] == 0.5
    assert first[2] == other[2] == [BEFORE + 10 + 3 * EVERY] * 3
    assert first[4] == other[4] == 0
    metrics: TrainMetrics = first[3]
    assert metrics.updates == 10
    assert metrics.logged == {"own": 1.5}
    assert sorted(episode.episode_return for episode in metrics.recent) == [0.0, 1.0]
    assert metrics.take().counts == {"loss": 2}


def test_a_stop_reaches_all_nodes_and_they_average_a_last_time() -> None:
    def do(rank: int) -> Any:
        member = Member(rank)
        member.update(3)
        if rank:
            member.node.stop(signal.SIGTERM)
            member.node.leave(failed=False)
            assert member.node.finished
        else:
            member.poll_until(lambda: member.node.stopping)
            member.poll_until(lambda: member.node.finished, ended=True)
        return member.node.signum, float(member.weight), member.ledger.updates.total

    assert on_each(do) == [(signal.SIGTERM, 0.5, BEFORE + 6)] * 2


def test_a_failure_is_named_on_the_other_nodes() -> None:
    def do(rank: int) -> Any:
        member = Member(rank)
        if rank:
            member.poll_until(lambda: member.ledger.updates.total > BEFORE)
            member.node.leave(failed=True)
            return None
        member.update(3)
        member.poll_until(lambda: False)
        return None

    error, nothing = on_each(do)
    assert isinstance(error, NodeError)
    assert "node 1 has failed" in str(error)
    assert nothing is None


def test_a_node_that_does_not_answer_holds_up_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what leaves, nor the end of the process afterwards, which would wait for the operation."""
    monkeypatch.setattr("lit_a3c.engines.hogwild.nodes.LEAVE_SECONDS", 0.3)

    def do(rank: int) -> Any:
        member = Member(rank)
        member.poll_until(lambda: member.node._exchange is None)
        if rank:
            time.sleep(2.0)
            return None
        start = time.monotonic()
        with contextlib.suppress(NodeError):
            member.node.leave(failed=False)
        assert not member.node.finished
        member.node.close()
        member.node = member.group = None  # type: ignore[assignment]
        return time.monotonic() - start

    assert on_each(do)[0] < 1.5
