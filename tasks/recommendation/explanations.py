"""Which item of a user's own history is behind each place of a list, whichever model filled it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, IntArray, Recommender
from tasks.recommendation.backfill import CompletedLists


def nameable(positive: sparse.csr_array, blocked: BoolArray) -> sparse.csr_array:
    """What users liked, less what is blocked: that is named nowhere, not as a reason either."""
    if not blocked.any():
        return positive
    entries = sparse.csr_array(
        (~blocked[positive.indices], positive.indices, positive.indptr), shape=positive.shape
    )
    entries.eliminate_zeros()
    return entries


def reasons_for(
    lists: CompletedLists,
    users: IntArray,
    models: Sequence[Recommender],
    stand_ins: Sequence[Recommender],
    liked: sparse.csr_array,
) -> NDArray[np.int32]:
    """(n_users, n) the liked item that each listed one leans on, −1 for none.

    The model that placed an item says why. For one that cannot say (`Recommender.because_of`) the stand-ins do, in
    order, each for what those before it found nothing for. Nobody says anything about pinned items: an editor did it.

    Args:
        lists: of the block of users.
        users: (n_users,) user indices.
        models: those that `lists.placed_by` numbers.
        stand_ins: the models of similar items.
        liked: (all users, n_items).
    """
    history = sparse.csr_array(liked[users])
    reasons = np.full(lists.items.shape, -1, np.int32)
    for number, model in enumerate(models):
        mine = lists.placed_by == number
        if not (mine & (lists.items >= 0)).any():
            continue
        found = model.because_of(users, np.where(mine, lists.items, -1), history)
        if found is not None:
            reasons[mine] = found[mine]
            continue
        for other in stand_ins:
            mine &= (reasons < 0) & (lists.items >= 0)
            found = other.because_of(users, np.where(mine, lists.items, -1), history)
            if found is not None:
                reasons[mine] = found[mine]
    return reasons
