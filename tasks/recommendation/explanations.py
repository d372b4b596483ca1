"""Explanations: for each listed item, the item of the user's own history that contributed most to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, IntArray, Recommender
from tasks.recommendation.backfill import CompletedLists


def explainable_positives(positive: sparse.csr_array, blocked: BoolArray) -> sparse.csr_array:
    """Return the positives without blocked items, which must not appear as a reason either.

    Args:
        positive: (n_users, n_items), an entry for every positive interaction.
        blocked: (n_items,) bool.

    Returns:
        (n_users, n_items); `positive` itself if nothing is blocked.
    """
    if not blocked.any():
        return positive
    entries = sparse.csr_array(
        (~blocked[positive.indices], positive.indices, positive.indptr), shape=positive.shape
    )
    entries.eliminate_zeros()
    return entries


def explain_lists(
    lists: CompletedLists,
    users: IntArray,
    models: Sequence[Recommender],
    similar_models: Sequence[Recommender],
    liked: sparse.csr_array,
) -> NDArray[np.int32]:
    """Return, for each listed item, the liked item that explains it.

    The explanation comes from the model that placed the item. If that model cannot explain
    (`Recommender.because_of` returns None), the models of similar items are tried in order, each for the items that are
    still without an explanation. Pinned items have none: an editor placed them.

    Args:
        lists: of the block of users.
        users: (n_users,) integer user indices.
        models: the models that `lists.placed_by` numbers.
        similar_models: the models of similar items, in order of precedence.
        liked: (all users, n_items), an entry for every item that may be named as a reason.

    Returns:
        (n_users, n) int32 item indices, −1 for none.
    """
    history = sparse.csr_array(liked[users])
    reasons = np.full(lists.items.shape, -1, np.int32)
    for number, model in enumerate(models):
        to_explain = lists.placed_by == number
        if not (to_explain & (lists.items >= 0)).any():
            continue
        found = model.because_of(users, np.where(to_explain, lists.items, -1), history)
        if found is not None:
            reasons[to_explain] = found[to_explain]
            continue
        for other in similar_models:
            to_explain &= (reasons < 0) & (lists.items >= 0)
            found = other.because_of(users, np.where(to_explain, lists.items, -1), history)
            if found is not None:
                reasons[to_explain] = found[to_explain]
    return reasons
