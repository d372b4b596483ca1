"""Read one input file, CSV or Parquet, into the temporary table `incoming`: rows of text under our column names."""

from __future__ import annotations

import csv
import glob
import gzip
import io
import logging
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import BinaryIO, TextIO, cast

import duckdb

from models.did_you_mean import nearest_name
from tasks.artifacts import Source
from tasks.config.settings import DataSettings
from tasks.errors import NightError, UsageError
from tasks.ingestion.csv_repair import repair_csv
from tasks.ingestion.file_digest import LineEnds
from tasks.ingestion.input_files import InputFile
from tasks.ingestion.read_errors import read_error
from tasks.storage.warehouse import run_file

log = logging.getLogger(__name__)

_OPTIONAL = {"value", "title", "genres"}
_DELIMITERS = (",", ";", "\t", "|")
_WITH_FRACTION = {"float", "double", "decimal"}
_NOT_COLUMNS = {"file", "not_rated", "constant_event", "genre_separator"}
"""Settings of a source that are no column's name."""


def column_mapping(settings: DataSettings, source: Source) -> dict[str, str]:
    """Return the names of the file's columns in `settings`, by our names for them; not those that are empty."""
    section = getattr(settings, source).model_dump(exclude=_NOT_COLUMNS)
    return {
        {"user": "user_id", "item": "item_id"}.get(ours, ours): theirs
        for ours, theirs in section.items()
        if theirs
    }


def read_input(
    con: duckdb.DuckDBPyConnection,
    file: InputFile,
    columns: dict[str, str],
    *,
    mixes_line_ends: bool | None = None,
) -> int:
    """Fill the temporary tables `incoming` and `rejected_lines` from one file.

    Args:
        con: the warehouse.
        file: the file to read.
        columns: the file's column names, by our names for them.
        mixes_line_ends: whether a CSV ends lines both with LF and with CR LF, see `FileDigest`; None to look.

    Returns:
        The line of the file's first row: 2 behind a header, 1 in Parquet.

    Raises:
        UsageError: a required column is missing, or the columns are separated by another delimiter.
        NightError: the file is damaged, not UTF-8, or holds no row.
        TransientError: the file cannot be reached for now.
    """
    parquet = file.path.lower().endswith(".parquet")
    try:
        if parquet:
            _read_parquet(con, file, columns)
        else:
            _read_csv(con, file, columns, mixes_line_ends)
        n_rows = con.execute("select count(*) from (from incoming union all by name from rejected_lines)")
    except UnicodeDecodeError as error:
        raise _not_utf8(file) from error
    except (duckdb.Error, OSError, EOFError, zlib.error, csv.Error) as error:
        raise read_error(file.location, error) from error
    if n_rows.fetchone() == (0,):
        raise NightError(f"{file.location} holds no row.", "Deliver it again, or take it away.")
    return 1 if parquet else 2


def _read_parquet(con: duckdb.DuckDBPyConnection, file: InputFile, columns: dict[str, str]) -> None:
    rows = con.read_parquet(glob.escape(str(file.location)), binary_as_string=True)
    types = dict(zip(rows.columns, rows.types, strict=True))
    _check_columns(file, rows.columns, columns)
    ours = [
        _as_text(theirs, types[theirs].id, is_id=name.endswith("_id")).alias(name)
        for name, theirs in columns.items()
        if theirs in types
    ]
    rows.select(*ours).create_view("parquet_rows", replace=True)
    run_file(con, "warehouse/land/read_parquet.sql")
    con.execute("drop view parquet_rows")


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


def _read_csv(
    con: duckdb.DuckDBPyConnection, file: InputFile, columns: dict[str, str], mixes_line_ends: bool | None
) -> None:
    delimiter = "\t" if file.location.name.lower().endswith((".tsv", ".tsv.gz")) else ","
    with _open_text(file.location) as text:
        header = next(csv.reader(text, delimiter=delimiter), [])
    if not header:
        raise NightError(f"{file.location} is empty.", "Deliver it again, or take it away.")
    _check_delimiter(file, header, columns, delimiter)
    _check_columns(file, header, columns)
    ours = {theirs: name for name, theirs in columns.items()}
    names = {ours.get(theirs, f"ignored_{at}"): "VARCHAR" for at, theirs in enumerate(header)}
    if mixes_line_ends is None:
        mixes_line_ends = _mixes_line_ends(file.location)
    if mixes_line_ends or not _scan(con, file, file.location, delimiter, names):
        _scan_repaired(con, file, delimiter, names)


def _scan(
    con: duckdb.DuckDBPyConnection, file: InputFile, path: Path, delimiter: str, names: dict[str, str]
) -> bool:
    """Let DuckDB read the CSV at `path`. Return False if quotes are broken, so that it may have lost rows."""
    run_file(
        con, "warehouse/land/read_csv.sql", path=glob.escape(str(path)), delimiter=delimiter, columns=names
    )
    faults = con.execute(
        "select coalesce(bool_or(quotes_broken), false), list(reasons).flatten() from rejected_lines"
    )
    quotes_broken, reasons = cast(tuple[bool, list[str] | None], faults.fetchone())
    if "not UTF-8" in (reasons or ()):
        raise _not_utf8(file)
    return not quotes_broken


def _scan_repaired(
    con: duckdb.DuckDBPyConnection, file: InputFile, delimiter: str, names: dict[str, str]
) -> None:
    """Let DuckDB read a copy with line ends of one kind and without lines whose quotes are broken."""
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as folder:
        copy = Path(folder, "repaired.csv")
        with _open_text(file.location) as text:
            broken = repair_csv(text, copy, delimiter)
        if not _scan(con, file, copy, delimiter, names):
            raise NightError(f"The quotes in {file.location} are broken beyond reading.", "Deliver it again.")
    lines, raws = [line.line for line in broken], [line.raw for line in broken]
    run_file(con, "warehouse/land/reject_broken_lines.sql", lines=lines, raws=raws)


def _open_bytes(path: Path) -> BinaryIO:
    if path.suffix.lower() == ".gz":
        return cast(BinaryIO, gzip.GzipFile(path))
    return path.open("rb")


def _open_text(path: Path) -> TextIO:
    return io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="")


def _mixes_line_ends(path: Path) -> bool:
    """Return whether a CSV, unpacked, mixes line ends; DuckDB refuses such a file.

    Reading to the end also verifies a gzip's checksum, which DuckDB ignores.
    """
    line_ends = LineEnds()
    with _open_bytes(path) as data:
        while block := data.read(1 << 20):
            line_ends.count(block)
    return line_ends.are_mixed


def _check_delimiter(file: InputFile, header: list[str], columns: dict[str, str], delimiter: str) -> None:
    required = _required(columns)
    if required <= set(header):
        return
    for other in _DELIMITERS:
        if other != delimiter and required <= set(
            next(csv.reader([delimiter.join(header)], delimiter=other))
        ):
            raise UsageError(
                f"{file.location} separates its columns by {other!r}, not by {delimiter!r}.",
                "Write a .csv with commas, or a .tsv with tabs.",
            )


def _check_columns(file: InputFile, present: list[str], columns: dict[str, str]) -> None:
    if len(set(columns.values())) < len(columns):
        twice = Counter(columns.values()).most_common(1)[0][0]
        raise UsageError(
            f"The settings use the column {twice!r} of the {file.source} twice.", f"Mend data.{file.source}."
        )
    for column in sorted(_required(columns) - set(present)):
        near = _nearest(column, present)
        hint = f" The nearest is {near!r}." if near else ""
        raise UsageError(
            f"{file.location} has no column {column!r}.{hint} Its columns: {', '.join(present)}.",
            f"Map the column's name in pipeline.toml under [data.{file.source}]{_way_without(column, columns)}.",
        )
    for column in columns.values():
        near = _nearest(column, present) if column not in present else None
        if near and near not in columns.values():
            log.warning("%s has no column %r and is read without; is it %r?", file.location, column, near)
        if present.count(column) > 1:
            raise UsageError(f"{file.location} has the column {column!r} twice.", "Keep one of them.")


def _way_without(column: str, columns: dict[str, str]) -> str:
    """Return the part of a hint that says how to do without a column, if that is possible."""
    ours = next(name for name, theirs in columns.items() if theirs == column)
    ways = {
        "timestamp": '; if there are no times, write timestamp = "" there',
        "event": '; if all rows are one event, write event = "" and, for example, constant_event = "view" there',
    }
    return ways.get(ours, "")


def _required(columns: dict[str, str]) -> set[str]:
    return {theirs for ours, theirs in columns.items() if ours not in _OPTIONAL}


def _nearest(name: str, present: list[str]) -> str | None:
    by_lower = {column.lower(): column for column in present}
    near = nearest_name(name.lower(), by_lower, cutoff=0.5)
    return by_lower[near] if near else None


def _not_utf8(file: InputFile) -> NightError:
    return NightError(
        f"{file.location} is not UTF-8.",
        "Convert it, for instance: iconv -f latin1 -t utf-8 old.csv > new.csv",
    )
