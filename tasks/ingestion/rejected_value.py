"""Find an example of the values that were rejected for a reason."""

from __future__ import annotations

import duckdb

from tasks.artifacts import Source


def most_frequent_value(
    con: duckdb.DuckDBPyConnection, source: Source, reason: str, column: str
) -> str | None:
    """Return the most frequent text of a column among the rows rejected for a reason; the first by order of several.

    Args:
        con: the warehouse, with the quarantine.
        source: whose rows.
        reason: as it stands in the quarantine.
        column: its name in the quarantine's JSON, such as rating.
    """
    found = con.execute(
        "select raw ->> $column as text from quarantine where source = $source and list_contains(reasons, $reason) "
        "group by text order by count(*) desc, text limit 1",
        {"column": column, "source": source, "reason": reason},
    ).fetchone()
    return found[0] if found else None
