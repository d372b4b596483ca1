"""What lists are measured by besides relevance: how known items are, what they are like, and classes of both sides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, IntArray
from models.content.tf_idf import tf_idf
from models.evaluation.beyond_accuracy import history_means, popularity_of
from models.evaluation.diversity import taste_vectors
from models.evaluation.slices import ITEM_CLASSES, USER_CLASSES, item_classes, user_classes
from models.interactions import load_matrix
from tasks.artifacts import HeldOut, Snapshot


@dataclass(frozen=True)
class Yardsticks:
    """All of it is known before the cutoffs; judged users stand in the order of `HeldOut`.

    Attributes:
        popularity: (n_items,) float64, the share of the users that have met the item.
        item_class: (n_items,) int8, places in `ITEM_CLASSES`, −1 for items that nobody has met.
        user_class: (n_judged,) int8, places in `USER_CLASSES`.
        history_popularity: (n_judged,) float64, the mean popularity of what the user has met.
        taste_vectors: (n_items, d) float32, what items are like by who likes them.
        feature_vectors: (n_items, n_features) float32, what they are like by genres and tags, rows of length 1.
    """

    popularity: NDArray[np.float64]
    item_class: NDArray[np.int8]
    user_class: NDArray[np.int8]
    history_popularity: NDArray[np.float64]
    taste_vectors: FloatArray
    feature_vectors: sparse.csr_array


def write_yardsticks(snapshot: Snapshot, users: IntArray, *, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Write `yardsticks.npz` and `feature_vectors.npz`; `users` are the indices of the judged users.

    Returns:
        What the classes are, one row each: `segment`, `of` ('users' or 'items'), `n` (of the training part), and the
        least and greatest number of items that such a user has met, or of users that have met such an item.
    """
    seen = load_matrix(snapshot.folder, "seen")
    popularity = popularity_of(seen)
    items_met, users_met = np.diff(seen.indptr), np.bincount(seen.indices, minlength=seen.shape[1])
    of_users, of_items = user_classes(items_met), item_classes(users_met)
    np.savez(
        folder / "yardsticks.npz",
        allow_pickle=False,
        popularity=popularity,
        item_class=of_items,
        user_class=of_users[users],
        history_popularity=history_means(seen, popularity)[users],
        taste_vectors=taste_vectors(load_matrix(snapshot.folder, "positive"), seed=seed),
    )
    features = tf_idf(load_matrix(snapshot.folder, "item_features"))
    sparse.save_npz(folder / "feature_vectors.npz", features, compressed=False)
    return [
        {"segment": name, "of": of, "n": len(met), "least": int(met.min()), "greatest": int(met.max())}
        for of, names, classes, counts in (
            ("users", USER_CLASSES, of_users, items_met),
            ("items", ITEM_CLASSES, of_items, users_met),
        )
        for number, name in enumerate(names)
        if len(met := counts[classes == number])
    ]


def load_yardsticks(held_out: HeldOut) -> Yardsticks:
    """What `write_yardsticks` wrote."""
    with np.load(held_out.folder / "yardsticks.npz", allow_pickle=False) as arrays:
        return Yardsticks(**arrays, feature_vectors=load_matrix(held_out.folder, "feature_vectors"))
