"""Compare a snapshot with an earlier night's: shared rows, how much changed, and leaks of held-out pairs."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
from scipy import sparse

from models.interactions import load_matrix
from models.numerics.shared_entries import count_shared
from tasks.artifacts import EarlierRows, Snapshot, Split
from tasks.preparation.time_windows import open_split
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file
from tasks.training.warm_start import earlier_rows


def _in_short(made: EarlierRows) -> str:
    leaked = f", {made.n_leaked:,} of the held-out pairs known to it" if made.n_leaked else ""
    return f"{made.n_new:,} new pairs and {made.n_gone:,} gone since the fits to start from{leaked}"


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
    n_shared = count_shared(now, before, users, items)
    held_out = _known_held_out(con, split, earlier, before.shape)
    n_leaked = count_shared(held_out, before, *(np.arange(n) for n in before.shape))
    return EarlierRows(key, folder, now.nnz, now.nnz - n_shared, before.nnz - n_shared, n_leaked)


def _known_held_out(
    con: duckdb.DuckDBPyConnection, split: Split, earlier: Snapshot, shape: tuple[int, int]
) -> sparse.csr_array:
    """Return the pairs that the split holds out and whose sides the earlier snapshot knows, in its rows and columns."""
    open_split(con, split, "after")
    paths = {f"{side}_path": str(earlier.folder / f"{side}.parquet") for side in ("users", "items")}
    found = run_file(
        con, "warehouse/holdout/pairs_known_earlier.sql", as_of=split.as_of, **paths
    ).fetchnumpy()
    places = np.asarray(found["user_idx"], np.int64), np.asarray(found["item_idx"], np.int64)
    return sparse.csr_array((np.ones(len(places[0]), np.float32), places), shape)
