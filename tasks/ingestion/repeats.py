"""Find the typed rows that may repeat others: those that share a hash of what makes them alike.

Most rows repeat none, and need no order then. numpy sorts one number a row in about half the time in which DuckDB
groups rows by it.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tasks.storage.warehouse import run_file

Hashes = NDArray[np.uint64]

_AT_ONCE = 1 << 26
"""Hashes that are sorted at once, 512 MB: more are taken in parts. Two parts are sorted while a third is read."""


def find_repeats(con: duckdb.DuckDBPyConnection) -> None:
    """Make the views of valid_rows.sql, and the temporary tables `repeated_ratings` and `repeated_events` (`hash`).

    They hold each hash that several valid rows have.

    Args:
        con: the warehouse, with the typed rows.
    """
    run_file(con, "warehouse/clean/valid_rows.sql")
    with ThreadPoolExecutor(2, thread_name_prefix="repeats") as workers:  # DuckDB reads the next meanwhile
        ratings = _begin(con, "rating_hashes", _AT_ONCE, workers)
        events = _begin(con, "event_hashes", _AT_ONCE, workers)
        _keep(con, "repeated_ratings", _end(ratings))
        _keep(con, "repeated_events", _end(events))


def repeated_hashes(con: duckdb.DuckDBPyConnection, view: str, at_once: int = _AT_ONCE) -> Hashes:
    """Return the hashes that several rows of a view have, uint64, each once.

    Args:
        con: where the view is.
        view: of one column, `hash`.
        at_once: about how many are sorted at once; as many wait meanwhile.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="repeats") as worker:
        return _end(_begin(con, view, at_once, worker))


def _begin(
    con: duckdb.DuckDBPyConnection, view: str, at_once: int, worker: ThreadPoolExecutor
) -> list[Future[Hashes]]:
    """Read the hashes of a view part by part, and have each part sorted while the next is read."""
    hashes = con.table(view)
    [(rows,)] = hashes.count("*").fetchall()
    parts = 1 + rows // at_once
    coming: list[Future[Hashes]] = []
    for part in range(parts):
        some = hashes if parts == 1 else hashes.filter(f"hash % {parts} = {part}")
        numbers = np.asarray(some.fetchnumpy()["hash"], np.uint64)
        wait(coming)
        coming.append(worker.submit(_repeated, numbers))
    return coming


def _repeated(numbers: Hashes) -> Hashes:
    """Return the numbers that are there several times, each once; sorts them in place."""
    numbers.sort()
    return np.unique(numbers[1:][numbers[1:] == numbers[:-1]])


def _end(parts: list[Future[Hashes]]) -> Hashes:
    return np.concatenate([part.result() for part in parts])


def _keep(con: duckdb.DuckDBPyConnection, table: str, hashes: Hashes) -> None:
    con.register("found_hashes", pa.table({"hash": hashes}))
    con.execute(f"create or replace temp table {table} as from found_hashes")
    con.unregister("found_hashes")
