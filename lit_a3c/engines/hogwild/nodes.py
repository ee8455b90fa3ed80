"""One node of several: what it tells the others, and when all of them average.

Ten times a second, the started processes of all nodes exchange a row of numbers each. So every node knows how many
steps and updates the job has made, and whether another node has stopped or failed. Every node computes from the same
rows whether an averaging begins, so all of them begin the same one. No worker waits for any of this.
"""

from __future__ import annotations

import dataclasses
import time
from typing import NamedTuple

from torch import Tensor

from lit_a3c.engines.base import Learner
from lit_a3c.engines.hogwild.averaging import Averaging, Pending, StateAverage
from lit_a3c.engines.hogwild.node_group import NodeError, NodeGroup, first, row_of
from lit_a3c.metrics.train_metrics import MetricsDelta
from lit_a3c.rollout import Episode
from lit_a3c.utils.shared_counter import SharedCounter

PERIOD_SECONDS = 0.1
"""Between two exchanges of rows."""
REPORT_SECONDS = 1.0
"""Between two reports of a node's metrics to node 0."""
LEAVE_SECONDS = 10.0
"""Longest time for the last exchange of a node that stops."""
POLL_SECONDS = 0.01
"""Between two looks at an exchange that is waited for."""


class NodeStatus(NamedTuple):
    """What a node tells the others, as numbers. Counts are those of its own workers since the start."""

    collected: float
    learned: float
    discarded: float
    updates: float
    updates_since: float
    """Updates since the last averaging that it has begun."""
    averaging: float
    """1 while an averaging is under way."""
    ended: float
    """1 where none of its workers is at work any more."""
    stopping: float
    """1 where it was asked to stop before the budget is used up."""
    signum: float
    """The signal that asked for it, or 0."""
    failed: float
    """1 where it ends with an error."""


class Node:
    """This node of a job.

    Args:
        group: All nodes.
        average: What they average.
        learner: The module of this process. The last slot of each counter of its ledger is of the other nodes.
        every: Updates of a node, on average over the nodes, between two averagings.

    Attributes:
        stopping: Whether the job ends before its budget is used up.
        signum: The signal that a node was asked to stop by, or 0.
        finished: Whether all workers of all nodes have ended and the last averaging was made.
    """

    def __init__(self, group: NodeGroup, average: StateAverage, learner: Learner, every: int) -> None:
        self._group, self._average, self._metrics, self._every = group, average, learner.metrics, every
        ledger = learner.ledger
        self._counters = (ledger.collected, ledger.learned, ledger.discarded, ledger.updates)
        self._before = [counter.total for counter in self._counters]
        self.stopping = self.finished = False
        self._parted = False  # nothing is exchanged any more
        self.signum = 0
        self._failed = self._closed = False
        self._begun_at = self._reported_at = 0.0
        self._updates_at_averaging = 0
        self._rows: Tensor | None = None
        self._exchange: Pending | None = None
        self._averaging: Averaging | None = None

    def poll(self, *, ended: bool) -> None:
        """Go on with what is under way, without waiting.

        Args:
            ended: Whether no worker of this node is at work any more.

        Raises:
            NodeError: Another node has failed, or the connection to it is lost.
        """
        if self.finished or self._closed:
            return
        try:
            self._go_on(ended)
        except NodeError:
            self._parted = True
            raise
        except RuntimeError as error:  # of gloo, or of the store
            self._parted = True
            raise NodeError(
                f"the connection to another node is lost: {first(error)} The output of that node may say more."
            ) from error

    def stop(self, signum: int = 0) -> None:
        """Let all nodes stop.

        Args:
            signum: The signal that asked for it, if one did.
        """
        self.stopping, self.signum = True, self.signum or signum

    def leave(self, *, failed: bool) -> None:
        """Tell the others that this node ends, within some seconds. Its workers have ended. May be called twice.

        Args:
            failed: Whether it ends with an error. Otherwise all nodes end and average a last time, and :attr:`finished`
                says whether they have.

        Raises:
            NodeError: Another node has failed meanwhile.
        """
        self.stopping, self._failed = True, failed
        deadline = time.monotonic() + LEAVE_SECONDS
        while not (self.finished or self._parted or self._closed):
            self.poll(ended=True)
            if time.monotonic() > deadline:
                self._parted = True
            elif not self.finished:
                time.sleep(POLL_SECONDS)

    def close(self) -> None:
        """Leave the group. May be called twice."""
        if not self._closed:
            self._closed = True
            self._group.close(waiting=self._exchange is not None or self._averaging is not None)

    def _go_on(self, ended: bool) -> None:
        if self._averaging is not None and self._averaging.done:
            self._averaging.apply()
            self._averaging = None
        if self._exchange is not None and self._exchange.is_completed():
            self._exchange.wait()
            self._exchange = None
            assert self._rows is not None
            self._read([NodeStatus(*row) for row in self._rows.tolist()])
        now = time.monotonic()
        if now - self._reported_at >= REPORT_SECONDS or ended:
            self._report()
            self._reported_at = now
        over = self.finished or self._parted
        if self._exchange is None and not over and (now - self._begun_at >= PERIOD_SECONDS or ended):
            self._begun_at = now
            self._rows, self._exchange = self._group.gather(row_of(self._status(ended)))

    def _status(self, ended: bool) -> NodeStatus:
        # Steps that were taken are read last: others may learn from more of them meanwhile.
        discarded, updates, learned, collected = (self._own(index) for index in (2, 3, 1, 0))
        return NodeStatus(
            collected=collected,
            learned=learned,
            discarded=discarded,
            updates=updates,
            updates_since=updates - self._updates_at_averaging,
            averaging=self._averaging is not None,
            ended=ended,
            stopping=self.stopping,
            signum=self.signum,
            failed=self._failed,
        )

    def _own(self, index: int) -> int:
        counter = self._counters[index]
        return counter.total - self._before[index] - counter.count(counter.slots - 1)

    def _read(self, rows: list[NodeStatus]) -> None:
        """Take in what all nodes have told. Every node reads the same rows and draws the same conclusions."""
        others = [row for node, row in enumerate(rows) if node != self._group.rank]
        for counter, name in zip(self._counters, NodeStatus._fields[:4], strict=True):
            _set_last(counter, int(sum(getattr(row, name) for row in others)))
        failed = [node for node, row in enumerate(rows) if row.failed]
        if self._group.rank in failed:
            self._parted = True  # the others know now
            return
        if failed:
            raise NodeError(f"node {failed[0]} has failed, and the job ends. The output of that node says why.")
        for row in rows:
            if row.stopping:
                self.stop(int(row.signum))
        if any(row.averaging for row in rows):
            return
        if all(row.ended for row in rows):
            self._finish()
        elif sum(row.updates_since for row in rows) >= self._every * self._group.size:
            self._updates_at_averaging = self._own(3)
            self._averaging = self._average.begin(self._group)

    def _finish(self) -> None:
        """The last averaging, after which all nodes hold the same."""
        averaging = self._average.begin(self._group)
        averaging.wait()
        averaging.apply(exact=True)
        _, parting = self._group.gather(row_of((0.0,)))
        parting.wait()  # none leaves before the others have everything
        if self._group.rank == 0:
            self._merge_reports()
        self.finished = True

    def _report(self) -> None:
        """Send node 0 what has happened here."""
        if self._group.rank == 0:
            self._merge_reports()
        elif self._metrics.updates:
            delta = self._metrics.take()
            delta.logged = dict(self._metrics.logged)
            self._group.post(dataclasses.asdict(delta))

    def _merge_reports(self) -> None:
        for message in self._group.take():
            delta = MetricsDelta(**message)
            delta.episodes = [Episode(*episode) for episode in delta.episodes]
            self._metrics.merge(delta)


def _set_last(counter: SharedCounter, value: int) -> None:
    """Set the last slot of a counter."""
    last = counter.slots - 1
    counter.for_rank(last).add(value - counter.count(last))
