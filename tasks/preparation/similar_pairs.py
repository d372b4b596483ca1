"""Pairs of items by which similar items are judged: the last one that a user liked, and each one liked later."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.base import BoolArray
from models.evaluation.link_prediction import Pairs, last_liked
from models.evaluation.slices import COLD_BELOW
from models.interactions import load_matrix
from tasks.artifacts import HeldOut, Snapshot

FILE = "similar_pairs.npz"


def write_similar_pairs(snapshot: Snapshot, folder: Path) -> None:
    """Write `similar_pairs.npz` into the folder that holds the relevant items of the users with history.

    Items that nobody had met before the cutoffs are targets, too, if the snapshot knows them: some models compare
    items by what is known of them. Users who had liked nothing have no query, and so no pairs.

    Args:
        snapshot: the interactions before the cutoffs.
        folder: holds `users.npz`, `relevant.npz` and their like for new items; see `HeldOut`.
    """
    positive = load_matrix(snapshot.folder, "positive")
    last = last_liked(positive, load_matrix(snapshot.folder, "timestamp"))
    users, targets, halves = [], [], []
    for judged, wanted in (("users", "relevant"), ("new_item_users", "new_item_relevant")):
        relevant = load_matrix(folder, wanted)
        with np.load(folder / f"{judged}.npz", allow_pickle=False) as arrays:
            rows = np.repeat(np.arange(relevant.shape[0]), np.diff(relevant.indptr))
            users.append(arrays["user_idx"][rows])
            halves.append(arrays["half"][rows])
        targets.append(relevant.indices)
    user, target, half = (np.concatenate(parts) for parts in (users, targets, halves))
    asked = np.flatnonzero(last[user] >= 0)
    asked = asked[np.lexsort((target[asked], user[asked]))]
    n_likes = np.bincount(positive.indices, minlength=positive.shape[1])
    np.savez(
        folder / FILE,
        allow_pickle=False,
        user=user[asked].astype(np.int32),
        query=last[user[asked]].astype(np.int32),
        target=target[asked].astype(np.int32),
        half=half[asked].astype(np.int8),
        is_cold=n_likes[target[asked]] < COLD_BELOW,
    )


def load_similar_pairs(held_out: HeldOut) -> tuple[Pairs, np.ndarray, BoolArray]:
    """Read what `write_similar_pairs` wrote.

    Returns:
        The pairs, ordered by user and target; the half of each, (n_pairs,) int8; and which have a cold target, of
        fewer than five likes before the cutoffs, (n_pairs,) bool.
    """
    with np.load(held_out.folder / FILE, allow_pickle=False) as arrays:
        return (
            Pairs(arrays["user"], arrays["query"], arrays["target"]),
            arrays["half"],
            arrays["is_cold"],
        )
