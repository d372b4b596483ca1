"""Classes of users and of items, by how much there is of them in the training part.

A figure of all users is mostly one of active users who come to like popular items; slices show the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

USER_CLASSES = ("new", "light", "medium", "heavy")
ITEM_CLASSES = ("head", "middle", "tail")

NEW_BELOW = 10
_PARTS = 5  # one fifth of the interactions is the head's, and one the tail's

Counts = NDArray[np.integer[Any]]


def user_classes(n_met: Counts) -> NDArray[np.int8]:
    """The place in `USER_CLASSES` of every user, (n_users,), by how many items each has met.

    `new` have met fewer than ten. The others are three classes as equal in size as users of equal history, who stay
    together, allow.
    """
    met = np.asarray(n_met)
    settled = met[met >= NEW_BELOW]
    limits = np.quantile(settled, [1 / 3, 2 / 3], method="inverted_cdf") if len(settled) else [0, 0]
    return np.where(met < NEW_BELOW, 0, 1 + np.searchsorted(limits, met)).astype(np.int8)


def item_classes(n_met: Counts) -> NDArray[np.int8]:
    """The place in `ITEM_CLASSES` of every item, (n_items,), by how many users have met it; −1 where nobody has.

    `head` are the most popular items, which together have 20 % of all interactions, `tail` the least popular, which
    have 20 %, and `middle` what lies between (Abdollahpouri et al. 2021, "User-centered evaluation of popularity
    bias", section 3). Equally popular items are in the same class: what decides is the share of the interactions that
    are of more popular items.
    """
    met = np.asarray(n_met, np.int64)
    counts, item_count = np.unique(met, return_inverse=True)
    of_count = np.bincount(item_count) * counts
    above = (of_count[::-1].cumsum()[::-1] - of_count)[item_count]
    total = met.sum()
    classes = np.where(_PARTS * above < total, 0, np.where(_PARTS * above < (_PARTS - 1) * total, 1, 2))
    return np.where(met > 0, classes, -1).astype(np.int8)


def restricted(relevant: sparse.csr_array, columns: NDArray[np.bool_]) -> sparse.csr_array:
    """The entries of `relevant` in some of its columns; the shape stays."""
    kept = columns[relevant.indices]
    indptr = np.concatenate([[0], np.cumsum(kept)])[relevant.indptr]
    return sparse.csr_array((relevant.data[kept], relevant.indices[kept], indptr), shape=relevant.shape)
