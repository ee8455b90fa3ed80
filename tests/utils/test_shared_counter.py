"""A count that several processes add to, each in a slot of its own."""

from __future__ import annotations

import pytest

from lit_a3c.engines.processes import context
from lit_a3c.utils.shared_counter import SharedCounter


def test_the_total_is_the_sum_of_all_slots() -> None:
    """Each process adds to its own slot. All of them read the same total."""
    counter = SharedCounter(3)
    first, second = counter.for_rank(0), counter.for_rank(2)
    first.add(5)
    second.add(7)
    second.add(1)
    assert counter.total == first.total == second.total == 13
    assert [counter.count(slot) for slot in range(3)] == [5, 0, 8]


def test_a_total_that_is_set_replaces_all_slots() -> None:
    """Who reads it through another slot gets the same, and goes on from it."""
    counter = SharedCounter(3)
    second = counter.for_rank(2)
    second.add(9)
    second.total = 4
    assert counter.total == second.total == 4
    second.add(1)
    counter.add(2)
    assert counter.total == 7


@pytest.mark.parametrize("before", [1, 4])
def test_allocated_slots_begin_with_the_total(before: int) -> None:
    """The count stays, whether there were fewer slots before or more."""
    counter = SharedCounter(before)
    for slot in range(before):
        counter.for_rank(slot).add(10)
    counter.allocate(2)
    counter.for_rank(1).add(1)
    assert counter.total == 10 * before + 1
    assert counter.count(1) == 1


def add(counter: SharedCounter, number: int, times: int) -> None:
    """What another process does."""
    for _ in range(times):
        counter.add(number)


def test_two_processes_add_at_the_same_time_and_lose_nothing() -> None:
    """Neither takes a lock. This process adds for as long as the other one lives, and reads both counts."""
    counter, times, own_times = SharedCounter(2), 20_000, 0
    process = context().Process(target=add, args=(counter.for_rank(1), 3, times), daemon=True)
    process.start()
    while process.is_alive():
        add(counter.for_rank(0), 1, 100)
        own_times += 100
    assert process.exitcode == 0
    assert (counter.count(0), counter.count(1)) == (own_times, 3 * times)
    assert counter.total == own_times + 3 * times
