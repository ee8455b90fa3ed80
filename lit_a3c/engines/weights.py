"""The weights on their way from the learner to the workers, through shared memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lit_a3c.engines.base import tensors_of


class SharedWeights:
    """The newest weights, in shared memory, written by one process and read by many without a lock.

    Two buffers take turns: publication ``n`` is in buffer ``n % 2`` and stays untouched until publication ``n + 2`` is
    written, which begins only after ``n + 1`` is announced. A reader that finds the number unchanged after its copy
    has therefore read whole weights; otherwise it reads again.

    Args:
        policy: Gives the shapes and the first weights, of version 0.
    """

    def __init__(self, policy: nn.Module) -> None:
        tensors = [tensor.cpu() for tensor in tensors_of(policy)]
        self._buffers = [[tensor.clone().share_memory_() for tensor in tensors] for _ in range(2)]
        self._versions = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._published = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def published(self) -> int:
        """Number of publications so far."""
        return int(self._published)

    @torch.no_grad()
    def publish(self, tensors: Sequence[Tensor], version: int) -> None:
        """Let these be the newest weights, of this version."""
        number = self.published + 1
        torch._foreach_copy_(self._buffers[number % 2], list(tensors))
        self._versions[number % 2] = version
        self._published.fill_(number)

    @torch.no_grad()
    def pull(self, tensors: Sequence[Tensor]) -> int:
        """Copy the newest weights into these; returns their version."""
        while True:
            number = self.published
            torch._foreach_copy_(list(tensors), self._buffers[number % 2])
            version = int(self._versions[number % 2])
            if self.published == number:
                return version
