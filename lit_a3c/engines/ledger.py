"""Where every step of a training is."""

from __future__ import annotations

from lit_a3c.utils.shared_counter import SharedCounter


class StepLedger:
    """``collected = learned + in flight + discarded``, in shared memory; one ledger for a training.

    Where several learners make their updates in step, all numbers are of the whole job, see :meth:`share`.

    Environments write ``collected`` as they take a step. The optimizer step writes ``learned`` and ``updates``. An
    engine that replaces a failed worker writes ``discarded``. The logger reads all of them.

    Attributes:
        collected: Steps that the environments have taken.
        learned: Steps that an applied update was computed from.
        discarded: Steps that were lost with workers. Only the process that watches the workers writes it.
        updates: Updates that were applied. Their total is the version of the weights.
    """

    def __init__(self) -> None:
        self.collected = SharedCounter()
        self.learned = SharedCounter()
        self.discarded = SharedCounter()
        self.updates = SharedCounter()
        self._staged = 0

    @property
    def in_flight(self) -> int:
        """Steps that were taken, and that no update has been applied for yet."""
        known = self.learned.total + self.discarded.total  # before the steps: others may learn from more meanwhile
        return self.collected.total - known

    def allocate(self, processes: int, *, other_nodes: bool = False) -> None:
        """Begin a training with this many processes that collect or learn. Only before the first of them starts.

        Steps that an earlier training of the module has left in flight are lost. They count as discarded.

        Args:
            processes: Their number on this machine.
            other_nodes: Whether each counter shall have one more slot, the last one, for what other machines count.
        """
        self.discarded.add(self.in_flight)
        self._staged = 0
        for counter in (self.collected, self.learned, self.updates):
            counter.allocate(processes + other_nodes)
        if other_nodes:
            self.discarded.allocate(2)

    def share(self, learner: int) -> None:
        """Count from now on for one of several learners. Only before a process that collects starts.

        ``learned`` and ``updates`` count the whole job in every learner, because all make the same updates.
        ``collected`` and ``discarded`` count what this learner's own workers do. They know of the others by
        ``elsewhere``. What was before belongs to the learner 0.
        """
        self.discarded.add(self.in_flight)
        for counter in (self.collected, self.discarded):
            total = counter.total
            counter.total = 0 if learner else total
            counter.elsewhere = total if learner else 0

    def for_rank(self, rank: int) -> StepLedger:
        """The same ledger as the process of this rank writes to it."""
        ledger = StepLedger.__new__(StepLedger)
        ledger.collected, ledger.learned = self.collected.for_rank(rank), self.learned.for_rank(rank)
        ledger.discarded, ledger.updates = self.discarded, self.updates.for_rank(rank)
        ledger._staged = 0
        return ledger

    def stage(self, steps: int) -> None:
        """Name steps that the present update is computed from. They count as learned once it has been applied."""
        self._staged += steps

    def record_update(self) -> None:
        """Count an applied update and the steps that were staged for it."""
        self.learned.add(self._staged)
        self.updates.add(1)
        self._staged = 0

    def restore(self, learned: int, discarded: int, updates: int) -> None:
        """Go on from a checkpoint, with no step in flight."""
        self.learned.total, self.discarded.total, self.updates.total = learned, discarded, updates
        self.collected.total = learned + discarded
        self._staged = 0
