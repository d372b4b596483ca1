"""Read a large plain text file with whole numbers as ids and times, as numbers: quicker, and smaller, than as text.

It must be certain that the numbers stand for the very text of the file, which refused rows quote and ids of type text
consist of: `007`, `+7`, `7.0`, `7e0` and ` 7` are not 7. No cell's text is looked at for that. The bytes are counted:

- Bytes that are no digit, minus sign or point: the file has as many as its separators, line ends and texts. So there is
  none in a number.
- All bytes: the file has as many as its separators, line ends, texts, and numbers as they are written in short. A
  number of digits, minus signs and points that is written otherwise (007, -0, 7.0, 6.9) is longer than what DuckDB
  reads from it in short. So none is.

Where a count differs, that of the lines too because DuckDB refused a value, the file is read as text.
"""

from __future__ import annotations

import glob
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from tasks.artifacts import Source
from tasks.ingestion.text_format import TextFormat
from tasks.storage.warehouse import run_file

MIN_SIZE = 4 << 20
"""Bytes; of a smaller file, reading is not what takes time."""
NUMBERS = ("user_id", "item_id", "timestamp")
"""The columns that are read as numbers."""
_TEXTS: dict[Source, tuple[str, ...]] = {
    "ratings": ("rating",), "tags": ("tag",), "events": ("event", "value"),
}  # fmt: skip
"""The other columns of the sources whose files can be read so."""
_BLOCK = 1 << 20
_HEAD = 1 << 14
_INTEGER = re.compile(rb"(?:-?[1-9][0-9]*|0)?")
_FEED = ord("\n")
_FIRST_PLAIN, _N_PLAIN = ord("-"), 13  # - . / and the digits; a slash counts as other


class ByteCounts(NamedTuple):
    """Bytes of a text file behind its header.

    Attributes:
        all: how many there are.
        others: those that are no digit, minus sign or point.
        feeds, returns: of the line ends.
        unsafe: quotes and NUL bytes.
        ends_open: 1 if the last line has no line end, else 0.
    """

    all: int
    others: int
    feeds: int
    returns: int
    unsafe: int
    ends_open: int


def read_numeric(
    con: duckdb.DuckDBPyConnection, source: Source, path: Path, how: TextFormat, names: dict[str, str]
) -> bool:
    """Fill the temporary tables `incoming` and `rejected_lines` from a file; return False if it must be read as text.

    Args:
        con: the warehouse.
        source: of the file.
        path: a plain text in UTF-8 of one kind of line ends.
        how: its separator and header.
        names: the names that `incoming` has for its columns, in its order.
    """
    if not _may_be_numeric(source, path, how, names):
        return False
    columns = {name: "BIGINT" if name in NUMBERS else "VARCHAR" for name in names}
    with ThreadPoolExecutor(1, thread_name_prefix="bytes") as worker:
        found = worker.submit(count_bytes, path, has_header=how.has_header)
        run_file(
            con, "warehouse/land/read_numeric_csv.sql", path=glob.escape(str(path)), delimiter=how.separator,
            columns=columns, header=how.has_header,
        )  # fmt: skip
    return _holds_all_bytes(con, source, found.result())


def _may_be_numeric(source: Source, path: Path, how: TextFormat, names: dict[str, str]) -> bool:
    """Return whether a file is large, has exactly the columns of its source, and could be told from their bytes."""
    expected = {*NUMBERS, *_TEXTS.get(source, ())}
    separates = len(how.separator.encode()) == 1 and how.separator not in "-.0123456789"
    is_complete = source in _TEXTS and set(names) == expected and len(names) == len(expected)
    is_large = path.stat().st_size >= MIN_SIZE
    return (
        is_complete
        and separates
        and is_large
        and how.quote in ("", '"')
        and _begins_numeric(path, how, names)
    )


def _begins_numeric(path: Path, how: TextFormat, names: dict[str, str]) -> bool:
    """Return whether the first lines of a file have whole numbers where they should: else it is not read in vain."""
    with path.open("rb") as file:
        lines = file.read(_HEAD).splitlines()[how.has_header : -1]
    rows = [line.split(how.separator.encode()) for line in lines]
    places = [place for place, name in enumerate(names) if name in NUMBERS]
    return all(len(row) == len(names) and all(_INTEGER.fullmatch(row[at]) for at in places) for row in rows)


def count_bytes(path: Path, *, has_header: bool) -> ByteCounts:
    """Return the counts of bytes of a file behind its header, of which nothing is counted."""
    n_all = n_plain = feeds = returns = unsafe = 0
    last = b"\n"
    with path.open("rb") as file:
        if has_header:
            file.readline()
        while block := file.read(_BLOCK):
            codes = np.frombuffer(block, np.uint8)
            n_all += len(block)
            n_plain += int(np.count_nonzero((codes - np.uint8(_FIRST_PLAIN)) < _N_PLAIN)) - _count_rare(
                b"/", block
            )
            feeds += int(np.count_nonzero(codes == _FEED))  # bytes.count is slow at what is frequent
            returns += _count_rare(b"\r", block)
            unsafe += _count_rare(b'"', block) + _count_rare(b"\0", block)
            last = block[-1:]
    return ByteCounts(n_all, n_all - n_plain, feeds, returns, unsafe, int(last != b"\n"))


def _count_rare(byte: bytes, block: bytes) -> int:
    """Return how often a byte is there: to see that it is not takes a thirtieth of the time of counting."""
    return block.count(byte) if byte in block else 0


def _holds_all_bytes(con: duckdb.DuckDBPyConnection, source: Source, found: ByteCounts) -> bool:
    """Return whether the rows of `incoming`, written in short, have the bytes of the file."""
    incoming = con.table("incoming")
    [(rows,)] = incoming.count("*").fetchall()
    if found.unsafe or found.feeds + found.ends_open != rows or found.returns not in (0, found.feeds):
        return False
    between = rows * (len(incoming.columns) - 1) + found.feeds + found.returns
    text_bytes = text_others = 0
    for name in _TEXTS[source]:
        for text, n in incoming.aggregate(f"{name}, count(*)", name).fetchall():
            code = (text or "").encode()
            text_bytes += n * len(code)
            text_others += n * len(code.translate(None, b"0123456789.-"))
    if found.others != between + text_others:
        return False
    number_bytes = sum(_written_bytes(incoming, name) for name in NUMBERS)
    return bool(found.all == between + text_bytes + number_bytes)


def _written_bytes(incoming: duckdb.DuckDBPyRelation, name: str) -> int:
    """Return the bytes of a column's numbers, written in short; a missing one has none."""
    [(n, least, greatest)] = incoming.aggregate(f"count({name}), min({name}), max({name})").fetchall()
    if n and least >= 0 and len(str(least)) == len(str(greatest)):
        return int(n) * len(str(least))
    [(total,)] = incoming.aggregate(f"coalesce(sum(strlen({name}::text)), 0)").fetchall()
    return int(total)
