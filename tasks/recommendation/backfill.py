"""Backfill: the first model ranks each list, and further models fill the places that it leaves empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, Progress, Recommender, TopN

BLOCK = 8192
"""How many users `lists_of_items` ranks for at a time."""


class CompletedLists(NamedTuple):
    """Ranked lists of one block of users, each array (n_users, n). Places that no model could fill hold item −1.

    Attributes:
        items: int32 item indices.
        scores: float32, never increasing along a row; NaN where the item is −1.
        model_scores: float32, the score by the model that placed the item; NaN where the item is −1.
        placed_by: int8, number of the model that placed the item; 0 is the first model.
    """

    items: NDArray[np.int32]
    scores: FloatArray
    model_scores: FloatArray
    placed_by: NDArray[np.int8]


def completed_lists(
    models: Sequence[Recommender],
    users: IntArray,
    n: int,
    exclude: sparse.csr_array | None,
    items: BoolArray | None = None,
) -> CompletedLists:
    """Return the n best items of the first model for each user; the other models, in order, complete short lists.

    The items of each model come after those of the models before it. Scores of two models cannot be compared: those of
    a later model are moved below the last score of the list, so that `scores` never increase.

    Args:
        models: the ranking model, then the backfill models in order of precedence.
        users: (n_users,) integer user indices.
        n: length of the lists.
        exclude: (all users, n_items), items with an entry are left out of the user's list; None: nothing is.
        items: (n_items,) bool, the only items that may be listed; None: all.

    Returns:
        Lists of `users`, in the same order.
    """
    own = models[0].recommend(users, n, exclude=exclude, items=items)
    return completed(own, models[1:], users, exclude, items)


def completed(
    own: TopN,
    backfill: Sequence[Recommender],
    users: IntArray,
    exclude: sparse.csr_array | None,
    items: BoolArray | None = None,
) -> CompletedLists:
    """Return lists that a model has made, completed by the others as in `completed_lists`.

    Args:
        own: the lists of `users`, (n_users, n); they are not changed.
        backfill: the models that complete short ones, in order of precedence.
        users, exclude, items: see there.
    """
    n = own.items.shape[1]
    lists = CompletedLists(
        own.items.copy(), own.scores.copy(), own.scores.copy(), np.zeros(own.items.shape, np.int8)
    )
    for number, model in enumerate(backfill, 1):
        short = np.flatnonzero((lists.items < 0).any(axis=1))
        if len(short):
            more = model.recommend(users[short], n, exclude=exclude, items=items)
            _fill(lists, short, more, number)
    return lists


def lists_of_items(
    models: Sequence[Recommender],
    users: IntArray,
    n: int,
    exclude: sparse.csr_array | None,
    items: BoolArray | None = None,
    *,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Return the items of `completed_lists`, (n_users, n), made a block of users at a time to take little memory.

    Args:
        models, users, n, exclude, items: see there.
        progress: called as progress(done users, all users).
    """
    lists = np.full((len(users), n), -1, np.int32)
    for start in range(0, len(users), BLOCK):
        block = slice(start, min(start + BLOCK, len(users)))
        lists[block] = completed_lists(models, users[block], n, exclude, items).items
        if progress is not None:
            progress(block.stop, len(users))
    return lists


def _fill(lists: CompletedLists, short: IntArray, more: TopN, number: int) -> None:
    """Append the items of `more` to the rows `short` of `lists`, in place, without those that a row holds already.

    Args:
        lists: to complete.
        short: (m,) indices of the rows with empty places.
        more: the lists of model `number` for these rows.
        number: of the model, for `placed_by`.
    """
    n = lists.items.shape[1]
    own = lists.items[short]
    items = np.concatenate([own, more.items], axis=1)
    n_items = int(items.max(initial=0)) + 1
    row = np.arange(len(short), dtype=np.int64)[:, None] * n_items
    repeated = np.isin(row + more.items, (row + own)[own >= 0])
    usable = np.concatenate([own >= 0, (more.items >= 0) & ~repeated], axis=1)
    order = np.argsort(~usable, axis=1, kind="stable")[:, :n]
    kept = np.take_along_axis(usable, order, axis=1)

    def pick(left: NDArray[np.generic], right: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.take_along_axis(np.concatenate([left, right], axis=1), order, axis=1)

    below = _scores_below(lists.scores[short], more.scores)
    lists.items[short] = np.where(kept, pick(own, more.items), -1)
    lists.scores[short] = np.where(kept, pick(lists.scores[short], below), np.nan)
    lists.model_scores[short] = np.where(kept, pick(lists.model_scores[short], more.scores), np.nan)
    earlier = np.take_along_axis(lists.placed_by[short], np.minimum(order, n - 1), axis=1)
    lists.placed_by[short] = np.where(order < n, earlier, number)


def _scores_below(own: FloatArray, more: FloatArray) -> FloatArray:
    """Return the scores of `more` shifted and scaled to just below the lowest of `own` in the same row.

    The order within a row stays. Where `own` has no scores, they end up between 0 and 1.

    Args:
        own: (m, n) float32; NaN pads.
        more: (m, n) float32; NaN pads. A row with a score below 0 is first moved up, so that its lowest is 0.
    """
    more = more - np.fmin.reduce(more, axis=1, keepdims=True, initial=0)
    worst = np.min(np.where(np.isnan(own), np.inf, own), axis=1, keepdims=True)
    best = np.max(np.where(np.isnan(more), 0, more), axis=1, keepdims=True)
    share = np.divide(more, best, out=np.zeros_like(more), where=best > 0)
    start = np.where(np.isfinite(worst), worst, 1.0).astype(np.float32)
    below: FloatArray = np.minimum(start, start - 1 + share).astype(np.float32)
    return below
