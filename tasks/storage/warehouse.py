"""The DuckDB warehouse: one connection, and SQL statements from files below sql/."""

from __future__ import annotations

import atexit
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from models.numerics.resources import resources
from tasks.errors import NightError, TransientError

SQL = Path(__file__).resolve().parents[2] / "sql"


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse at `path`, made if absent. One process at a time owns the file, even for reading.

    Raises:
        TransientError: another program has it open.
        NightError: it is damaged, or its folder cannot be written.
    """
    try:
        con = duckdb.connect(path)
    except duckdb.Error as error:
        raise _cannot_open(path, str(error)) from error
    try:
        con.execute("set global timezone = 'UTC'")  # global, because each cursor has its own settings
        limits = resources()
        con.execute("set global threads = $threads", {"threads": limits.threads})
        give_back_memory(con)
        con.execute("set global preserve_insertion_order = true")
        run_file(con, "warehouse/schema.sql")
        yield con
    finally:
        con.close()


def give_back_memory(con: duckdb.DuckDBPyConnection) -> None:
    """Limit DuckDB's memory, and let it return what it does not use to the operating system.

    It does so whenever the limit is set, to the same value too. Otherwise it keeps what queries have freed: 2 GB after
    the matrices of 25 million ratings, for the whole night.
    """
    con.execute("set global memory_limit = $limit", {"limit": f"{resources().duckdb_mb}MB"})


def _cannot_open(path: Path, why: str) -> NightError:
    if "lock" in why.lower():
        holder = re.search(r"PID (\d+)", why)
        return TransientError(
            f"{path} is open in another program{f' (process {holder[1]})' if holder else ''}.",
            "Close it, or wait for `recs show` to end, and run again.",
        )
    return NightError(
        f"{path} cannot be opened: {why.strip().splitlines()[0]}",
        "If it is damaged, move it away: the next night builds it anew from the input files.",
    )


def run_file(con: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> duckdb.DuckDBPyConnection:
    """Run every statement of an SQL file.

    Args:
        con: where to run them.
        name: of the file, below sql/.
        parameters: each statement is given those that it names as `$parameter`.

    Returns:
        The connection, ready to fetch the result of the last statement.
    """
    for statement in _statements(name):
        con.execute(statement, {key: parameters[key] for key in statement.named_parameters})
    return con


@cache
def _statements(name: str) -> list[duckdb.Statement]:
    """Return the parsed statements of an SQL file, which any connection can execute any number of times."""
    return duckdb.extract_statements((SQL / name).read_text(encoding="utf-8"))


atexit.register(_statements.cache_clear)  # DuckDB complains of statements that are left when the process ends


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit the block's changes at its end; roll all of them back after an error."""
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()
