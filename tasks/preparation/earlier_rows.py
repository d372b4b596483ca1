"""Compare a snapshot with an earlier night's: shared rows, how much changed, and leaks of held-out pairs."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.interactions import load_matrix
from tasks.artifacts import EarlierRows, Snapshot, Split
from tasks.preparation.time_windows import open_split
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file
from tasks.training.warm_start import earlier_rows


def _in_short(made: EarlierRows) -> str:
    leaked = f", {made.n_leaked:,} of the held-out pairs known to it" if made.n_leaked else ""
    return f"{made.n_new:,} new pairs and {made.n_gone:,} gone since the earlier night{leaked}"


@stage("earlier_rows", note=_in_short)
def compare_with_earlier(
    con: duckdb.DuckDBPyConnection,
    split: Split,
    snapshot: Snapshot,
    earlier: Snapshot,
    *,
    key: str,
    folder: Path,
) -> EarlierRows:
    """Write the file that `EarlierRows` describes, and count what the two snapshots do not share.

    Args:
        con: the warehouse, with clean tables.
        split: the cutoffs of the snapshot.
        snapshot: tonight's matrices.
        earlier: those of an earlier night.
        key: the cache key of the result.
        folder: an existing folder.
    """
    users, items = (earlier_rows(earlier.folder, snapshot.folder, side) for side in ("user", "item"))
    np.savez(folder / "rows.npz", allow_pickle=False, users=users, items=items)
    now, before = (load_matrix(each.folder, "seen") for each in (snapshot, earlier))
    n_shared = _n_stored(before, *_places(now, users, items))
    held_out = _known_held_out(con, split, earlier)
    return EarlierRows(
        key, folder, now.nnz, now.nnz - n_shared, before.nnz - n_shared, _n_stored(before, *held_out)
    )


def _known_held_out(
    con: duckdb.DuckDBPyConnection, split: Split, earlier: Snapshot
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns, in the earlier snapshot, of the pairs that the split holds out."""
    open_split(con, split, "after")
    paths = {f"{side}_path": str(earlier.folder / f"{side}.parquet") for side in ("users", "items")}
    found = run_file(
        con, "warehouse/holdout/pairs_known_earlier.sql", as_of=split.as_of, **paths
    ).fetchnumpy()
    return np.asarray(found["user_idx"], np.int64), np.asarray(found["item_idx"], np.int64)


def _places(
    matrix: sparse.csr_array, users: NDArray[np.int64], items: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and columns that the entries of `matrix` have in the earlier snapshot, where it knows both."""
    rows, columns = np.repeat(users, np.diff(matrix.indptr)), items[matrix.indices]
    known = (rows >= 0) & (columns >= 0)
    return rows[known], columns[known]


def _n_stored(matrix: sparse.csr_array, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> int:
    """Return how many of the places are entries of a canonical matrix."""
    width = matrix.shape[1]
    stored = np.repeat(np.arange(matrix.shape[0], dtype=np.int64) * width, np.diff(matrix.indptr))
    stored += matrix.indices
    asked = rows * width + columns
    if not len(stored):
        return 0
    at = np.minimum(np.searchsorted(stored, asked), len(stored) - 1)
    return int((stored[at] == asked).sum())
