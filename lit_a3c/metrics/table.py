"""``metrics.csv``: a row for each call, and columns as they come."""

from __future__ import annotations

import csv
import io
import itertools
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from lit_a3c.metrics.rows import ReadableRows
from lit_a3c.utils.disk import Outage, append_whole, replace_whole, say

MAX_WAITING = 10_000
"""Rows that are kept while they cannot be written. A row of a training takes about 3 kB of memory."""
ROWS_AT_ONCE = 100
"""Rows of one write. An attempt on a disk that is still full costs the encoding of no more than these."""


class MetricsTable:
    """Appends rows to a CSV file. Each is in the file as soon as it has been added.

    A row is in the file whole or not at all. Rows that cannot be written wait in memory, and are written with a later
    one. A file that is there already is continued.

    Args:
        file: The file.
        first_step: Rows of the file from this step on are left out: they are made again. None keeps all.
        outage: Is told when the file cannot be written. The owner tells it when it can be written again.

    Attributes:
        lost: Rows that were given up, because too many waited.
    """

    def __init__(self, file: Path, first_step: int | None, outage: Outage) -> None:
        self._file, self._first_step, self._outage = file, first_step, outage
        self._columns: list[str] = []
        self._end: int | None = None  # size of what this process has written; None before that
        self._waiting: deque[dict[str, Any]] = deque()
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Rows that are still to be written."""
        return len(self._waiting)

    def add(self, metrics: Mapping[str, Any], step: int) -> None:
        """Append a row, after those that wait."""
        row = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics.items()}
        self._waiting.append({**row, "step": step})
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self.flush()

    def flush(self) -> None:
        """Try to write the rows that wait."""
        while self._waiting:
            rows = list(itertools.islice(self._waiting, ROWS_AT_ONCE))
            try:
                self._write(rows)
            except OSError as error:
                self._outage.begin(error)
                return
            for _ in rows:
                self._waiting.popleft()

    def _write(self, rows: list[dict[str, Any]]) -> None:
        if self._end is not None and not (self._file.exists() and self._file.stat().st_size >= self._end):
            self._end = self._first_step = None  # somebody has removed, replaced or cut it: it may have no header
        if self._end is not None and set().union(*rows) <= set(self._columns):
            self._end = append_whole(self._file, self._end, _encoded(rows, self._columns))
            return
        # The columns have changed, or the file is of an earlier process.
        before = ReadableRows(self._file, self._end)
        columns = sorted(set().union(before.columns, *rows))
        kept = before if self._end is not None else filter(self._is_before, before)
        header = dict(zip(columns, columns, strict=True))
        data = _encoded(itertools.chain([header], kept, rows), columns)
        replace_whole(self._file, data)
        if before.unreadable and self._end is None:
            say(f"{before.unreadable} rows of {str(self._file)!r} cannot be read. They are left out.")
        self._columns, self._end = columns, len(data)

    def _is_before(self, row: dict[str, str]) -> bool:
        return self._first_step is None or int(row["step"]) < self._first_step


def _encoded(rows: Iterable[dict[str, Any]], columns: list[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.DictWriter(text, columns).writerows(rows)
    return text.getvalue().encode()
