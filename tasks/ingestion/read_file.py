"""Read one input file, text or Parquet, into the temporary table `incoming`: rows of text under our column names."""

from __future__ import annotations

import csv
import glob
import io
import logging
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO, cast

import duckdb

from tasks.artifacts import Source
from tasks.config.data_settings import DataSettings, FileSettings
from tasks.errors import NightError, UsageError
from tasks.ingestion.column_names import (
    nearest_column,
    refuse_ambiguous_columns,
    refuse_missing_columns,
    refuse_missing_descriptions,
)
from tasks.ingestion.csv_repair import repair_csv
from tasks.ingestion.file_digest import LineEnds
from tasks.ingestion.file_names import PACKED, PARQUET, is_part, partition_values
from tasks.ingestion.first_bytes import is_parquet
from tasks.ingestion.input_files import InputFile
from tasks.ingestion.json_lines import columns_of_json, read_json_lines
from tasks.ingestion.numeric_file import read_numeric
from tasks.ingestion.read_errors import is_broken_off, read_error, truncated
from tasks.ingestion.text_format import UTF8, TextFormat, TextOptions, text_format, undecodable
from tasks.ingestion.unpack import open_unpacked, read_head
from tasks.storage.warehouse import run_file

log = logging.getLogger(__name__)

_OPTIONAL: dict[Source, set[str]] = {
    "ratings": {"deleted"},
    "tags": {"deleted"},
    "events": {"value", "deleted"},
    "items": {"title", "genres"},
    "links": {"weight", "timestamp"},
}
_NOT_COLUMNS = {
    *FileSettings.model_fields, "not_rated", "constant_event", "genre_separator", "attributes", "features", "directed",
    "item_prefix",
}  # fmt: skip
"""Settings of a source that are no column's name."""
_NO_NAMES = ("", "_", "-")
"""Names of columns that are none."""
_WITH_FRACTION = {"float", "double", "decimal"}
# The end of a file that is searched for a line that was cut.
_TAIL = 1 << 20


@dataclass(frozen=True)
class Reading:
    """How to read a file: all that its rows depend on besides its content and the code.

    Attributes:
        columns: the file's column names, by our names for them.
        header: the columns of text files without a header, in order; empty if they have one.
        separator: between the columns of text files; empty to find it out.
        encoding: of text files, or `auto`.
        partition: values from the names of folders, by our names: those of `event=view/`.
        described_by: further columns, read under their own names: attributes of items, features of users. None: all
            others of the file.
        deletes: whether each row deletes earlier ones: only the ids are required then.
        format: `json_lines` or `auto`.
        quotes: whether quotes have a meaning in text.
        time_format: how times are written, by strptime; empty: in a usual way.
    """

    columns: dict[str, str]
    header: tuple[str, ...] = ()
    separator: str = ""
    encoding: str = "auto"
    partition: dict[str, str] = field(default_factory=dict)
    described_by: tuple[str, ...] | None = ()
    deletes: bool = False
    format: str = "auto"
    quotes: bool = True
    time_format: str = ""

    def ignored(self, present: Sequence[str]) -> tuple[str, ...]:
        """Return those of the columns `present` that are not read."""
        read = {*self.columns.values(), *self.descriptions(present), *_NO_NAMES}
        return tuple(name for name in present if name not in read)

    def absent_values(self, present: Sequence[str]) -> dict[str, str]:
        """Return the values, by our names, of columns that a file with the columns `present` lacks and others give."""
        values = {ours: value for ours, value in self.partition.items() if self.columns[ours] not in present}
        return values | ({"deleted": "yes"} if self.deletes else {})

    def descriptions(self, present: Sequence[str]) -> tuple[str, ...]:
        """Return the further columns to read of a file that has the columns `present`."""
        if self.described_by is not None:
            return self.described_by
        own = {*self.columns.values(), *_NO_NAMES}
        return tuple(name for name in dict.fromkeys(present) if name not in own)


class FileRead(NamedTuple):
    """Result of reading a file, besides the temporary tables.

    Attributes:
        first_line: the line of the file's first row: 2 behind a header, else 1.
        values: of our columns that the file lacks and the names of its folders give.
        found: in words, how it was read if neither its name nor the settings say so; else empty.
        descriptions: the further columns, which `incoming` has as description_0, description_1 and so on.
        ignored: the columns of the file that are not read.
        is_numeric: whether `incoming` has ids and times as numbers, see `numeric_file.py`.
    """

    first_line: int
    values: dict[str, str]
    found: str
    descriptions: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    is_numeric: bool = False


def reading_of(settings: DataSettings, source: Source, path: str, *, deletes: bool = False) -> Reading:
    """Return how to read the file of a source at `path`, relative to the input folder.

    Args:
        settings: the names of the columns.
        source: the source of the file.
        path: the file's.
        deletes: whether the file lists deletions.
    """
    section = getattr(settings, source)
    columns = column_mapping(settings, source)
    if deletes:  # all of them say so
        columns = {ours: theirs for ours, theirs in columns.items() if ours != "deleted"}
    folders = partition_values(path)
    in_any_case = {name.casefold(): value for name, value in folders.items()}
    partition = {
        ours: folders.get(theirs, in_any_case[theirs.casefold()])
        for ours, theirs in columns.items()
        if theirs.casefold() in in_any_case
    }
    described_by: tuple[str, ...] | None = ()
    if source == "items":
        described_by = settings.items.attributes
    elif source == "users":
        described_by = settings.users.features or None
    header = () if deletes else section.columns
    return Reading(
        columns, header, section.separator, section.encoding, partition, described_by, deletes,
        section.format, section.quotes, section.time_format,
    )  # fmt: skip


def column_mapping(settings: DataSettings, source: Source) -> dict[str, str]:
    """Return the names of the file's columns in `settings`, by our names for them; not those that are empty."""
    section = getattr(settings, source).model_dump(exclude=_NOT_COLUMNS)
    return {
        {"user": "user_id", "item": "item_id", "friend": "friend_id"}.get(ours, ours): theirs
        for ours, theirs in section.items()
        if theirs
    }


def read_input(
    con: duckdb.DuckDBPyConnection,
    file: InputFile,
    reading: Reading,
    *,
    mixes_line_ends: bool | None = None,
    as_numbers: bool = False,
) -> FileRead:
    """Fill the temporary tables `incoming` and `rejected_lines` from one file. Its first bytes tell its format.

    Args:
        con: the warehouse.
        file: the file to read.
        reading: how to read it.
        mixes_line_ends: whether a plain text ends lines in more than one way, see `FileDigest`; None to look.
        as_numbers: whether ids and times may be read as numbers, where that loses nothing.

    Raises:
        UsageError: a required column or the header is missing, or the columns are separated by another separator than
            the settings say.
        NightError: the file is damaged, truncated, of another format or encoding, or holds no row.
        TransientError: the file cannot be reached for now.
    """
    options = text_options(file, reading)
    encoding, is_numeric = UTF8, False
    try:
        container, head = read_head(file.location)
        if container == "plain" and is_parquet(head):
            first_line = 1
            found = "" if file.location.name.lower().endswith(PARQUET) else "Parquet"
            present = _read_parquet(con, file, reading)
        elif reading.format == "json_lines":
            first_line, found = 1, ""
            present = columns_of_json(file.location, head)
            check_columns(file, present, reading)
            ours = column_names(reading, present)
            read_json_lines(con, file.location, container, dict(zip(present, ours, strict=True)))
        else:
            how = text_format(file.location, options, container, head)
            encoding, first_line, found = how.encoding, 1 + how.has_header, _found(file.location, how)
            present = how.header
            as_numbers = as_numbers and not reading.time_format
            is_numeric = _read_text(con, file, reading, how, mixes_line_ends, as_numbers=as_numbers)
        if reading.time_format and reading.columns.get("timestamp") in present:
            run_file(con, "warehouse/land/parse_times.sql", time_format=reading.time_format)
        n_rows = con.execute("select count(*) from (from incoming union all by name from rejected_lines)")
    except UnicodeError as error:
        raise undecodable(file.location, file.source, container, encoding, error) from error
    except (
        duckdb.Error, OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, csv.Error
    ) as error:  # fmt: skip
        raise read_error(file.location, error) from error
    may_be_empty = file.is_increment or is_part(file.location.name)  # a day without data
    if n_rows.fetchone() == (0,) and not may_be_empty:
        raise NightError(f"{file.location} holds no row.", "Deliver it again, or take it away.")
    described_by, ignored = reading.descriptions(present), reading.ignored(present)
    return FileRead(first_line, reading.absent_values(present), found, described_by, ignored, is_numeric)


def text_options(file: InputFile, reading: Reading) -> TextOptions:
    """Return what the settings say of a file's text."""
    required = frozenset(_required(file.source, reading) - _given_by_folders(reading))
    names = (*reading.columns.values(), *(reading.described_by or ()))
    return TextOptions(
        file.source, names, required, reading.header, reading.separator, reading.encoding, reading.quotes
    )


def _read_parquet(con: duckdb.DuckDBPyConnection, file: InputFile, reading: Reading) -> tuple[str, ...]:
    """Read Parquet; return the file's columns."""
    path = file.location
    with path.open("rb") as data:
        if not _tail(data, 4) == b"PAR1":
            raise truncated(path, "it begins as Parquet, but the footer at its end is missing")
    rows = con.read_parquet(glob.escape(str(path)), binary_as_string=True, hive_partitioning=False)
    types = dict(zip(rows.columns, rows.types, strict=True))
    check_columns(file, rows.columns, reading)
    _warn_of_near_columns(file, rows.columns, reading)
    ours = [
        _as_text(theirs, types[theirs].id, is_id=name.endswith("_id")).alias(name)
        for name, theirs in (*reading.columns.items(), *_numbered(reading.descriptions(rows.columns)))
        if theirs in types
    ]
    rows.select(*ours).create_view("parquet_rows", replace=True)
    run_file(con, "warehouse/land/read_parquet.sql")
    con.execute("drop view parquet_rows")
    return tuple(rows.columns)


def _as_text(column: str, kind: str, *, is_id: bool) -> duckdb.Expression:
    """A typed column as the text that a CSV would hold: lists as JSON, whole ids without fraction."""
    value = duckdb.ColumnExpression(column)
    if kind == "list":
        return duckdb.FunctionExpression("to_json", value).cast("VARCHAR")
    text = value.cast("VARCHAR")
    if is_id and kind in _WITH_FRACTION:
        no_fraction = (duckdb.ConstantExpression(r"\.0+$"), duckdb.ConstantExpression(""))
        return duckdb.FunctionExpression("regexp_replace", text, *no_fraction)
    return text


def _read_text(
    con: duckdb.DuckDBPyConnection,
    file: InputFile,
    reading: Reading,
    how: TextFormat,
    mixes_line_ends: bool | None,
    *,
    as_numbers: bool,
) -> bool:
    """Fill `incoming` and `rejected_lines`; return whether ids and times are numbers in it."""
    check_columns(file, how.header, reading)
    _warn_of_near_columns(file, how.header, reading)
    names = column_names(reading, how.header)
    if mixes_line_ends is None or how.container != "plain":
        mixes_line_ends = _mixes_line_ends(file.location, how)
    is_direct = how.container in ("plain", "gzip") and how.encoding == UTF8 and not mixes_line_ends
    may_be_numeric = as_numbers and is_direct and how.container == "plain" and not reading.deletes
    if may_be_numeric and read_numeric(con, file.source, file.location, how, names):
        return True
    if not is_direct or not _scan(con, file, file.location, how, names):
        _scan_copy(con, file, how, names)
    _check_end(con, file, how)
    return False


def column_names(reading: Reading, present: Sequence[str]) -> dict[str, str]:
    """Return the names that `incoming` has for the columns of a text file, in the file's order, and their types."""
    both = (*reading.columns.items(), *_numbered(reading.descriptions(present)))
    ours = {theirs: name for name, theirs in both}
    return {ours.get(theirs, f"ignored_{at}"): "VARCHAR" for at, theirs in enumerate(present)}


def _numbered(descriptions: Sequence[str]) -> list[tuple[str, str]]:
    """Return the further columns under the names that `incoming` has for them."""
    return [(f"description_{number}", name) for number, name in enumerate(descriptions)]


def _found(path: Path, how: TextFormat) -> str:
    """Say how a text file is read, as far as neither its name nor the settings say so."""
    suffix = path.suffix.lower()
    named = next((container for container, usual in PACKED.items() if suffix == usual), "plain")
    as_named = named == how.container and suffix not in PARQUET
    packed = () if as_named else (how.container.replace("plain", "plain text"),)
    return ", ".join((*packed, *how.found))


def _scan(
    con: duckdb.DuckDBPyConnection,
    file: InputFile,
    path: Path,
    how: TextFormat,
    names: dict[str, str],
) -> bool:
    """Let DuckDB read the text at `path`. Return False if quotes are broken, so that it may have lost rows."""
    run_file(
        con, "warehouse/land/read_csv.sql", path=glob.escape(str(path)), delimiter=how.separator, columns=names,
        header=how.has_header, quote=how.quote,
        compression="gzip" if how.container == "gzip" and path == file.location else "none",
    )  # fmt: skip
    faults = con.execute(
        "select coalesce(bool_or(quotes_broken), false), list(reasons).flatten() from rejected_lines"
    )
    quotes_broken, reasons = cast(tuple[bool, list[str] | None], faults.fetchone())
    if "not UTF-8" in (reasons or ()):
        raise undecodable(file.location, file.source, how.container, how.encoding)
    return not (quotes_broken and how.quote)


def _scan_copy(
    con: duckdb.DuckDBPyConnection, file: InputFile, how: TextFormat, names: dict[str, str]
) -> None:
    """Let DuckDB read a copy in UTF-8, with line ends of one kind and without lines whose quotes are broken."""
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder:
        copy = Path(folder, "copy.csv")
        with _open_text(file.location, how) as text:
            broken = repair_csv(text, copy, how.separator, quotes=bool(how.quote))
        if not _scan(con, file, copy, how, names):
            raise NightError(f"The quotes in {file.location} are broken beyond reading.", "Deliver it again.")
    lines, raws = [line.line for line in broken], [line.raw for line in broken]
    run_file(con, "warehouse/land/reject_broken_lines.sql", lines=lines, raws=raws)


def _open_text(path: Path, how: TextFormat) -> TextIO:
    return io.TextIOWrapper(open_unpacked(path, how.container), encoding=how.encoding, newline="")


def _mixes_line_ends(path: Path, how: TextFormat) -> bool:
    """Return whether a text, unpacked, mixes line ends; DuckDB refuses such a file.

    Reading to the end also verifies a gzip's checksum, which DuckDB ignores.
    """
    line_ends = LineEnds()
    with open_unpacked(path, how.container) as data:
        try:
            while block := data.read1(1 << 20):
                line_ends.count(block)
        except (EOFError, OSError) as error:
            if not is_broken_off(error):
                raise
            broken_off = f"its {how.container} content breaks off behind line {line_ends.lines:,}"
            raise truncated(path, broken_off) from error
    return line_ends.are_mixed


def _check_end(con: duckdb.DuckDBPyConnection, file: InputFile, how: TextFormat) -> None:
    """Raise if the last line is cut: without a line end it has too few columns, or its last quote never closes.

    A file that ends with NUL bytes was not written to its end either: a machine or a disk failed before.
    """
    if how.container == "plain" and how.encoding == UTF8:
        with file.location.open("rb") as data:
            if _tail(data, 1) == b"\0":
                raise truncated(file.location, "it ends with NUL bytes")
    last = con.execute(
        "select line, raw from rejected_lines where list_has_any(reasons, ['too few columns', 'broken quotes']) "
        "order by line desc limit 1"
    ).fetchone()
    if last is None:
        return
    line, raw = cast(tuple[int, str], last)
    with open_unpacked(file.location, how.container) as data:
        end = _tail(data, _TAIL)
    text = end.decode(how.encoding, "replace")
    is_open = text[-1:] not in ("\n", "\r")
    ending = text.rstrip("\r\n")
    is_last = bool(raw) and ending.endswith(raw) and ending[: -len(raw)][-1:] in ("", "\n", "\r", "\ufeff")
    quote_is_open = bool(how.quote) and _ends_within_quotes(raw, how.separator)
    if is_last and (is_open or quote_is_open) and raw.strip("\x1a\0 "):
        what = "ends within quotes" if quote_is_open else "has too few columns and no line end"
        raise truncated(file.location, f"line {line:,}, its last, {what}: {_shortened(raw)!r}")


def _ends_within_quotes(raw: str, separator: str) -> bool:
    try:
        list(csv.reader([raw.replace(separator, ",")], strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


def _tail(data: BinaryIO, size: int) -> bytes:
    """Return the last bytes of a stream."""
    if data.seekable():
        data.seek(-min(size, data.seek(0, io.SEEK_END)), io.SEEK_END)
        return data.read()
    end = b""
    while block := data.read(size):
        end = (end + block)[-size:]
    return end


def _shortened(raw: str) -> str:
    return raw if len(raw) <= 80 else f"…{raw[-80:]}"


def check_columns(file: InputFile, present: Sequence[str], reading: Reading) -> None:
    """Raise unless a file has the columns that are to be read, each once.

    Args:
        file: the file.
        present: its columns.
        reading: how to read it.

    Raises:
        UsageError: required columns are missing, or a column is there or named twice.
    """
    missing = _required(file.source, reading) - _given_by_folders(reading) - set(present)
    if missing and reading.header and set(present) <= {*reading.header, ""}:
        names = ", ".join(map(repr, sorted(missing)))
        near = nearest_column(next(iter(missing)), present) if len(missing) == 1 else None
        raise UsageError(
            f"data.{file.source}.columns names no column {names}.{f' The nearest is {near!r}.' if near else ''} "
            f"It names: {', '.join(present)}.",
            f"Name it there, or map its name in pipeline.toml under [data.{file.source}].",
        )
    descriptions = reading.descriptions(present)
    refuse_ambiguous_columns(file.location, file.source, present, (*reading.columns.values(), *descriptions))
    folders = tuple(partition_values(file.path))
    refuse_missing_columns(file.location, file.source, missing, present, reading.columns, folders)
    refuse_missing_descriptions(file.location, file.source, descriptions, present)


def _warn_of_near_columns(file: InputFile, present: Sequence[str], reading: Reading) -> None:
    """Warn of optional columns that are absent and that a column of nearly the same name may be."""
    columns = reading.columns.values()
    for ours, column in reading.columns.items():
        if ours == "deleted" or reading.deletes:  # few files have it, and other names are not alike: `rated`
            continue
        near = nearest_column(column, present) if column not in present else None
        if near and near not in columns:
            log.warning("%s has no column %r and is read without; is it %r?", file.location, column, near)


def _required(source: Source, reading: Reading) -> set[str]:
    optional = _OPTIONAL.get(source, set())
    if reading.deletes:
        optional = reading.columns.keys() - {"user_id", "item_id"}
    return {theirs for ours, theirs in reading.columns.items() if ours not in optional}


def _given_by_folders(reading: Reading) -> set[str]:
    return {reading.columns[ours] for ours in reading.partition}
