"""Small lists to publish. Scores of run r are 1,000 × r − rank, so that readers can tell the run."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.artifacts import Lists
from tasks.publication.targets.schema import IdTypes

BIGINTS = IdTypes("BIGINT", "BIGINT")
TEXTS = IdTypes("TEXT", "TEXT")
N = 10
OWNER = "demo 7f3a"


def make_lists(
    folder: Path, run: int, *, users: int = 30, items: int = 40, n: int = N, similar: int = 5
) -> Lists:
    """Write lists of `n` items for users 1..`users`, out of items 1..`items`, shifted by the run."""
    folder.mkdir(parents=True)
    ranked = [(u, r, (u + r + run) % items + 1) for u in range(1, users + 1) for r in range(1, n + 1)]
    alike = [(i, r, (i + r) % items + 1) for i in range(1, items + 1) for r in range(1, similar + 1)]
    fallback = [(s, r, (r + run) % items + 1) for s in ("Drama", "all") for r in range(1, n + 1)]
    return write_lists(
        folder,
        key=f"lists-of-{run}",
        recommendations=[
            (u, r, i, run * 1000.0 - r, "als" if r < n else "popularity", 0.5 if r < n else None, None)
            for u, r, i in ranked
        ],
        similar_items=[(i, r, j, run * 1000.0 - r) for i, r, j in alike],
        fallback_recommendations=[(s, r, i, run * 1000.0 - r) for s, r, i in fallback],
        items=[(i, f"Film {i} ({1950 + i})", "Drama|Comedy") for i in range(1, items + 1)],
    )


COLUMNS = {
    "recommendations": ("user_id", "rank", "item_id", "score", "model", "model_score", "reason_item_id"),
    "similar_items": ("item_id", "rank", "similar_item_id", "score"),
    "fallback_recommendations": ("segment", "rank", "item_id", "score"),
    "items": ("item_id", "title", "genres"),
}


def write_lists(folder: Path, *, key: str = "lists", **rows: list[tuple[object, ...]]) -> Lists:
    """Write one Parquet file per list of tuples in `rows`, and return the reference to them."""
    for name, columns in COLUMNS.items():
        values = zip(*rows[name], strict=True) if rows[name] else [()] * len(columns)
        table = pa.table({column: list(v) for column, v in zip(columns, values, strict=True)})
        pq.write_table(table, folder / f"{name}.parquet")
    users = {row[0] for row in rows["recommendations"]}
    sizes = [len(rows[name]) for name in COLUMNS]
    return Lists(key, folder, len(users), *sizes)


def read(database: Path, query: str) -> list[tuple]:
    """Return the rows of a query on a read-only connection."""
    con = sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)
    rows = con.execute(query).fetchall()
    con.close()
    return rows
