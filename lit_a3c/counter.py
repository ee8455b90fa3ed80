"""Counting in several processes."""

from __future__ import annotations

import torch


class Counter:
    """A count that several processes add to without a lock and without loss: each has a slot of its own.

    Args:
        slots: Number of processes.
    """

    def __init__(self, slots: int = 1) -> None:
        self._slots = torch.zeros(slots, dtype=torch.int64)
        self._own = 0

    @property
    def total(self) -> int:
        """What all have counted so far."""
        return int(self._slots.sum())

    @total.setter
    def total(self, value: int) -> None:
        self._slots.zero_()
        self._slots[0] = value

    def add(self, number: int) -> None:
        """Count on."""
        self._slots[self._own] += number

    def count(self, slot: int) -> int:
        """What the process of this number has counted."""
        return int(self._slots[slot])

    def shared(self, slots: int) -> Counter:
        """A counter in shared memory that goes on from this one."""
        counter = Counter(slots)
        counter._slots.share_memory_()
        counter.total = self.total
        return counter

    def of(self, slot: int) -> Counter:
        """The same counter as the process of this number adds to it."""
        counter = Counter()
        counter._slots, counter._own = self._slots, slot
        return counter
