"""Build a snapshot: user × item matrices of the interactions before a split's cutoffs, such as the composite utility.

The matrices are computed in sql/warehouse/features/; docs/utility.md explains them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
from scipy import sparse

from models.interactions import Interactions
from tasks.artifacts import Snapshot, Split
from tasks.config.settings import UtilitySettings
from tasks.preparation.time_windows import liking, open_split
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file


def _in_short(made: Snapshot) -> str:
    return (
        f"{made.n_users:,} users × {made.n_items - made.n_untouched:,} items, {made.n_seen:,} seen, "
        f"{made.n_positive:,} positive; {made.n_untouched:,} items that nobody touched"
    )


@stage("utility", note=_in_short)
def build_snapshot(
    con: duckdb.DuckDBPyConnection, split: Split, settings: UtilitySettings, *, key: str, folder: Path
) -> Snapshot:
    """Write matrices and id maps of the interactions before the cutoffs of `split` into the existing `folder`.

    The judged and the published models are trained on matrices of the same SQL: only the cutoffs differ. Users have
    an interaction before their cutoff; items too, or else genres in the catalogue. Both are in the order of their ids.
    The same clean tables give the same bytes, at any number of threads.

    Args:
        con: the warehouse, with clean tables.
        split: the cutoffs.
        settings: which interactions are positive, and the signals of the composite utility.
        key: the cache key of the result.
        folder: an existing folder.

    Returns:
        The reference to the files, with the sizes of the matrices.
    """
    open_split(con, split, "before")
    run_file(con, "warehouse/features/id_maps.sql")
    user_map = con.sql("from user_map order by user_idx").to_arrow_table()
    item_map = con.sql("from item_map order by item_idx").to_arrow_table()
    pq.write_table(user_map, folder / "users.parquet")
    pq.write_table(item_map, folder / "items.parquet")

    shape = (user_map.num_rows, item_map.num_rows)
    timestamp = fetch_matrix(con, "warehouse/features/seen_matrix.sql", shape)
    seen = sparse.csr_array(
        (np.ones(timestamp.nnz, np.float32), timestamp.indices, timestamp.indptr), shape=shape
    )
    item_features, feature_names = _item_features(con, shape[1])
    data = Interactions(
        seen=seen,
        rating=fetch_matrix(con, "warehouse/features/rating_matrix.sql", shape),
        positive=fetch_matrix(con, "warehouse/features/positive_matrix.sql", shape, **liking(settings)),
        composite=fetch_matrix(
            con,
            "warehouse/features/composite.sql",
            shape,
            signals=_signal_rows(settings),
            now=split.cutoff or split.as_of,
        ),
        timestamp=timestamp,
        item_features=item_features,
        feature_names=feature_names,
    )
    data.save(folder)
    return Snapshot(
        key=key,
        folder=folder,
        n_users=data.n_users,
        n_items=data.n_items,
        n_seen=data.seen.nnz,
        n_rating=data.rating.nnz,
        n_positive=data.positive.nnz,
        n_composite=data.composite.nnz,
        n_untouched=int(np.count_nonzero(~item_map["is_touched"].to_numpy())),
    )


def fetch_matrix(
    con: duckdb.DuckDBPyConnection, name: str, shape: tuple[int, int], **parameters: Any
) -> sparse.csr_array:
    """Return the result of sql/`name` as a canonical matrix.

    Args:
        con: the warehouse.
        name: a file whose last statement returns `row_idx` and `column_idx` (int32, sorted by both, no pair twice) and
            `value`.
        shape: rows and columns of the matrix.
        **parameters: of the SQL file.

    Returns:
        A matrix of the dtype of `value`.
    """
    cells = run_file(con, name, **parameters).fetchnumpy()
    row_starts = np.searchsorted(cells["row_idx"], np.arange(shape[0] + 1, dtype=np.int32))
    if len(cells["row_idx"]) <= np.iinfo(np.int32).max:  # else scipy would widen the column indices too
        row_starts = row_starts.astype(np.int32)
    return sparse.csr_array((cells["value"], cells["column_idx"], row_starts), shape=shape)


def _item_features(con: duckdb.DuckDBPyConnection, n_items: int) -> tuple[sparse.csr_array, tuple[str, ...]]:
    run_file(con, "warehouse/features/item_features.sql")
    names = con.execute("select distinct feature from item_features order by feature").fetchall()
    matrix = fetch_matrix(con, "warehouse/features/feature_matrix.sql", (n_items, len(names)))
    return matrix, tuple(name for (name,) in names)


def _signal_rows(settings: UtilitySettings) -> list[dict[str, Any]]:
    """Return the signals as rows of a table for SQL, numbered in the order of their names."""
    return [
        {"signal": number, **signal.model_dump()}
        for number, (_, signal) in enumerate(sorted(settings.signals.items()))
    ]
