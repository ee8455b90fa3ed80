"""TensorBoard's event file, written so that a full disk costs no event."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter

from lit_a3c.utils import compat
from lit_a3c.utils.disk import Outage, append_whole

MAX_WAITING = 64 * 2**20
"""Bytes that are kept while they cannot be written."""
BYTES_AT_ONCE = 2**20
"""Bytes of one write, or the next event if it has more."""

_numbers = itertools.count()


class EventFile:
    """Writes events as TensorBoard's ``EventFileWriter`` does, but at once and without a thread.

    The thread of TensorBoard's writer ends at the first error of the disk with a traceback, drops what waits, and every
    later call raises that error. Here events that cannot be written wait in memory, and are written with a later one.

    Args:
        directory: Where the file is made, with the first event of a caller. Made if missing.
        suffix: End of the file's name.
        outage: Is told when the file cannot be written. The owner tells it when it can be written again.
    """

    def __init__(self, directory: Path, suffix: str, outage: Outage) -> None:
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}{suffix}"
        self._file, self._outage = directory / name, outage
        self._end = 0
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._held = True
        self._lock = threading.RLock()
        self._records = RecordWriter(self)
        self.add_event(Event(wall_time=now, file_version="brain.Event:2"))
        self._first, self._size, self._held = self._waiting.pop(), 0, False  # comes with the first one of a caller

    @property
    def waiting(self) -> int:
        """Events that are still to be written."""
        return len(self._waiting)

    def get_logdir(self) -> str:
        """The directory of the file."""
        return str(self._file.parent)

    def add_event(self, event: Event) -> None:
        """Append an event, after those that wait."""
        self._records.write(event.SerializeToString())

    def write(self, record: bytes) -> None:
        """Append an event with its length and checksums, which is what a ``RecordWriter`` makes of it."""
        with self._lock:
            self._waiting.append(record)
            self._size += len(record)
            while self._size > MAX_WAITING and len(self._waiting) > 1:
                self._size -= len(self._waiting.popleft())
            if not self._held:
                self.flush()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Write the events of the block at its end, in one piece."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self.flush()

    def flush(self) -> None:
        """Try to write the events that wait."""
        with self._lock:
            while self._waiting:
                events = self._next()
                try:
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    data = b"".join(events if self._end else [self._first, *events])
                    self._end = append_whole(self._file, self._end, data)
                except OSError as error:
                    self._outage.begin(error)
                    return
                for event in events:
                    self._waiting.popleft()
                    self._size -= len(event)

    close = flush

    def _next(self) -> list[bytes]:
        """The first of the events that wait."""
        size, events = 0, list[bytes]()
        for event in self._waiting:
            size += len(event)
            if events and size > BYTES_AT_ONCE:
                break
            events.append(event)
        return events


class RunSummaryWriter(compat.WithEventWriter, SummaryWriter):
    """torch's ``SummaryWriter``, whose events go to an :class:`EventFile`.

    Args:
        events: The file.
        options: Options of ``SummaryWriter``. Those of its queue have no effect.
    """

    def __init__(self, events: EventFile, **options: Any) -> None:
        self.event_writer = events
        super().__init__(events.get_logdir(), **options)
