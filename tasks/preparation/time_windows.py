"""Windows of time: before a user's cutoff, or from there to the night's as_of.

Time is cut before anything is computed. These functions prepare the connection's temporary views; whatever is
computed afterwards reads those views only, and so cannot see past the cut.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import duckdb

from tasks.artifacts import Split
from tasks.config.settings import UtilitySettings
from tasks.storage.warehouse import run_file

Side = Literal["before", "after"]


def open_windows(con: duckdb.DuckDBPyConnection, side: Side, as_of: datetime) -> None:
    """Look at one side of the temporary table `cutoffs` (user_id, cutoff), and at nothing from `as_of` on."""
    run_file(con, "warehouse/split/interactions.sql")
    run_file(con, "warehouse/split/windows.sql", side=side, as_of=as_of)
    run_file(con, "warehouse/split/positives.sql")


def open_split(con: duckdb.DuckDBPyConnection, split: Split, side: Side) -> None:
    """Look at one side of the cutoffs of a finished split."""
    path = str(split.folder / "cutoffs.parquet")
    con.execute("create or replace temp table cutoffs as from read_parquet($path)", {"path": path})
    open_windows(con, side, split.as_of)


def liking(settings: UtilitySettings) -> dict[str, Any]:
    """The parameters of the macro `positives`: what counts as showing liking."""
    return {
        "relevant_rating": settings.relevant_rating,
        "positive_tags": settings.positive_tags,
        "positive_events": [
            {"event": event, "at_least": at_least} for event, at_least in settings.positive_events.items()
        ],
    }
