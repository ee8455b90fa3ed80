"""What the nodes of a lock-free training average, against the formulas element by element and against pooled data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lit_a3c import RMSprop
from lit_a3c.engines.hogwild.averaging import Averaging, StateAverage
from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.networks.normalization import RunningNorm

NODES = 3


class Sum:
    """One sum over all nodes, which is there when the last of them has begun it."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def add(self, tensor: Tensor) -> Sum:
        self.tensors.append(tensor)
        if len(self.tensors) == NODES:
            total = torch.stack(self.tensors).sum(dim=0)
            for each in self.tensors:
                each.copy_(total)
        return self

    def is_completed(self) -> bool:
        return len(self.tensors) == NODES

    def wait(self) -> None:
        assert self.is_completed()


class Group:
    """Nodes that begin the same sums in the same order, in one process."""

    def __init__(self) -> None:
        self.sums: list[Sum] = []
        self.begun = [0] * NODES

    def of(self, node: int) -> Any:
        group, size = self, NODES

        class Member:
            def __init__(self) -> None:
                self.size = size

            def sum(self, tensor: Tensor) -> Sum:
                index = group.begun[node]
                group.begun[node] += 1
                if index == len(group.sums):
                    group.sums.append(Sum())
                return group.sums[index].add(tensor)

        return Member()


class Small(nn.Module):
    """Parameters, statistics that are merged, others that are averaged, and a whole number."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.norm = RunningNorm([3])
        self.register_buffer("other", torch.zeros(2, dtype=torch.float64))
        self.register_buffer("calls", torch.tensor(0))


class Node:
    """What the workers of a node share, and its part in the averagings."""

    def __init__(self, number: int, group: Group, optimizer: type[Any]) -> None:
        self.module = Small()
        self.optimizer = optimizer(self.module.parameters())
        self.shared = SharedTrainState.of(self.module, self.optimizer, StepLedger())
        for own, common in zip(self.module.buffers(), self.shared.buffers, strict=True):
            own.data = common
        self.state = StateAverage(self.shared, self.module)
        self.group = group.of(number)

    def begin(self) -> Averaging:
        return self.state.begin(self.group)

    @property
    def averaged(self) -> list[Tensor]:
        return self.state.weights + self.state.statistics


def nodes(optimizer: type[Any] = RMSprop) -> list[Node]:
    group = Group()
    return [Node(number, group, optimizer) for number in range(NODES)]


def randomize(tensors: list[Tensor]) -> None:
    for tensor in tensors:
        tensor.copy_(torch.rand(tensor.shape))


@pytest.mark.parametrize("optimizer", [RMSprop, torch.optim.Adam, torch.optim.SGD])
def test_what_is_learned_during_an_averaging_is_kept(optimizer: type[Any]) -> None:
    """``now + (mean - x_i)`` in every element; a statistic not below the smaller one of ``now`` and the mean."""
    team = nodes(optimizer)
    for node in team:
        randomize(node.averaged)
    before = [[tensor.clone() for tensor in node.averaged] for node in team]
    under_way = [node.begin() for node in team[:-1]]
    assert not any(averaging.done for averaging in under_way)
    for node in team:
        randomize(node.averaged)  # the workers learn on, those of the last node even before it takes part
    before[-1] = [tensor.clone() for tensor in team[-1].averaged]
    under_way.append(team[-1].begin())
    now = [[tensor.clone() for tensor in node.averaged] for node in team]
    for averaging in under_way:
        assert averaging.done
        averaging.apply()
    for number, node in enumerate(team):
        for index, tensor in enumerate(node.averaged):
            for place in range(tensor.numel()):
                mean = sum(float(of_one[index].flatten()[place]) for of_one in before) / NODES
                present = float(now[number][index].flatten()[place])
                expected = present + mean - float(before[number][index].flatten()[place])
                if index >= len(node.state.weights):
                    expected = max(expected, min(present, mean))
                assert float(tensor.flatten()[place]) == pytest.approx(expected, abs=1e-6)


def test_a_mean_square_stays_above_zero() -> None:
    """That of one node is large at the snapshot and has decayed when the mean arrives."""
    team = nodes()
    for number, node in enumerate(team):
        for square in node.state.statistics:
            square.fill_(100.0 if number == 0 else 0.0)
    under_way = [node.begin() for node in team]
    for square in team[0].state.statistics:
        square.mul_(0.1)
    for averaging in under_way:
        averaging.apply()
    for node in team:
        for square in node.state.statistics:
            assert (square >= 10).all()


def test_the_last_averaging_leaves_the_same_on_all_nodes() -> None:
    """To the bit: a node that adds a difference to its own would round."""
    team = nodes()
    for node in team:
        randomize(node.averaged)
        node.module.norm.update(torch.randn(10, 3))
    for averaging in [node.begin() for node in team]:
        averaging.apply(exact=True)
    for node in team[1:]:
        pairs = zip(team[0].averaged + team[0].shared.buffers, node.averaged + node.shared.buffers, strict=True)
        assert all(torch.equal(first, other) for first, other in pairs)


def test_whole_numbers_are_those_of_each_node() -> None:
    team = nodes()
    for number, node in enumerate(team):
        node.module.calls.fill_(number)
    for averaging in [node.begin() for node in team]:
        averaging.apply(exact=True)
    assert [int(node.module.calls) for node in team] == [0, 1, 2]


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_merged_moments_are_those_of_the_pooled_data(scale: float) -> None:
    """Each observation counts once, whichever node has seen it, and when: before an averaging, during, or after it.

    What was seen before the training, by a checkpoint's run, counts once and not once for each node.
    """
    team, data = nodes(), torch.randn(50, 3)
    seen = [data]
    for node in team:
        node.module.norm.update(data)
        node.state = StateAverage(node.shared, node.module)
    for turn in range(20):
        fresh = [scale + torch.randn(5 + number, 3) * (1 + turn) for number in range(2 * NODES)]
        for node, batch in zip(team, fresh[:NODES], strict=True):
            node.module.norm.update(batch)
        under_way = [node.begin() for node in team]
        for node, batch in zip(team, fresh[NODES:], strict=True):
            node.module.norm.update(batch)
        for averaging in under_way:
            averaging.apply()
        seen += fresh
    for averaging in [node.begin() for node in team]:
        averaging.apply(exact=True)
    pooled = torch.cat(seen).double()
    for node in team:
        norm = node.module.norm
        assert float(norm.count) == len(pooled)
        torch.testing.assert_close(norm.mean.double(), pooled.mean(dim=0), rtol=1e-5, atol=1e-5 * scale)
        torch.testing.assert_close(norm.var.double(), pooled.var(dim=0, correction=0), rtol=1e-3, atol=1e-4)


def test_statistics_of_no_data_stay_as_they_begin() -> None:
    team = nodes()
    for averaging in [node.begin() for node in team]:
        averaging.apply()
    for node in team:
        norm = node.module.norm
        assert (norm.mean == 0).all()
        assert (norm.var == 1).all()
        assert norm.count == 0
