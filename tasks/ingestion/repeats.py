"""Find the typed rows that may repeat others: those that share a hash of what makes them alike.

Most rows repeat none, and need no order then. numpy sorts one number a row in about half the time in which DuckDB
groups rows by it.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from tasks.storage.warehouse import run_file

_AT_ONCE = 1 << 26
"""Hashes that are sorted at once, 512 MB: more are taken in parts."""


def find_repeats(con: duckdb.DuckDBPyConnection) -> None:
    """Make the views of valid_rows.sql, and the temporary tables `repeated_ratings` and `repeated_events` (`hash`).

    They hold each hash that several valid rows have.

    Args:
        con: the warehouse, with the typed rows.
    """
    run_file(con, "warehouse/clean/valid_rows.sql")
    _keep(con, "repeated_ratings", repeated_hashes(con, "rating_hashes"))
    _keep(con, "repeated_events", repeated_hashes(con, "event_hashes"))


def repeated_hashes(
    con: duckdb.DuckDBPyConnection, view: str, at_once: int = _AT_ONCE
) -> np.ndarray[Any, Any]:
    """Return the hashes that several rows of a view have, uint64, each once.

    Args:
        con: where the view is.
        view: of one column, `hash`.
        at_once: about how many are sorted at once.
    """
    hashes = con.table(view)
    [(rows,)] = hashes.count("*").fetchall()
    parts = 1 + rows // at_once
    found = []
    for part in range(parts):
        some = hashes if parts == 1 else hashes.filter(f"hash % {parts} = {part}")
        numbers = np.asarray(some.fetchnumpy()["hash"], np.uint64)
        numbers.sort()
        found.append(np.unique(numbers[1:][numbers[1:] == numbers[:-1]]))
    return np.concatenate(found)


def _keep(con: duckdb.DuckDBPyConnection, table: str, hashes: np.ndarray[Any, Any]) -> None:
    con.register("found_hashes", pa.table({"hash": hashes}))
    con.execute(f"create or replace temp table {table} as from found_hashes")
    con.unregister("found_hashes")
