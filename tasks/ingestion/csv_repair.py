"""Repair CSV files with broken quotes, so that one bad line does not take the lines behind it with it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

# A quoted value with more line breaks than this is taken for a quote that was never closed.
MAX_LINES = 100


class BrokenLine(NamedTuple):
    """A line whose quotes are broken. `line` counts records as DuckDB does: the header is 1."""

    line: int
    raw: str


def repair_csv(source: TextIO, copy: Path, delimiter: str, *, quotes: bool = True) -> list[BrokenLine]:
    """Copy a CSV text with uniform line ends; an empty line replaces each line whose quotes are broken.

    A record may span lines inside quotes. If its quotes do not close within `MAX_LINES` lines, or if it then has
    another number of columns than the header, only its first line is broken and the next line starts a new record.

    Args:
        source: the text, opened with `newline=""`.
        copy: the file to write, UTF-8.
        delimiter: what separates the columns. If it is longer than one character, quotes have no meaning.
        quotes: whether they have one else.

    Returns:
        The broken lines, in order.
    """
    broken = []
    lines = Lookahead(source)
    n_columns = 0
    with copy.open("w", encoding="utf-8", newline="") as repaired:
        for number, line in enumerate(lines, start=1):
            is_plain = not quotes or '"' not in line or len(delimiter) > 1
            record = line if is_plain else whole_record(line, lines, delimiter, n_columns)
            if record is None:
                broken.append(BrokenLine(number, line.rstrip("\r\n")))
            if not n_columns and len(delimiter) == 1:
                n_columns = len(columns_of(record or "", delimiter) or ())
            repaired.write((record or "").rstrip("\r\n") + "\n")
    return broken


class Lookahead:
    """An iterator of lines with `peek`."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rest = iter(lines)
        self._peeked: list[str] = []

    def __iter__(self) -> Iterator[str]:
        while self.peek(1):
            yield self._peeked.pop(0)

    def peek(self, n: int) -> list[str]:
        """Return the next n lines, fewer at the end, without taking them."""
        self._peeked += islice(self._rest, max(0, n - len(self._peeked)))
        return self._peeked[:n]

    def skip(self, n: int) -> None:
        """Take n lines that `peek` returned."""
        del self._peeked[:n]


def whole_record(line: str, lines: Lookahead, delimiter: str, n_columns: int) -> str | None:
    """Return `line` and the lines that its quoted values span; None if the quotes do not close properly."""
    if columns_of(line, delimiter) is not None:
        return line
    record = line
    for n, following in enumerate(lines.peek(MAX_LINES), start=1):
        record += following
        columns = columns_of(record, delimiter) if '"' in following else None
        if columns is not None:
            if n_columns not in (0, len(columns)):
                return None
            lines.skip(n)
            return record
    return None


def columns_of(record: str, delimiter: str) -> list[str] | None:
    """Return the values of one record; None if its quotes are broken or still open."""
    try:
        return next(csv.reader([record], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None
