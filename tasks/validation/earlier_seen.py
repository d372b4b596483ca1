"""The pairs of users and items that the live run knew as seen, for the check that no list holds one of them again.

Rows that are missing in tonight's data make items look unseen: their users would get what they have rated long ago.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.interactions import load_matrix
from tasks.artifacts import Snapshot
from tasks.storage.artifact_store import Store
from tasks.storage.run_records import Run
from tasks.storage.warehouse import run_file


@dataclass(frozen=True)
class EarlierSeen:
    """The seen pairs of one run.

    Attributes:
        users: (user_idx, user_id).
        items: (item_idx, item_id).
        pairs: (user_idx, item_idx), int32.
    """

    users: pa.Table
    items: pa.Table
    pairs: pa.Table


_NONE = EarlierSeen(
    pa.table({"user_idx": pa.array([], pa.int32()), "user_id": pa.array([], pa.string())}),
    pa.table({"item_idx": pa.array([], pa.int32()), "item_id": pa.array([], pa.string())}),
    pa.table({"user_idx": pa.array([], pa.int32()), "item_idx": pa.array([], pa.int32())}),
)


def read_seen(store: Store, run: Run | None) -> EarlierSeen | None:
    """Return the pairs that the lists of `run` left out as seen; None without a run, or if they are not kept."""
    if run is None:
        return None
    names = run.artifacts
    refit = next((place for place, name in enumerate(names) if name.startswith("everything/")), len(names))
    keys = [name.partition("/")[2] for name in names[refit:] if name.startswith("utility/")]
    snapshot = store.find("utility", keys[-1], Snapshot) if keys else None
    if snapshot is None:
        return None
    seen = load_matrix(snapshot.folder, "seen")
    users = np.repeat(np.arange(seen.shape[0], dtype=np.int32), np.diff(seen.indptr))
    return EarlierSeen(
        pq.read_table(snapshot.folder / "users.parquet", columns=["user_idx", "user_id"]),
        pq.read_table(snapshot.folder / "items.parquet", columns=["item_idx", "item_id"]),
        pa.table({"user_idx": users, "item_idx": seen.indices}),
    )


def make_relisted(con: duckdb.DuckDBPyConnection, seen: EarlierSeen | None, *, exclude_seen: bool) -> None:
    """Make the temporary table `relisted`, as sql/warehouse/checks/relisted.sql describes it."""
    tables = {
        "earlier_users": (seen or _NONE).users,
        "earlier_items": (seen or _NONE).items,
        "earlier_seen": (seen or _NONE).pairs,
    }
    for name, table in tables.items():
        con.register(name, table)
    run_file(con, "warehouse/checks/relisted.sql", exclude_seen=exclude_seen and seen is not None)
    for name in tables:
        con.unregister(name)
