"""Reading ``metrics.csv``. Imports nothing heavy."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path


class ReadableRows:
    """The rows of a file that are whole. A process that was killed or an older version may have left others.

    Args:
        file: The file, which may be missing.
        end: Bytes of it to read; None reads all.

    Attributes:
        columns: Its columns.
        unreadable: Rows that were left out, once all have been read.
    """

    def __init__(self, file: Path, end: int | None = None) -> None:
        data = file.read_bytes()[:end] if file.exists() else b""
        lines = list(io.StringIO(data.decode(errors="replace"), newline=""))
        self.unreadable = 0
        if lines and not lines[-1].endswith(("\r", "\n")):
            lines.pop()
            self.unreadable += 1
        self._reader = csv.reader(lines)
        self._header = next(self._reader, [])
        self.columns = self._header if "step" in self._header else []

    def __iter__(self) -> Iterator[dict[str, str]]:
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                cells = []
            row = dict(zip(self._header, cells, strict=False))
            if len(cells) == len(self._header) and row.get("step", "").isdecimal():
                yield row
            else:
                self.unreadable += 1
