"""Titles of items, for the files of exports."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def titles_of(ids: pa.Array, titles: Path) -> pa.Array:
    """Return the titles of some items, null where an item has none.

    Args:
        ids: (n,) of the items.
        titles: a Parquet file with the columns item_id and title.

    Returns:
        (n,) text.
    """
    titled = pq.read_table(titles, columns=["item_id", "title"])
    at = pc.index_in(ids, value_set=titled["item_id"].combine_chunks())
    return pc.take(titled["title"].combine_chunks(), at)
