"""Several rollouts side by side on the learner's device, in memory that is used again for every update."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lit_a3c.rollout import Episode, Rollout

ALIGNMENT = 64
"""Bytes: each tensor begins at a multiple of them, so that memory of bytes can be seen as any type."""
CPU = torch.device("cpu")


class RolloutStaging:
    """Copies rollouts side by side into one block of memory, which is moved to the learner's device as a whole.

    The tensors are views of one block, so that a GPU gets all of them in one copy. The block is page-locked there: the
    copy needs no other memory and runs while this process works on. It is written again only when that copy has ended.
    A second block would gain nothing, because the learner waits for the result of each update before it asks for the
    next rollouts. On the CPU the learner learns from the block itself. It is cheaper than new memory for each update:
    of rollouts of Atari it has megabytes, which the system would have to find and to clear each time.

    Args:
        like: A rollout, which gives the shapes and types of all.
        width: Environments ``B`` of all rollouts of an update.
        device: Where the learner is.
    """

    def __init__(self, like: Rollout, width: int, device: torch.device) -> None:
        self._places: dict[str, tuple[int, torch.Size, torch.dtype]] = {}
        # What may stay behind comes first: of the next observations, all but those of the last step.
        tensors = {"next_observation": like.next_observation, **like.tensors()}
        end = 0
        for name, tensor in tensors.items():
            shape = torch.Size((tensor.shape[0], width, *tensor.shape[2:]))
            self._places[name] = (end, shape, tensor.dtype)
            end += -(-math.prod(shape) * tensor.element_size() // ALIGNMENT) * ALIGNMENT
        self._last_row = like.next_observation[1:, :1].numel() * width * like.next_observation.element_size()
        self._block = torch.zeros(end, dtype=torch.uint8, pin_memory=device.type == "cuda")
        self._moved = self._block if device.type == "cpu" else torch.empty_like(self._block, device=device)
        self._copied = torch.cuda.Event() if device.type == "cuda" else None
        self._host, self._whole = self._views(self._block), self._views(self._moved)
        self._columns: dict[int, Rollout] = {}  # by the number of the first: slicing costs as much as copying
        self._width, self._filled = width, 0
        self._versions: list[int] = []
        self._episodes: list[Episode] = []

    def _views(self, block: Tensor) -> Rollout:
        """The tensors of a rollout in a block of bytes."""
        views: dict[str, Any] = {}
        for name, (start, shape, dtype) in self._places.items():
            views[name] = block[start : start + math.prod(shape) * dtype.itemsize].view(dtype).view(shape)
        return Rollout(**views)

    def add(self, rollout: Rollout) -> None:
        """Copy a rollout to the right of those before it. Its tensors are then free for reuse."""
        start, stop = self._filled, self._filled + rollout.reward.shape[1]
        if start == 0 and self._copied is not None:
            self._copied.synchronize()
        if start not in self._columns:
            assert stop <= self._width, "more environments than there is room for"
            columns: dict[str, Any] = {name: tensor[:, start:stop] for name, tensor in self._host.tensors().items()}
            self._columns[start] = Rollout(**columns)
        self._columns[start].copy_(rollout)
        self._filled = stop
        self._versions.append(rollout.policy_version)
        self._episodes.extend(rollout.episodes)

    def take(self) -> Rollout:
        """The rollouts since the last call, on the learner's device. The next call of :meth:`add` writes over them."""
        assert self._filled == self._width, "fewer environments than there is room for"
        if self._moved is not self._block:
            cut = bool(self._host.truncated[:-1].any())
            start = 0 if cut else self._last_row
            self._moved[start:].copy_(self._block[start:], non_blocking=self._copied is not None)
            if self._copied is not None:
                self._copied.record(torch.cuda.current_stream(self._moved.device))
        versions, episodes = tuple(self._versions), self._episodes
        self._filled, self._versions, self._episodes = 0, [], []
        return replace(self._whole, policy_version=min(versions), policy_versions=versions, episodes=episodes)
