"""Lists written by hand, as the stage `recommend` writes them, and a log of what users did."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Placed = tuple[int, str]
"""An item and the model that placed it."""


def write_small_lists(
    folder: Path,
    lists: dict[int, list[Placed]],
    fallback: list[int],
    variants: dict[int, str] | None = None,
) -> Path:
    """Write the files of lists that outcomes read.

    Args:
        folder: is made.
        lists: by user, best first.
        fallback: the fallback list of all, best first; that of the segment Drama is the reverse.
        variants: of the users in a trial; None for lists of a run without one, which lack the column.
    """
    folder.mkdir(parents=True)
    rows = [
        (user, rank, item, model)
        for user, placed in sorted(lists.items())
        for rank, (item, model) in enumerate(placed, 1)
    ]
    columns = {
        "user_id": pa.array([row[0] for row in rows], pa.int64()),
        "rank": pa.array([row[1] for row in rows], pa.int32()),
        "item_id": pa.array([row[2] for row in rows], pa.int64()),
        "model": pa.array([row[3] for row in rows], pa.string()),
    }
    if variants is not None:
        columns["variant"] = pa.array([variants.get(row[0]) for row in rows], pa.string())
    pq.write_table(pa.table(columns), folder / "recommendations.parquet")
    of_segments = [
        (segment, rank, item)
        for segment, items in (("Drama", fallback[::-1]), ("all", fallback))
        for rank, item in enumerate(items, 1)
    ]
    pq.write_table(
        pa.table(
            {
                "segment": pa.array([row[0] for row in of_segments], pa.string()),
                "rank": pa.array([row[1] for row in of_segments], pa.int32()),
                "item_id": pa.array([row[2] for row in of_segments], pa.int64()),
            }
        ),
        folder / "fallback_recommendations.parquet",
    )
    return folder
