"""Properties of items and users that metrics other than relevance need: popularity, descriptions, classes."""

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
class ItemStatistics:
    """Statistics of the interactions before the cutoffs; judged users are in the order of `HeldOut`.

    Attributes:
        popularity: (n_items,) float64, the share of the users with an interaction who met the item, 0 to 1.
        item_class: (n_items,) int8, indices into `ITEM_CLASSES`, −1 for items without an interaction.
        user_class: (n_judged,) int8, indices into `USER_CLASSES`.
        history_popularity: (n_judged,) float64, the mean popularity of the items that the user interacted with.
        taste_vectors: (n_items, d) float32, close for items that the same users like.
        feature_vectors: (n_items, n_features) float32, TF-IDF of genres, tags and attributes, rows of length 1.
    """

    popularity: NDArray[np.float64]
    item_class: NDArray[np.int8]
    user_class: NDArray[np.int8]
    history_popularity: NDArray[np.float64]
    taste_vectors: FloatArray
    feature_vectors: sparse.csr_array


def write_item_statistics(
    snapshot: Snapshot, users: IntArray, *, seed: int, folder: Path
) -> list[dict[str, Any]]:
    """Write `item_statistics.npz` and `feature_vectors.npz` into `folder`.

    Args:
        snapshot: the interactions before the cutoffs.
        users: (n_judged,) int, row indices of the judged users.
        seed: of the taste vectors.
        folder: an existing folder.

    Returns:
        One row for each class of users or items with an interaction that is not empty: `segment` (its name), `of`
        ('users' or 'items'), `n` (its size), and `least` and `greatest`, the range of its members' numbers of
        interactions.
    """
    seen = load_matrix(snapshot.folder, "seen")
    popularity = popularity_of(_without_empty_rows(seen))  # users who only have a link do not count
    items_per_user, users_per_item = np.diff(seen.indptr), np.bincount(seen.indices, minlength=seen.shape[1])
    of_users, of_items = user_classes(items_per_user), item_classes(users_per_item)
    np.savez(
        folder / "item_statistics.npz",
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
        {
            "segment": name,
            "of": of,
            "n": len(of_class),
            "least": int(of_class.min()),
            "greatest": int(of_class.max()),
        }
        for of, names, classes, counts in (
            ("users", USER_CLASSES, of_users, items_per_user),
            ("items", ITEM_CLASSES, of_items, users_per_item),
        )
        for number, name in enumerate(names)
        if len(of_class := counts[(classes == number) & (counts > 0)])
    ]


def _without_empty_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return the rows of a matrix that have an entry; shares its entries."""
    row_ends = np.unique(matrix.indptr)
    return sparse.csr_array(
        (matrix.data, matrix.indices, row_ends), shape=(len(row_ends) - 1, matrix.shape[1])
    )


def load_item_statistics(held_out: HeldOut) -> ItemStatistics:
    """Read the files that `write_item_statistics` wrote."""
    with np.load(held_out.folder / "item_statistics.npz", allow_pickle=False) as arrays:
        return ItemStatistics(**arrays, feature_vectors=load_matrix(held_out.folder, "feature_vectors"))
