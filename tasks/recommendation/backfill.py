"""Lists as they are published: what the model ranks, completed by others where it can rank fewer items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, Recommender, TopN


class CompletedLists(NamedTuple):
    """Ranked lists of one block of users, each array (n_users, n). Item −1 pads what nobody could fill.

    Attributes:
        items: int32 item indices.
        scores: float32, the final ordering; never increasing along a row.
        model_scores: float32, what the model that placed the item said.
        placed_by: int8, which model placed the item: 0 the first, 1 the next one, and so on.
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
    """The n best items of the first model for each user; each of the others completes what is still short then.

    `exclude` and `items` are those of `Recommender.recommend`. The items of each model come after those of the models
    before it. Their `scores` go on below the last one, so that a list stays in order although the scores of two
    models cannot be compared.
    """
    own = models[0].recommend(users, n, exclude=exclude, items=items)
    lists = CompletedLists(
        own.items, own.scores.copy(), own.scores.copy(), np.zeros(own.items.shape, np.int8)
    )
    for number, model in enumerate(models[1:], 1):
        short = np.flatnonzero((lists.items < 0).any(axis=1))
        if len(short):
            more = model.recommend(users[short], n, exclude=exclude, items=items)
            _fill(lists, short, more, number)
    return lists


def _fill(lists: CompletedLists, short: IntArray, more: TopN, number: int) -> None:
    """Complete the rows `short` by the rows of `more`, less what they hold already."""
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
    """The scores of `more`, which are positive, moved to just below the worst of the same row; the order stays."""
    worst = np.min(np.where(np.isnan(own), np.inf, own), axis=1, keepdims=True)
    best = np.max(np.where(np.isnan(more), 0, more), axis=1, keepdims=True)
    share = np.divide(more, best, out=np.zeros_like(more), where=best > 0)
    start = np.where(np.isfinite(worst), worst, 1.0).astype(np.float32)
    below: FloatArray = np.minimum(start, start - 1 + share).astype(np.float32)
    return below
