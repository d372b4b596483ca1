"""CSV files whose quotes are broken: find the torn lines before they swallow the lines behind them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

# A quoted value with more line breaks than this is taken for a quote that somebody forgot to close.
MAX_LINES = 100


class TornLine(NamedTuple):
    """A line that is no CSV record. `line` counts records from the header, 1, as DuckDB does."""

    line: int
    raw: str


def mend(source: TextIO, copy: Path, delimiter: str) -> list[TornLine]:
    """Copy a CSV text to `copy` with uniform line ends, each torn line replaced by an empty one.

    A record may span lines inside quotes; where it does not close within `MAX_LINES` lines and with as many
    columns as the header has, its first line alone is torn and the next line starts afresh.
    """
    torn = []
    lines = _Lookahead(source)
    n_columns = 0
    with copy.open("w", encoding="utf-8", newline="") as sound:
        for number, line in enumerate(lines, start=1):
            record = line if '"' not in line else _whole_record(line, lines, delimiter, n_columns)
            if record is None:
                torn.append(TornLine(number, line.rstrip("\r\n")))
            n_columns = n_columns or len(_columns(record or "", delimiter) or ())
            sound.write((record or "").rstrip("\r\n") + "\n")
    return torn


class _Lookahead:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rest = iter(lines)
        self._peeked: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while self.peek(1):
            yield self._peeked.pop(0)

    def peek(self, n: int) -> list[str]:
        """The next n lines, fewer at the end."""
        self._peeked += islice(self._rest, max(0, n - len(self._peeked)))
        return self._peeked[:n]

    def skip(self, n: int) -> None:
        """Take n lines that were peeked at."""
        del self._peeked[:n]


def _whole_record(line: str, lines: _Lookahead, delimiter: str, n_columns: int) -> str | None:
    """`line`, with the lines that its quotes reach into; None if they do not close properly."""
    if _columns(line, delimiter) is not None:
        return line
    record = line
    for n, following in enumerate(lines.peek(MAX_LINES), start=1):
        record += following
        columns = _columns(record, delimiter) if '"' in following else None
        if columns is not None:
            if n_columns not in (0, len(columns)):
                return None
            lines.skip(n)
            return record
    return None


def _columns(record: str, delimiter: str) -> list[str] | None:
    """The values of one record; None where its quotes are broken or still open."""
    try:
        return next(csv.reader([record], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None
