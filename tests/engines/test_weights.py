"""Weights that one process publishes and others read without a lock."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from lit_a3c.engines.processes import context
from lit_a3c.engines.weights import SharedWeights

VERSIONS = 3
"""Updates between two publications, so that a version is not the number of its publication."""


class Weights(nn.Module):
    """Parameters and buffers that all hold one number, which tells versions apart."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ParameterList(torch.zeros(size) for size in (1, 50_000, 300, 200_000, 7))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def tensors(self) -> list[Tensor]:
        return [*self.parameters(), *self.buffers()]


def publish_versions(shared: SharedWeights, publications: int) -> None:
    """A learner: the weights of version ``v`` hold ``v`` everywhere."""
    torch.set_num_threads(1)
    module = Weights()
    for n in range(1, publications + 1):
        for tensor in module.tensors():
            tensor.data.fill_(VERSIONS * n)
        shared.publish(module.tensors(), VERSIONS * n)
        time.sleep(2e-4 * (n % 3))


def test_pulled_weights_are_never_torn() -> None:
    """Another process publishes as fast as it can. Each pull gets one whole version, and none is older than before."""
    module, publications = Weights(), 2500
    shared = SharedWeights(module)
    writer = context().Process(target=publish_versions, args=(shared, publications), daemon=True)
    writer.start()
    versions = []
    while shared.published < publications:
        assert writer.is_alive() or shared.published == publications
        version = shared.pull(module.tensors())
        values = {bound.item() for tensor in module.tensors() for bound in tensor.detach().aminmax()}
        assert values == {version}
        versions.append(version)
    writer.join()
    assert shared.pull(module.tensors()) == VERSIONS * publications
    assert versions == sorted(versions)
    assert len(set(versions)) > 20, "the two did run at the same time"


def test_shared_weights_keep_types_and_start_at_zero() -> None:
    """Version 0 is the policy given. A float64 count survives, which float32 would round."""
    module, copy = Weights(), Weights()
    module.count.fill_(2**24 + 1)
    shared = SharedWeights(module)
    assert shared.pull(copy.tensors()) == shared.published == 0
    assert copy.count == 2**24 + 1
    for n in (1, 2, 3):
        module.count.fill_(n)
        shared.publish(module.tensors(), version=10 * n)
        assert shared.published == n
        assert (shared.pull(copy.tensors()), copy.count) == (10 * n, n)
