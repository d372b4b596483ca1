"""Remove users and items from the warehouse, and write its file anew: DuckDB keeps deleted bytes in place."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

from tasks.artifacts import Source
from tasks.errors import NightError
from tasks.forgetting.mentions import as_json
from tasks.forgetting.subject import Subject
from tasks.ingestion.refused_rows import ID_COLUMNS
from tasks.publication.targets.base import OnStep, ignore_steps
from tasks.storage.warehouse import open_warehouse, run_file, transaction

_TEXTS = (
    ("landed_files", "path"), ("landed_files", "columns"), ("set_aside_files", "path"), ("set_aside_files", "why"),
    ("quarantine", "path"),
)  # fmt: skip
"""Columns that name files, or quote them."""


def remove_from_warehouse(path: Path, subject: Subject, on_step: OnStep = ignore_steps) -> None:
    """Delete all rows that name the subject, in one transaction, then write the file anew. Idempotent.

    Args:
        path: the DuckDB file, which may be absent.
        subject: whom and what to remove.
        on_step: called with `rows_removed`, `warehouse_copied`, `warehouse_replaced`.

    Raises:
        TransientError: another program has it open.
        NightError: it is damaged, or the disk has no room for a second copy.
    """
    if not path.exists():
        return
    with open_warehouse(path) as con:
        with transaction(con):
            _mark_raw_rows(con, subject)
            run_file(con, "warehouse/forget/remove_rows.sql")
            for table, column, ids in typed_columns(con, subject):
                gone = f"delete from {table} where {column} in (select unnest($ids))"  # noqa: S608  (names of ours)
                con.execute(gone, {"ids": ids})
            for row in quarantined(con, subject):
                con.execute("delete from quarantine where rowid = $row", {"row": row})
            _blank_texts(con, subject)
        con.execute("force checkpoint")
    on_step("rows_removed")
    _write_anew(path, on_step)


def _blank_texts(con: duckdb.DuckDBPyConnection, subject: Subject) -> None:
    """Take the ids out of names of files and the like. Hashes stay, so that no file lands a second time."""
    for table, column in _TEXTS if subject.mentions else ():
        for text in _mentioning(con, table, column, subject):
            values = {"old": text, "new": subject.mentions.blank(text, (str, as_json))}
            con.execute(f"update {table} set {column} = $new where {column} = $old", values)  # noqa: S608  (as above)
    for path in _mentioning(con, "known_files", "path", subject) if subject.mentions else ():
        con.execute(
            "delete from known_files where path = $path", {"path": path}
        )  # the next night looks again


def _mentioning(con: duckdb.DuckDBPyConnection, table: str, column: str, subject: Subject) -> list[str]:
    """Return the distinct texts of a column, of any type, that hold an id of the subject."""
    query = (
        f"select distinct {column}::text from {table} "  # noqa: S608  (names of our own tables and columns)
        f"where list_bool_or([contains({column}::text, each) for each in $texts::text[]])"
    )
    found = con.execute(query, {"texts": list(subject.texts)}).fetchall()
    return [text for (text,) in found if subject.mentions.in_text(text)]


def count_texts(con: duckdb.DuckDBPyConnection, subject: Subject) -> list[tuple[str, str, int]]:
    """Return the columns of text that name the subject anywhere: (table, column, number of distinct texts)."""
    if not subject.mentions:
        return []
    columns: list[tuple[str, str]] = con.execute(
        "select table_name, column_name from duckdb_columns() where database_name = current_database() "
        "and not internal and contains(data_type, 'VARCHAR') and not ends_with(column_name, '_id') "
        "and table_name in (select table_name from duckdb_tables() where not temporary)"
    ).fetchall()
    counts = [
        (table, name, len(_mentioning(con, f'"{table}"', f'"{name}"', subject))) for table, name in columns
    ]
    return [each for each in counts if each[2]]


def _mark_raw_rows(con: duckdb.DuckDBPyConnection, subject: Subject) -> None:
    """Make the temporary table `gone_rows`."""
    con.execute("create or replace temp table gone_texts (source text, id_column text, value text)")
    con.execute("create or replace temp table gone_rejects (file_id integer, line bigint)")
    texts = raw_texts(con, subject)
    if texts:
        con.executemany("insert into gone_texts values (?, ?, ?)", texts)
    lines = rejected_lines(con, subject)
    if lines:
        con.executemany("insert into gone_rejects values (?, ?)", lines)
    run_file(con, "warehouse/forget/mark_rows.sql")


def raw_texts(con: duckdb.DuckDBPyConnection, subject: Subject) -> list[tuple[Source, str, str]]:
    """Return the texts of the raw tables that name the subject: (source, column, text)."""
    found = run_file(con, "warehouse/forget/id_texts.sql").fetchall()
    return [
        (source, column, text)
        for source, column, text in found
        if subject.refusal.refuses(source, ID_COLUMNS[source][column], text)
    ]


def count_raw_rows(con: duckdb.DuckDBPyConnection, subject: Subject) -> int:
    """Return how many raw rows and rejected lines name the subject."""
    _mark_raw_rows(con, subject)
    [(n,)] = con.execute("select count(*) from gone_rows").fetchall()
    return int(n)


def rejected_lines(con: duckdb.DuckDBPyConnection, subject: Subject) -> list[tuple[int, int]]:
    """Return the rejected lines that name the subject: (file_id, line)."""
    found = con.execute(
        "select source, file_id, line, raw from raw_rejects inner join landed_files using (file_id)"
    ).fetchall()
    return [
        (file_id, line)
        for source, file_id, line, raw in found
        if subject.refusal.refuses_line(source, raw or "")
    ]


def quarantined(con: duckdb.DuckDBPyConnection, subject: Subject) -> list[int]:
    """Return the row ids of the quarantine's rows that name the subject."""
    found = con.execute("select rowid, source, raw from quarantine").fetchall()
    return [row for row, source, raw in found if subject.refusal.refuses_rejected(source, raw or "")]


def typed_columns(
    con: duckdb.DuckDBPyConnection, subject: Subject
) -> list[tuple[str, str, list[int] | list[str]]]:
    """Return the columns of typed tables that may hold an id of the subject, with the ids to look for.

    All tables count but the raw ones, also those of other versions. Entities of relations may be users where ids are
    text.
    """
    by_table: dict[str, list[str]] = {}
    for table, column in con.execute(
        "select table_name, column_name from duckdb_columns() "
        "where database_name = current_database() and not internal and table_name in (select table_name from "
        "duckdb_tables() where not temporary) and not starts_with(table_name, 'raw_')"
    ).fetchall():
        by_table.setdefault(table, []).append(column)
    found = []
    for table, columns in by_table.items():
        named = [(column, [*ids]) for column, ids in subject.named_in(columns)]
        if table == "relations" and subject.id_types[0] == "TEXT" and subject.users:
            named += [(column, [*subject.users]) for column in ("head_entity", "tail_entity")]
        found += [(f'"{table}"', f'"{column}"', ids) for column, ids in named]
    return found  # type: ignore[return-value]  # ids of one column are of one type


def _write_anew(path: Path, on_step: OnStep) -> None:
    """Copy the live rows to a new file and put it in the place of the old one."""
    partial = path.with_name(f".{path.name}.partial")
    remove_leftovers(path)
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < size:
        raise NightError(
            f"The disk has {free / 2**20:,.0f} MB free, too little to write {path} ({size / 2**20:,.0f} MB) anew.",
            "Free some space, then give the same command again. Until then the file holds deleted bytes.",
        )
    with duckdb.connect() as con:
        con.execute(f"attach '{_quoted(path)}' as old (read_only)")
        con.execute(f"attach '{_quoted(partial)}' as fresh")
        con.execute("copy from database old to fresh")
        con.execute("force checkpoint fresh")
    on_step("warehouse_copied")
    partial.replace(path)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    on_step("warehouse_replaced")


def remove_leftovers(path: Path) -> None:
    """Remove what a killed call has left beside the warehouse."""
    for name in (f".{path.name}.partial", f".{path.name}.partial.wal"):
        path.with_name(name).unlink(missing_ok=True)
    shutil.rmtree(path.with_name(f"{path.name}.tmp"), ignore_errors=True)


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("'", "''")


def read_files_again(path: Path) -> None:
    """Let the next night read the files again from which rows were refused."""
    if path.exists():
        with open_warehouse(path) as con:
            run_file(con, "warehouse/forget/read_again.sql")
