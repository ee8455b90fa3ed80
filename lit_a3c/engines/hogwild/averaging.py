"""What the nodes of a lock-free training average, and how the workers of a node keep learning meanwhile.

Every node takes a snapshot ``x_i`` of what its workers share. The nodes sum their snapshots, and each of them adds the
difference between the mean and its own snapshot to what its workers have by then::

    mean = (x_1 + ... + x_n) / n
    now  <- now + (mean - x_i)

Updates that are applied while the sum is under way are kept. This is local SGD (Stich 2019, arXiv:1805.09767) with the
averaging beside the computation, as in CoCoD-SGD (Shen et al. 2019, arXiv:1906.12043). BA3C (Adamski et al. 2018,
arXiv:1801.02852) has the same layout, asynchronous in a node and synchronous between nodes, and exchanges gradients.

Running means and variances are not averaged: they are merged, as if one node had seen the data of all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from lit_a3c.engines.hogwild.shared_state import SharedTrainState
from lit_a3c.networks.normalization import RunningNorm


class Pending(Protocol):
    """A sum over all nodes that is under way."""

    def is_completed(self) -> bool:
        """Whether the sum is there, or has failed."""

    def wait(self) -> object:
        """Wait for it, and raise an error where it has failed."""


class Summing(Protocol):
    """What sums over nodes."""

    size: int
    """The number of nodes."""

    def sum(self, tensor: Tensor) -> Pending:
        """Begin to replace a tensor by the sum of those of all nodes."""


def mean_difference(snapshot: Tensor, total: Tensor, nodes: int) -> Tensor:
    """``mean - x_i``: what a node adds to its state, given its snapshot ``x_i`` and the sum of all snapshots."""
    return total / nodes - snapshot


def moved_statistic(now: Tensor, snapshot: Tensor, total: Tensor, nodes: int) -> Tensor:
    """``now + (mean - x_i)`` for the state of an optimizer, which may have to stay above zero.

    A mean square decays between the snapshot and now. The difference is that of the snapshots, so alone it may lead
    below zero. The result is therefore not below the smaller one of ``now`` and the mean.
    """
    mean = total / nodes
    return torch.maximum(now + (mean - snapshot), torch.minimum(now, mean))


# Means and variances


class Moments(NamedTuple):
    """Of data ``[N, *shape]``: the mean and the variance of each element, ``[*shape]``, and ``N``."""

    mean: Tensor
    var: Tensor
    number: Tensor


def power_sums(moments: Moments, origin: Tensor) -> Tensor:
    """``N``, ``sum(x - origin)`` and ``sum((x - origin)^2)`` of the data, ``[3, *shape]`` in double precision.

    Sums can be added and subtracted. About an origin that is near the mean, they lose no digits.
    """
    mean, var, number = (tensor.double() for tensor in moments)
    shift = mean - origin
    return torch.stack([number.expand_as(mean), number * shift, number * (var + shift.square())])


def from_power_sums(sums: Tensor, origin: Tensor) -> Moments:
    """The moments of data from the sums about an origin; mean 0 and variance 1 where there is no data."""
    number, first, second = sums[0].flatten()[0], sums[1], sums[2]
    if number <= 0:
        return Moments(torch.zeros_like(first), torch.ones_like(first), torch.zeros_like(number))
    shift = first / number
    return Moments(origin + shift, (second / number - shift.square()).clamp_min(0), number)


class MergedMoments:
    """Running moments of one node, which take in the data that the others have seen.

    All nodes hold the same base: the moments of the data that all of them have merged. What is new on a node is the
    difference between its sums and those of the base. The nodes sum what is new, and each adds what the others have.

    Args:
        own: The shared tensors of this node, which its workers go on updating.
    """

    def __init__(self, own: Moments) -> None:
        self._own = own
        self._base = Moments(*(tensor.double().clone() for tensor in own))

    def new(self) -> Tensor:
        """The sums of the data that this node has seen and not merged yet, ``[3, *shape]``."""
        origin = self._base.mean
        return power_sums(self._own, origin) - power_sums(self._base, origin)

    def merge(self, own: Tensor, total: Tensor, *, exact: bool) -> None:
        """Take in what is new.

        Args:
            own: What :meth:`new` gave.
            total: Its sum over all nodes.
            exact: Whether the result shall be equal on all nodes, to the bit. No worker may be at work then.
        """
        origin = self._base.mean
        now = power_sums(self._own, origin) + (total - own)
        self._base = from_power_sums(power_sums(self._base, origin) + total, origin)
        merged = self._base if exact else from_power_sums(now, origin)
        for tensor, value in zip(self._own, merged, strict=True):
            tensor.copy_(value)


# All of a training


class StateAverage:
    """Parameters, state of the optimizer and running statistics of a node, averaged with those of the other nodes.

    Whole numbers, and state that is no tensor, are those of each node.

    Args:
        shared: What the workers of this node share.
        module: The module, whose buffers say what they are.
    """

    def __init__(self, shared: SharedTrainState, module: nn.Module) -> None:
        buffers = {id(own): common for own, common in zip(module.buffers(), shared.buffers, strict=True)}
        norms = [child for child in module.modules() if isinstance(child, RunningNorm)]
        self.moments = []
        for norm in norms:
            self.moments.append(
                MergedMoments(Moments(*(buffers.pop(id(tensor)) for tensor in (norm.mean, norm.var, norm.count))))
            )
        state = (value for of_one in shared.optimizer_state for value in of_one.values())
        self.weights = shared.parameters + _floating(buffers.values())
        self.statistics = _floating(value for value in state if isinstance(value, Tensor))

    @torch.no_grad()
    def begin(self, group: Summing) -> Averaging:
        """Take a snapshot and begin to sum it."""
        return Averaging(self, group)


def _floating(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor.is_floating_point()]


class Averaging:
    """An averaging that is under way. Where one tensor needs it, all are summed in double precision.

    Args:
        state: What is averaged.
        group: Sums over all nodes.
    """

    def __init__(self, state: StateAverage, group: Summing) -> None:
        self._state, self._nodes = state, group.size
        self._snapshot = _flat(state.weights + state.statistics)
        self._new = _flat([moments.new() for moments in state.moments])
        self._total, self._new_total = self._snapshot.clone(), self._new.clone()
        self._work = [group.sum(tensor) for tensor in (self._total, self._new_total) if tensor.numel()]

    @property
    def done(self) -> bool:
        """Whether the sums of all nodes are there.

        Raises:
            RuntimeError: A node is gone.
        """
        if not all(work.is_completed() for work in self._work):
            return False
        for work in self._work:
            work.wait()
        return True

    def wait(self) -> None:
        """Wait for the sums.

        Raises:
            RuntimeError: A node is gone.
        """
        for work in self._work:
            work.wait()

    @torch.no_grad()
    def apply(self, *, exact: bool = False) -> None:
        """Move the state of this node, without a lock, while its workers learn.

        Args:
            exact: Whether the state shall become the mean itself, to the bit. No worker may be at work then.
        """
        state, nodes = self._state, self._nodes
        number = len(state.weights)
        tensors = state.weights + state.statistics
        pairs = list(zip(_like(self._snapshot, tensors), _like(self._total, tensors), strict=True))
        for weight, (snapshot, total) in zip(state.weights, pairs[:number], strict=True):
            if exact:
                weight.copy_(total / nodes)
            else:
                weight.add_(mean_difference(snapshot, total, nodes).to(weight.dtype))
        for statistic, (snapshot, total) in zip(state.statistics, pairs[number:], strict=True):
            statistic.copy_(total / nodes if exact else moved_statistic(statistic, snapshot, total, nodes))
        shapes = [moments.new() for moments in state.moments]
        for moments, own, everybodys in zip(
            state.moments, _like(self._new, shapes), _like(self._new_total, shapes), strict=True
        ):
            moments.merge(own, everybodys, exact=exact)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """All tensors in one, ``[n]``, of the type that holds them all."""
    return torch.cat([tensor.detach().flatten() for tensor in tensors]) if tensors else torch.empty(0)


def _like(flat: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The parts of a flat tensor, in the shapes of these tensors."""
    parts = flat.split([tensor.numel() for tensor in tensors]) if tensors else []
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
