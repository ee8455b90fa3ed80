"""Counting in several processes."""

from __future__ import annotations

import torch


class SharedCounter:
    """A count in shared memory that several processes add to without a lock and without loss: each has its own slot.

    Args:
        slots: Number of processes that add to the count.

    Attributes:
        elsewhere: What processes have counted that do not share the memory, as far as is known.
    """

    elsewhere = 0

    def __init__(self, slots: int = 1) -> None:
        self._slots = torch.zeros(slots, dtype=torch.int64).share_memory_()
        self._own = 0

    @property
    def total(self) -> int:
        """What all processes have counted so far."""
        return self.own + self.elsewhere

    @total.setter
    def total(self, value: int) -> None:
        self.elsewhere = 0
        self._slots.zero_()
        self._slots[0] = value

    @property
    def own(self) -> int:
        """What the processes that share the memory have counted."""
        return int(self._slots.sum())

    @property
    def slots(self) -> int:
        """Number of processes that may add to the count."""
        return len(self._slots)

    def add(self, number: int) -> None:
        """Add to the slot of this process."""
        self._slots[self._own] += number

    def count(self, slot: int) -> int:
        """What the process of this slot has counted."""
        return int(self._slots[slot])

    def allocate(self, slots: int) -> None:
        """Make room for this many processes; the total stays. Only before any other process knows the counter."""
        own = self.own
        self._slots = torch.zeros(slots, dtype=torch.int64).share_memory_()
        self._slots[0] = own

    def for_rank(self, slot: int) -> SharedCounter:
        """The same counter as the process of this slot adds to it."""
        counter = SharedCounter.__new__(SharedCounter)
        counter._slots, counter._own = self._slots, slot
        return counter
