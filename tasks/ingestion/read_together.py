"""Read many small text files at once, as one: a thousand daily files then cost hardly more than one with the same rows.

Only files of which every line is certain to be a row are read so: plain UTF-8 text of one kind of line ends, without
quotes, empty lines and NUL bytes, with the same header. Any other, and any with a line that DuckDB rejects, is left to
`read_file.py`, which reads files one by one: the rows are the same either way.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb

from tasks.errors import NightError
from tasks.ingestion.file_digest import file_version
from tasks.ingestion.file_names import SEPARATORS, named_separator
from tasks.ingestion.first_bytes import SIZE, container_of, foreign_format, is_parquet, marked_encoding
from tasks.ingestion.input_files import InputFile
from tasks.ingestion.landing_plan import Content, FolderFile
from tasks.ingestion.read_file import Reading, check_columns, column_names, text_options
from tasks.ingestion.refused_rows import NOTHING, Refusal, refuse_rows
from tasks.ingestion.text_format import UTF8, TextFormat, text_format
from tasks.storage.warehouse import run_file

log = logging.getLogger(__name__)

_MAX_FILE = 16 << 20
"""Bytes; a larger file gains nothing."""
_MAX_BATCH = 128 << 20
"""Bytes of text that are read at once."""
_NUMBER = "batch_number"
"""The column in front of the others: the place of the row's file in its batch."""


@dataclass
class _Batch:
    """Files with the same header that are read as one.

    Attributes:
        reading, how: of each of them.
        header: their first line.
        contents, bodies, rows: each file, its text behind the header, and how many rows that holds.
        size: bytes of the texts.
    """

    reading: Reading
    how: TextFormat
    header: bytes
    contents: list[Content] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    size: int = 0

    def without(self, places: set[int]) -> _Batch:
        """Return the batch without the files at some places."""
        kept = [place for place in range(len(self.contents)) if place not in places]
        return replace(
            self,
            contents=[self.contents[place] for place in kept],
            bodies=[self.bodies[place] for place in kept],
            rows=[self.rows[place] for place in kept],
        )


def read_together(
    con: duckdb.DuckDBPyConnection, contents: Sequence[Content], refusal: Refusal | None
) -> set[int]:
    """Land those of the contents that can be read together; return their file ids.

    Args:
        con: the warehouse, in a transaction.
        contents: those to land, with their file ids. The others are left alone.
        refusal: whose rows are not landed; None if nobody is forgotten.
    """
    done: set[int] = set()
    for batch in _batches(contents):
        if len(batch.contents) > 1:
            done |= _land_batch(con, batch, refusal)
    return done


def _batches(contents: Sequence[Content]) -> Iterator[_Batch]:
    """Yield the contents that can be read together, in batches of limited size."""
    open_batches: dict[tuple[Any, ...], _Batch] = {}
    formats: dict[tuple[Any, ...], TextFormat | None] = {}
    kinds = [(content, content.found, _kind(content)) for content in contents]
    alike = Counter(kind for _, _, kind in kinds)
    for content, found, kind in kinds:
        if found is None or kind is None or alike[kind] < 2 or not (read := _read_plain(found)):
            continue
        header, body, rows = read
        key = (kind, header)
        if key not in formats:
            formats[key] = _format_of(found.file, found.reading, header, body)
        how = formats[key]
        if how is None:
            continue
        batch = open_batches.setdefault(key, _Batch(found.reading, how, header))
        batch.contents.append(content)
        batch.bodies.append(body)
        batch.rows.append(rows)
        batch.size += len(body)
        if batch.size > _MAX_BATCH:
            yield open_batches.pop(key)
    yield from open_batches.values()


def _kind(content: Content) -> tuple[str, int, str] | None:
    """Return what contents have in common that may be read together; None if one must be read on its own.

    That is so unless it is small, text by its name, read by its own header, and of one kind of line ends.
    """
    found = content.found
    if found is None:
        return None
    digest, reading = found.digest, found.reading
    fits = (
        found.location.suffix.lower() in SEPARATORS
        and digest.version.size <= _MAX_FILE
        and digest.mixes_line_ends is False
        and not reading.header
        and reading.encoding in ("auto", "utf-8")
        and reading.format == "auto"
        and not reading.time_format
    )
    return (content.file.source, id(reading), named_separator(found.location.name)) if fits else None


def _read_plain(found: FolderFile) -> tuple[bytes, bytes, int] | None:
    """Return the first line of a file, the text behind it, and its rows; None if it must be read on its own."""
    try:
        text = found.location.read_bytes()
        if not file_version(found.location).is_same_file(found.digest.version):
            return None
    except (OSError, NightError):
        return None  # the reader of single files meets the same, and says what to do
    if b'"' in text or b"\0" in text or text[:1] in (b"\n", b"\r", b""):
        return None
    line_end = b"\r\n" if b"\r" in text else b"\n"
    if not text.endswith(line_end):
        text += line_end
    n_lines = text.count(line_end)
    is_uniform = text.count(b"\n") == n_lines and text.count(b"\r") in (0, n_lines)
    if not is_uniform or line_end * 2 in text or n_lines < 2:
        return None
    head = text[:SIZE]
    if container_of(head) != "plain" or is_parquet(head) or foreign_format(head) or marked_encoding(head):
        return None
    at = text.index(line_end) + len(line_end)
    return text[:at], text[at:], n_lines - 1


def _format_of(file: InputFile, reading: Reading, header: bytes, body: bytes) -> TextFormat | None:
    """Return how to read the files with this header; None if that depends on more than the header, or it is faulty."""
    options = text_options(file, reading)
    try:
        how = text_format(file.location, options, "plain", (header + body)[:SIZE])
        check_columns(file, how.header, reading)
    except (NightError, UnicodeError):
        return None  # the reader of single files says what is wrong
    is_told_by_header = how.has_header and options.required <= set(how.header)
    if how.encoding != UTF8 or how.separator == " " or how.found or not is_told_by_header:
        return None
    return how


def _land_batch(con: duckdb.DuckDBPyConnection, batch: _Batch, refusal: Refusal | None) -> set[int]:
    """Land the files of a batch of which no line is rejected; return their ids, none if that fails."""
    rejected = _scan(con, batch)
    if rejected:
        batch = batch.without(rejected)
        if len(batch.contents) < 2 or _scan(con, batch):
            return set()
    [(n_rows,)] = con.execute("select count(*) from incoming").fetchall()
    if n_rows != sum(batch.rows):
        log.info("%s and the files like it are read one by one.", batch.contents[0].file.path)
        return set()
    _insert(con, batch, refusal)
    return {content.file_id for content in batch.contents if content.file_id is not None}


def _scan(con: duckdb.DuckDBPyConnection, batch: _Batch) -> set[int]:
    """Fill `incoming` and `rejected_lines` from a batch; return the places of the files with a rejected line."""
    separator = batch.how.separator.encode()
    line_end = b"\r\n" if batch.header.endswith(b"\r\n") else b"\n"
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder:
        path = Path(folder, "batch.csv")
        with path.open("wb") as text:
            text.write(_NUMBER.encode() + separator + batch.header)
            for number, body in enumerate(batch.bodies):
                prefix = str(number).encode() + separator
                last = len(body) - len(line_end)
                text.write(prefix + body[:last].replace(line_end, line_end + prefix) + line_end)
        names = {_NUMBER: "VARCHAR", **column_names(batch.reading, batch.how.header)}
        run_file(
            con, "warehouse/land/read_csv.sql", path=str(path), delimiter=batch.how.separator, columns=names,
            header=True, quote=batch.how.quote, compression="none",
        )  # fmt: skip
    lines = [line for (line,) in con.execute("select line from rejected_lines").fetchall()]
    return {_place_of(line - 2, batch.rows) for line in lines}


def _place_of(row: int, rows: Sequence[int]) -> int:
    """Return the place of the file that holds a row of the batch."""
    for place, n_rows in enumerate(rows):
        if row < n_rows:
            return place
        row -= n_rows
    return len(rows) - 1


def _insert(con: duckdb.DuckDBPyConnection, batch: _Batch, refusal: Refusal | None) -> None:
    """Insert the rows of `incoming` that are not refused into the raw table, and record the files."""
    starts = [0, *accumulate(batch.rows[:-1])]
    file_ids = [content.file_id for content in batch.contents]
    run_file(con, "warehouse/land/rows_of_batch.sql", file_ids=file_ids, starts=starts)
    reading, present = batch.reading, batch.how.header
    values, descriptions = reading.absent_values(present), reading.descriptions(present)
    given = "".join(f", nullif(${ours}, '') as {ours}" for ours in values)
    columns, parameters = f"select *{given}", dict(values)
    more: dict[str, Any] = {}
    if descriptions:
        each = ", ".join(f"description_{number}" for number in range(len(descriptions)))
        columns = f"select * exclude ({each}){given}, map($descriptions::text[], [{each}]) as described_by"
        more = {"descriptions": list(descriptions)}
    source = batch.contents[0].file.source
    refused = NOTHING if refusal is None else refuse_rows(con, source, refusal, values.items())
    kept = f" where {refused.condition}" if refused.condition else ""
    con.execute(f"insert into raw_{source} by name {columns} from rows_of_batch(){kept}", parameters | more)
    forgotten = _refused_by_file(con, refused.condition) if refused.condition else {}
    files = [content.file for content in batch.contents]
    run_file(
        con, "warehouse/land/record_batch.sql", file_ids=file_ids, source=source,
        paths=[file.path for file in files], kinds=[file.kind for file in files],
        hashes=[file.sha256 for file in files], sizes=[file.size for file in files], rows=batch.rows,
        columns=json.dumps(batch.contents[0].reading), ignored=list(reading.ignored(present)),
        landed_at=[content.landed_at for content in batch.contents], reader=batch.contents[0].reader,
        forgotten=[forgotten.get(content.file_id or 0, 0) for content in batch.contents],
    )  # fmt: skip


def _refused_by_file(con: duckdb.DuckDBPyConnection, condition: str) -> dict[int, int]:
    """Return file id → how many rows of the batch the condition of landed rows does not hold for."""
    refused = con.sql("from rows_of_batch()").filter(f"not ({condition})")
    return dict(refused.aggregate("file_id, count(*)", "file_id").fetchall())
