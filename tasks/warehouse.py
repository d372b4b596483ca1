"""The DuckDB warehouse: one connection, and SQL read from files under sql/warehouse/."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

SQL = Path(__file__).resolve().parents[1] / "sql"


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse at `path`, made if absent. One process at a time owns the file, even for reading."""
    con = duckdb.connect(path)
    try:
        con.execute("set timezone = 'UTC'")
        con.execute("set preserve_insertion_order = true")
        run_file(con, "warehouse/00_schema.sql")
        yield con
    finally:
        con.close()


def run_file(con: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> duckdb.DuckDBPyConnection:
    """Run every statement of sql/`name`; each is given the `$parameters` that it names.

    Returns the connection, ready to fetch the last statement's result.
    """
    for statement in con.extract_statements((SQL / name).read_text(encoding="utf-8")):
        con.execute(statement, {key: parameters[key] for key in statement.named_parameters})
    return con


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What happens inside is kept whole or, after an error, not at all."""
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()
