"""The weights on their way from the learner to the machines of the cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from lit_a3c.engines.ray_pool.client import RayClient
from lit_a3c.engines.ray_pool.packing import pack_weights

INLINE_BYTES = 90_000
"""Size below which Ray sends an argument with the request itself (its limit is 100 kB)."""


class WeightSender:
    """The newest weights as requests carry them.

    Small ones go with each request. Larger ones go through the object store, once for each version and machine, and no
    more often than every so many seconds, because a copy there takes the learner milliseconds.

    Args:
        client: The connection.
        tensors: The learner's parameters and buffers.
        every: Least seconds between two copies in the object store.

    Attributes:
        version: Version of the learner's weights.
    """

    def __init__(self, client: RayClient, tensors: Sequence[Tensor], every: float) -> None:
        self._client, self._tensors, self._every = client, tensors, every
        self._inline = sum(tensor.nbytes for tensor in tensors) < INLINE_BYTES
        self._data = b""
        self._reference: Any = None
        self._sent_version, self._packed_at = -1, -float("inf")
        self.version = 0

    def publish(self, version: int) -> None:
        """Let the learner's present weights be the newest, of this version."""
        self.version = version
        now = time.monotonic()
        if self._inline or now - self._packed_at >= self._every:
            self._data, self._reference = pack_weights(self._tensors), None
            self._sent_version, self._packed_at = version, now

    def newer_than(self, version: int) -> tuple[Any, int]:
        """What a request carries to an actor whose weights have this version: weights or None, and their version."""
        if version == self._sent_version:
            return None, version
        if self._inline:
            return self._data, self._sent_version
        if self._reference is None:
            self._reference = self._client.put(self._data)
        return self._reference, self._sent_version
