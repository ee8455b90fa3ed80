"""Several learners of one training: what their processes tell each other.

Lightning's DDP starts the processes and averages the gradients. All learners make their updates in step, each from a
rollout of its own workers. What else they must agree on is here: counts, running statistics, and when to stop.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lit_a3c.engines.learner_errors import LOST, PeerError, check_equal, lost_peer
from lit_a3c.engines.ledger import StepLedger
from lit_a3c.networks.normalization import RunningNorm
from lit_a3c.utils import compat_processes
from lit_a3c.utils.disk import say
from lit_a3c.utils.shared_counter import SharedCounter
from lit_a3c.utils.signals import INTERRUPTION

if TYPE_CHECKING:
    from lightning.pytorch import Trainer  # workers need not wait for it

T = TypeVar("T")

FAILED = -1.0
"""The status of a learner that an error ends. Else it is the number of a signal, or 0."""


class Learners:
    """The learners of a training, of which this process is one. Without a trainer, or with one process, it is the only
    one, and nothing is sent.

    Each update has one message, see :meth:`begin_update`. It is also how learners stop together: where one of them is
    interrupted or fails while it waits for a rollout, it sends its status in that message, and all raise an exception
    before the update. Where one fails elsewhere, its end closes its connections, and the others raise
    :class:`PeerError`.

    Args:
        trainer: The trainer, whose process group has begun.

    Attributes:
        rank: Number of this learner.
        size: Number of learners.
        seed: That of rank 0; None where there is one learner.
    """

    def __init__(self, trainer: Trainer | None = None) -> None:
        self.rank, self.size = (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)
        self._trainer = trainer
        self._counters: tuple[SharedCounter, ...] = ()
        self._norms: list[RunningNorm] = []  # of the policy, which see observations
        self._deferred: list[RunningNorm] = []  # these, and that of the returns
        self._error: BaseException | None = None
        self._group: Any = None
        self.seed: int | None = None
        if self.size > 1:
            # Small tensors on the CPU. A connection of gloo closes with the process at its other end, which NCCL does
            # not notice.
            self._group = dist.group.WORLD if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")
            self.seed = self._gather(torch.initial_seed())[0]

    def check_same(self, given: Mapping[str, str]) -> None:
        """Refuse to train where the learners were given different options.

        Args:
            given: Options of this process by name, as text.

        Raises:
            AgreedConfigError: With the first option that differs.
        """
        if self.size == 1:
            return
        check_equal(self._gather(dict(given)))

    def start(self, ledger: StepLedger, policy: Iterable[nn.Module], modules: Iterable[nn.Module]) -> None:
        """Begin to count and to gather statistics together. Before any worker starts, after a checkpoint was restored.

        Args:
            ledger: Its counts become those of the job.
            policy: All modules of the policy. Their running statistics see observations.
            modules: All modules of the learner. Their running statistics become those of all learners.
        """
        if self.size == 1:
            return
        ledger.share(self.rank)
        self._counters = (ledger.collected, ledger.discarded)
        self._norms = [norm for norm in policy if isinstance(norm, RunningNorm)]
        self._deferred = [norm for norm in modules if isinstance(norm, RunningNorm)]
        for norm in self._deferred:
            norm.deferred = True
        INTERRUPTION.shared, INTERRUPTION.quiet = True, self.rank > 0

    def end(self) -> None:
        """Let the running statistics be those of this process again."""
        for norm in self._deferred:
            norm.deferred = False
        self._norms, self._deferred = [], []
        INTERRUPTION.shared = INTERRUPTION.quiet = False

    # Once an update

    def begin_update(self) -> None:
        """Exchange the steps that were collected and discarded, the statistics of the observations, and the status.

        Raises:
            KeyboardInterrupt: A signal has asked one of the learners to stop.
            PeerError: Another learner has failed.
        """
        if self.size == 1:
            return
        status = torch.zeros(self.size, dtype=torch.float64)
        status[self.rank] = self._status()
        own = [counter.own for counter in self._counters]
        counts = torch.tensor(own, dtype=torch.float64)  # exact up to 2^53
        moments = [norm.take_moments() for norm in self._norms]
        status, counts, *moments = self._sum(status, counts, *moments)
        for counter, mine, total in zip(self._counters, own, counts.tolist(), strict=True):
            counter.elsewhere = int(total) - mine
        self._check(status.tolist())
        for norm, of_all in zip(self._norms, moments, strict=True):
            norm.merge_moments(of_all)

    def merge(self, norm: RunningNorm) -> None:
        """Let the statistics take what all learners have given them since the last call."""
        if self.size > 1:
            norm.merge_moments(*self._sum(norm.take_moments()))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for a rollout inside the block. What ends the block is told to the others, in the update's message."""
        if self.size == 1:
            yield
            return
        try:
            with INTERRUPTION.allowed():
                yield
        except BaseException as error:
            self._error = error
            try:
                self.begin_update()
            except PeerError:  # the others are gone, too
                raise error from None

    # Work that is split

    def share_of(self, count: int) -> tuple[int, int]:
        """This rank's share of so many things: the first one, and their number."""
        each, more = divmod(count, self.size)
        return self.rank * each + min(self.rank, more), each + (self.rank < more)

    def do_part(self, part: Callable[[], Any]) -> None:
        """Do this rank's part of something. What ends it before its time is raised when all come together again."""
        if self.size == 1:
            part()
        elif self._error is None:
            try:
                with INTERRUPTION.allowed():
                    part()
            except BaseException as error:
                self._error = error

    def collect(self, part: T) -> list[T]:
        """What all ranks have made, by rank.

        Raises:
            KeyboardInterrupt: A signal has asked one of the learners to stop.
            PeerError: Another learner has failed.
        """
        if self.size == 1:
            return [part]
        parts = self._gather((self._status(), part))
        self._check([status for status, _ in parts])
        return [theirs for _, theirs in parts]

    def leave(self) -> None:
        """Send and wait for nothing more: this learner ends, and the others may be anywhere."""
        if self.size > 1 and self._trainer is not None:
            compat_processes.leave_group(self._trainer.strategy)

    # Messages

    def _status(self) -> float:
        if self._error is not None and not isinstance(self._error, KeyboardInterrupt):
            return FAILED
        return float(INTERRUPTION.signum or (signal.SIGINT if self._error is not None else 0))

    def _check(self, statuses: list[float]) -> None:
        """Raise what ends this rank or another one."""
        error, self._error = self._error, None
        stopped = [(int(status), rank) for rank, status in enumerate(statuses) if status > 0]
        failed = [rank for rank, status in enumerate(statuses) if status < 0]
        if not stopped and not failed:
            return
        self.leave()
        if error is not None and not isinstance(error, KeyboardInterrupt):
            raise error
        if failed:
            raise PeerError(f"the learner of rank {failed[0]} has failed, and says why itself. All learners stop.")
        signum, rank = stopped[0]
        if INTERRUPTION.signum is None and self.rank == 0:
            say(f"{signal.Signals(signum).name} at rank {rank}: saving and stopping.")
        INTERRUPTION.follow(signum)
        raise KeyboardInterrupt

    def _sum(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """Each of the tensors as the sum of those of all ranks, the same to the bit on all of them; one message."""
        message = torch.cat(parts)
        with _peers():
            dist.all_reduce(message, group=self._group)
        return message.split([len(part) for part in parts])

    def _gather(self, item: T) -> list[T]:
        items: list[Any] = [None] * self.size
        with _peers():
            dist.all_gather_object(items, item, group=self._group)
        return items


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if lost_peer(error):
            raise PeerError(LOST) from error
        raise
