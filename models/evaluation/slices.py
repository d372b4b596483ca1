"""Classes of users and items by their number of interactions in the training part.

A mean over all users is dominated by active users who like popular items; metrics by class show the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.interactions import only

USER_CLASSES = ("new", "light", "medium", "heavy")
ITEM_CLASSES = ("head", "middle", "tail")

NEW_BELOW = 10
COLD_BELOW = 5
"""Items that fewer users liked are cold where similar items are judged, and in benchmarks."""

SIMILAR_ITEMS = "similar_items"
"""The segment of the metrics of similar items."""

SIMILAR_COLD_ITEMS = "similar_cold_items"
"""The same where only cold items are looked for."""
_PARTS = 5  # the head has one fifth of the interactions, and so has the tail

Counts = NDArray[np.integer[Any]]


def user_classes(n_met: Counts) -> NDArray[np.int8]:
    """Return each user's index into `USER_CLASSES`, by the length of their history.

    Users with fewer than ten items are `new`. The others form three classes of about equal size; users with histories
    of equal length are in the same class.

    Args:
        n_met: (n_users,), the number of items in each user's history.

    Returns:
        (n_users,) int8.
    """
    met = np.asarray(n_met)
    settled = met[met >= NEW_BELOW]
    limits = np.quantile(settled, [1 / 3, 2 / 3], method="inverted_cdf") if len(settled) else [0, 0]
    return np.where(met < NEW_BELOW, 0, 1 + np.searchsorted(limits, met)).astype(np.int8)


def item_classes(n_met: Counts) -> NDArray[np.int8]:
    """Return each item's index into `ITEM_CLASSES`, by its number of users.

    The `head` are the most popular items, which together have 20 % of all interactions, the `tail` the least popular,
    which have 20 %, and the `middle` lies between (Abdollahpouri et al. 2021, "User-centered evaluation of popularity
    bias", section 3). The class depends on the share of interactions with more popular items, so that equally popular
    items are in the same class.

    Args:
        n_met: (n_items,), the number of users who interacted with each item.

    Returns:
        (n_items,) int8; −1 for items without interaction.
    """
    met = np.asarray(n_met, np.int64)
    counts, item_count = np.unique(met, return_inverse=True)
    of_count = np.bincount(item_count) * counts
    above = (of_count[::-1].cumsum()[::-1] - of_count)[item_count]
    total = met.sum()
    classes = np.where(_PARTS * above < total, 0, np.where(_PARTS * above < (_PARTS - 1) * total, 1, 2))
    return np.where(met > 0, classes, -1).astype(np.int8)


def restricted(relevant: sparse.csr_array, columns: NDArray[np.bool_]) -> sparse.csr_array:
    """Return `relevant` with only the entries in some of its columns; the shape stays.

    Args:
        relevant: (n_rows, n_items).
        columns: (n_items,) bool mask of the columns to keep.
    """
    return only(relevant, columns[relevant.indices])
