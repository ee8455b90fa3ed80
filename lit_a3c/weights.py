"""The weights on their way from the learner to the workers, through shared memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lit_a3c.actor import tensors_of


class SharedWeights:
    """The newest weights, in shared memory, written by one process and read by many without a lock.

    Two buffers take turns: version ``n`` is in buffer ``n % 2`` and stays untouched until version ``n + 2`` is
    written, which begins only after ``n + 1`` is published. A reader that finds the version unchanged after its
    copy has therefore read whole weights; else it reads again.

    Args:
        policy: Gives the shapes and version 0.
    """

    def __init__(self, policy: nn.Module) -> None:
        tensors = [tensor.cpu() for tensor in tensors_of(policy)]
        self._buffers = [[tensor.clone().share_memory_() for tensor in tensors] for _ in range(2)]
        self._version = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def version(self) -> int:
        """Number of pushes so far."""
        return int(self._version)

    @torch.no_grad()
    def push(self, tensors: Sequence[Tensor]) -> None:
        """Publish these as the next version."""
        version = self.version + 1
        torch._foreach_copy_(self._buffers[version % 2], list(tensors))
        self._version.fill_(version)

    @torch.no_grad()
    def pull(self, tensors: Sequence[Tensor]) -> int:
        """Copy the newest weights into these; returns their version."""
        while True:
            version = self.version
            torch._foreach_copy_(list(tensors), self._buffers[version % 2])
            if self.version == version:
                return version
