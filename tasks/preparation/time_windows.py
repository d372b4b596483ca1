"""Restrict the connection's views to one side of the users' cutoffs: before, or from there to `as_of`.

Time is cut before anything is computed: later SQL reads the windowed views only, and cannot see beyond the cutoffs.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import duckdb

from tasks.artifacts import Split
from tasks.config.settings import UtilitySettings
from tasks.storage.warehouse import run_file

Side = Literal["before", "after"]


def order_by_time(con: duckdb.DuckDBPyConnection) -> None:
    """Let interactions lie in the order of their times, as in all splits but the random one."""
    run_file(con, "warehouse/split/place_by_time.sql")
    run_file(con, "warehouse/split/interactions.sql")


def order_by_chance(con: duckdb.DuckDBPyConnection, seed: int, as_of: datetime) -> None:
    """Let the interactions before `as_of` lie in an order that the seed draws; those of a pair lie together."""
    run_file(con, "warehouse/split/place_by_chance.sql", seed=seed, as_of=as_of)
    run_file(con, "warehouse/split/interactions.sql")


def order_of(con: duckdb.DuckDBPyConnection, split: Split) -> None:
    """Let interactions lie in the order that the split was cut in."""
    if split.seed is None:
        order_by_time(con)
    else:
        order_by_chance(con, split.seed, split.as_of)


def open_windows(con: duckdb.DuckDBPyConnection, side: Side, as_of: datetime) -> None:
    """Create the windowed views over the temporary table `cutoffs` (user_id, cutoff).

    Args:
        con: the warehouse, with clean tables, and an order of the interactions.
        side: 'before' the cutoffs, or 'after': from the cutoffs on.
        as_of: the end of the data, UTC, exclusive.
    """
    run_file(con, "warehouse/split/windows.sql", side=side, as_of=as_of)
    run_file(con, "warehouse/split/positives.sql")


def open_split(con: duckdb.DuckDBPyConnection, split: Split, side: Side) -> None:
    """Create the windowed views for the cutoffs of a finished split.

    Args:
        con: the warehouse, with clean tables.
        split: the cutoffs and `as_of`.
        side: 'before' the cutoffs, or 'after': from the cutoffs on.
    """
    path = str(split.folder / "cutoffs.parquet")
    con.execute("create or replace temp table cutoffs as from read_parquet($path)", {"path": path})
    order_of(con, split)
    open_windows(con, side, split.as_of)


def liking(settings: UtilitySettings) -> dict[str, Any]:
    """Return the parameters of the macro `positives`: which interactions show that a user likes an item."""
    return {
        "relevant_rating": settings.relevant_rating,
        "positive_tags": settings.positive_tags,
        "positive_events": [
            {"event": event, "at_least": at_least} for event, at_least in settings.positive_events.items()
        ],
    }
