"""Every step of a training is learned from, in flight, or discarded."""

from __future__ import annotations

import pytest

from lit_a3c.engines.ledger import StepLedger
from lit_a3c.engines.processes import context


def assert_every_step_is_somewhere(ledger: StepLedger) -> None:
    """Collected = learned + in flight + discarded."""
    assert ledger.collected.total == ledger.learned.total + ledger.in_flight + ledger.discarded.total


def test_steps_go_from_in_flight_to_learned_with_the_update() -> None:
    """Staged steps stay in flight until the update has been applied. Those of several rollouts count together."""
    ledger = StepLedger()
    ledger.collected.add(30)
    assert ledger.in_flight == 30
    ledger.stage(10)
    ledger.stage(5)
    assert (ledger.learned.total, ledger.in_flight, ledger.updates.total) == (0, 30, 0)
    ledger.record_update()
    assert (ledger.learned.total, ledger.in_flight, ledger.updates.total) == (15, 15, 1)
    assert_every_step_is_somewhere(ledger)


def test_steps_are_learned_once() -> None:
    """An update without staged steps counts as an update, and not the steps of the one before again."""
    ledger = StepLedger()
    ledger.collected.add(10)
    ledger.stage(10)
    ledger.record_update()
    ledger.record_update()
    assert (ledger.learned.total, ledger.updates.total) == (10, 2)


def test_discarded_steps_are_no_longer_in_flight() -> None:
    """A worker that failed took 7 of the 30 steps with it."""
    ledger = StepLedger()
    ledger.collected.add(30)
    ledger.discarded.add(7)
    assert (ledger.in_flight, ledger.learned.total) == (23, 0)
    assert_every_step_is_somewhere(ledger)


def test_allocated_room_keeps_the_totals() -> None:
    """A resumed training has steps and updates before its processes are known. Steps still in flight are lost."""
    ledger = StepLedger()
    ledger.restore(learned=40, discarded=3, updates=8)
    ledger.collected.add(6)
    ledger.stage(6)
    ledger.allocate(3)
    totals = ledger.collected.total, ledger.learned.total, ledger.discarded.total, ledger.updates.total
    assert totals == (49, 40, 9, 8)
    assert ledger.in_flight == 0
    ledger.record_update()
    assert ledger.learned.total == 40, "what was staged before is no part of the first update"


@pytest.mark.parametrize("counter", ["collected", "learned", "updates"])
def test_each_rank_has_a_slot_of_its_own(counter: str) -> None:
    """It adds there, and the total is of all ranks."""
    ledger = StepLedger()
    ledger.allocate(3)
    for rank, number in ((1, 10), (2, 200)):
        getattr(ledger.for_rank(rank), counter).add(number)
    assert [getattr(ledger, counter).count(rank) for rank in range(3)] == [0, 10, 200]
    assert getattr(ledger.for_rank(1), counter).total == 210


def test_ranks_stage_for_themselves() -> None:
    """An update counts the steps that its own process staged. The others' wait for their own updates."""
    ledger = StepLedger()
    ledger.allocate(2)
    ranks = [ledger.for_rank(rank) for rank in range(2)]
    for rank, steps in zip(ranks, (10, 20), strict=True):
        rank.collected.add(steps)
        rank.stage(steps)
    ranks[1].record_update()
    assert (ledger.learned.total, ledger.in_flight, ledger.updates.total) == (20, 10, 1)
    ranks[0].record_update()
    assert (ledger.learned.total, ledger.in_flight, ledger.updates.total) == (30, 0, 2)
    assert_every_step_is_somewhere(ledger)


def test_a_restored_ledger_has_no_step_in_flight() -> None:
    """Rollouts are not in a checkpoint. What was staged is of updates that the checkpoint does not have."""
    ledger = StepLedger()
    ledger.collected.add(99)
    ledger.stage(99)
    ledger.restore(learned=40, discarded=3, updates=8)
    totals = ledger.collected.total, ledger.learned.total, ledger.discarded.total, ledger.updates.total
    assert totals == (43, 40, 3, 8)
    assert ledger.in_flight == 0
    ledger.record_update()
    assert (ledger.learned.total, ledger.updates.total) == (40, 9)


def train(ledger: StepLedger, updates: int) -> None:
    """Updates of two rollouts of 5 steps each."""
    for _ in range(updates):
        for _ in range(2):
            ledger.collected.add(5)
            ledger.stage(5)
        ledger.record_update()


def train_in_another_process(ledger: StepLedger, updates: int) -> None:
    """The last rollout is left without an update."""
    train(ledger, updates)
    ledger.collected.add(5)


def test_another_process_writes_to_the_same_ledger() -> None:
    """This process trains for as long as the other one lives, and then knows where every step is."""
    ledger, updates, own_updates = StepLedger(), 2_000, 0
    ledger.allocate(2)
    process = context().Process(target=train_in_another_process, args=(ledger.for_rank(1), updates), daemon=True)
    process.start()
    rank_zero = ledger.for_rank(0)
    while process.is_alive():
        train(rank_zero, 10)
        own_updates += 10
    assert process.exitcode == 0
    assert ledger.updates.total == updates + own_updates
    assert [ledger.learned.count(rank) for rank in range(2)] == [10 * own_updates, 10 * updates]
    assert (ledger.learned.total, ledger.in_flight) == (10 * (updates + own_updates), 5)
    ledger.discarded.add(5)
    assert ledger.in_flight == 0
    assert_every_step_is_somewhere(ledger)
