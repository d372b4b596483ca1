"""What the models are judged on: the items that users came to like after their cutoffs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.references import HeldOut, Snapshot, Split
from tasks.settings import UtilitySettings
from tasks.utility import fetch_matrix
from tasks.warehouse import run_file
from tasks.windows import liking, open_split


def hold_out(
    con: duckdb.DuckDBPyConnection,
    split: Split,
    snapshot: Snapshot,
    settings: UtilitySettings,
    *,
    seed: int,
    key: str,
    folder: Path,
) -> HeldOut:
    """Write what the record `HeldOut` describes into the existing `folder`.

    Relevant is what was positive at or after the user's cutoff, was not seen before it in any way, and was
    touched by anybody before the cutoffs: what nobody touched only a content model could find, and figures of
    models would not compare. The user's id and `seed` decide, and nothing else, who is in which half.
    """
    open_split(con, split, "after")
    run_file(
        con,
        "warehouse/50_relevant.sql",
        as_of=split.as_of,
        seed=seed,
        users_path=str(snapshot.folder / "users.parquet"),
        items_path=str(snapshot.folder / "items.parquet"),
        **liking(settings),
    )
    [(unknown_item_share,)] = con.execute(
        "select coalesce(avg((item_idx is null)::integer), 0) from relevant"
    ).fetchall()
    users = _judged_users(con, with_history=True)
    cold_users = _judged_users(con, with_history=False)
    np.savez(folder / "users.npz", allow_pickle=False, user_idx=users["user_idx"], half=users["half"])
    np.savez(folder / "cold_half.npz", allow_pickle=False, half=cold_users["half"])
    for name, judged, with_history in (("relevant", users, True), ("cold_relevant", cold_users, False)):
        shape = (len(judged["half"]), snapshot.n_items)
        matrix = fetch_matrix(con, "warehouse/52_relevant_matrix.sql", shape, with_history=with_history)
        sparse.save_npz(folder / f"{name}.npz", matrix, compressed=False)
    n_report = int(users["half"].sum())
    return HeldOut(
        key=key,
        folder=folder,
        n_select=len(users["half"]) - n_report,
        n_report=n_report,
        n_cold=len(cold_users["half"]),
        unknown_item_share=unknown_item_share,
    )


def _judged_users(con: duckdb.DuckDBPyConnection, *, with_history: bool) -> dict[str, NDArray[Any]]:
    columns = run_file(con, "warehouse/51_judged_users.sql", with_history=with_history).fetchnumpy()
    return {name: np.asarray(column) for name, column in columns.items()}
