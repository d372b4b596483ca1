"""Hold out the ground truth of the evaluation: items that users came to like after their cutoffs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.evaluation.cold_start import NEW_ITEMS
from tasks.artifacts import HeldOut, Snapshot, Split
from tasks.config.settings import UtilitySettings
from tasks.preparation.interaction_matrices import fetch_matrix
from tasks.preparation.item_statistics import write_item_statistics
from tasks.preparation.similar_pairs import write_similar_pairs
from tasks.preparation.time_windows import liking, open_split
from tasks.storage.artifact_store import write_json
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file


def _in_short(made: HeldOut) -> str:
    others = f"{made.n_not_drawn:,} more were not drawn; " if made.n_not_drawn else ""
    return (
        f"{made.n_select:,} users to select by, {made.n_report:,} to report on, {made.n_cold:,} without history; "
        f"{others}{made.unknown_item_share:.1%} of the positives are of items too new to know"
    )


@stage("held_out", note=_in_short)
def hold_out(
    con: duckdb.DuckDBPyConnection,
    split: Split,
    snapshot: Snapshot,
    settings: UtilitySettings,
    *,
    seed: int,
    max_users: int,
    key: str,
    folder: Path,
) -> HeldOut:
    """Write the files that `HeldOut` describes into the existing `folder`.

    An item is relevant to a user if it became positive at or after the user's cutoff, the user had no interaction
    with it before, and somebody had one before the cutoffs. Items without any could be found by content models only,
    so that metrics of models would not compare: those that the snapshot knows are written apart. A user's half depends
    on the user's id and `seed` alone.

    Args:
        con: the warehouse, with clean tables.
        split: the cutoffs.
        snapshot: the interactions before them.
        settings: which interactions are positive.
        seed: of the halves, of the draw of users, and of the taste vectors.
        max_users: the most users with history to judge, and the most without; of more, so many are drawn.
        key: the cache key of the result.
        folder: an existing folder.

    Returns:
        The reference to the files, with the numbers of users in each part.
    """
    open_split(con, split, "after")
    known = {f"{side}_path": str(snapshot.folder / f"{side}.parquet") for side in ("users", "items")}
    run_file(con, "warehouse/holdout/newly_met.sql", as_of=split.as_of, seed=seed)
    run_file(con, "warehouse/holdout/relevant.sql", **known, **liking(settings))
    [(unknown_item_share,)] = con.execute(
        "select coalesce(avg((not is_touched)::integer), 0) from relevant"
    ).fetchall()
    run_file(con, "warehouse/holdout/draw_users.sql", seed=seed, max_users=max_users)
    [(n_not_drawn,)] = con.execute(
        "select coalesce(sum(not_drawn) filter (has_history), 0)::bigint from drawn"
    ).fetchall()
    warm, cold = {"with_history": True, "touched": True}, {"with_history": False, "touched": True}
    new_items = {"with_history": True, "touched": False}
    users, cold_users, new_item_users = (
        _columns(con, "warehouse/holdout/judged_users.sql", **which) for which in (warm, cold, new_items)
    )
    np.savez(folder / "users.npz", allow_pickle=False, **users)
    np.savez(folder / "cold_users.npz", allow_pickle=False, **cold_users)
    np.savez(folder / "new_item_users.npz", allow_pickle=False, **new_item_users)
    for name, judged, which in (
        ("relevant", users, warm),
        ("cold_relevant", cold_users, cold),
        ("new_item_relevant", new_item_users, new_items),
    ):
        shape = (len(judged["half"]), snapshot.n_items)
        matrix = fetch_matrix(con, "warehouse/holdout/relevant_matrix.sql", shape, **which)
        sparse.save_npz(folder / f"{name}.npz", matrix, compressed=False)
    np.savez(
        folder / "cold_likes.npz", allow_pickle=False, **_columns(con, "warehouse/holdout/cold_likes.sql")
    )
    np.savez(
        folder / "ratings.npz",
        allow_pickle=False,
        **_columns(con, "warehouse/holdout/later_ratings.sql", **known),
    )
    write_similar_pairs(snapshot, folder)
    segments = write_item_statistics(snapshot, users["user_idx"], seed=seed, folder=folder)
    if snapshot.n_untouched:
        segments.append(
            {"segment": NEW_ITEMS, "of": "items", "n": snapshot.n_untouched, "least": 0, "greatest": 0}
        )
    write_json(folder / "segments.json", segments)
    n_report = int(users["half"].sum())
    return HeldOut(
        key=key,
        folder=folder,
        n_select=len(users["half"]) - n_report,
        n_report=n_report,
        n_cold=len(cold_users["half"]),
        unknown_item_share=unknown_item_share,
        n_not_drawn=n_not_drawn,
    )


def _columns(con: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> dict[str, NDArray[Any]]:
    """Return the result of sql/`name` as one array per column."""
    columns = run_file(con, name, **parameters).fetchnumpy()
    return {column: np.asarray(values) for column, values in columns.items()}
