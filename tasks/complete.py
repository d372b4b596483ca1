"""Lists as they are published: what the model ranks, completed by popularity where it can score fewer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, Recommender


class CompletedLists(NamedTuple):
    """Ranked lists of one block of users, each array (n_users, n). Item −1 pads what not even popularity could fill.

    Attributes:
        items: int32 item indices.
        scores: float32, the final ordering; never increasing along a row.
        model_scores: float32, what the model that placed the item said.
        filled: whether popularity placed the item.
    """

    items: NDArray[np.int32]
    scores: FloatArray
    model_scores: FloatArray
    filled: BoolArray


def completed_lists(
    model: Recommender, popularity: Recommender, users: IntArray, n: int, exclude: sparse.csr_array | None
) -> CompletedLists:
    """The n best items of `model` for each user, short lists completed by `popularity`.

    Popularity's items come after the model's own. Their `scores` go on below the model's last one, so that a list
    stays in order although the two models' scores cannot be compared.
    """
    own = model.recommend(users, n, exclude=exclude)
    lists = CompletedLists(
        own.items, own.scores.copy(), own.scores.copy(), np.zeros(own.items.shape, dtype=np.bool_)
    )
    short = np.flatnonzero((own.items < 0).any(axis=1))
    if len(short):
        _fill(lists, short, popularity, users, exclude)
    return lists


def _fill(
    lists: CompletedLists,
    short: IntArray,
    popularity: Recommender,
    users: IntArray,
    exclude: sparse.csr_array | None,
) -> None:
    n = lists.items.shape[1]
    popular = popularity.recommend(users[short], n, exclude=exclude)
    own = lists.items[short]
    items = np.concatenate([own, popular.items], axis=1)
    n_items = int(items.max(initial=0)) + 1
    row = np.arange(len(short), dtype=np.int64)[:, None] * n_items
    repeated = np.isin(row + popular.items, (row + own)[own >= 0])
    usable = np.concatenate([own >= 0, (popular.items >= 0) & ~repeated], axis=1)
    order = np.argsort(~usable, axis=1, kind="stable")[:, :n]

    def pick(left: NDArray[np.generic], right: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.take_along_axis(np.concatenate([left, right], axis=1), order, axis=1)

    kept = np.take_along_axis(usable, order, axis=1)
    below = _scores_below(lists.scores[short], popular.scores)
    lists.items[short] = np.where(kept, np.take_along_axis(items, order, axis=1), -1)
    lists.scores[short] = np.where(kept, pick(lists.scores[short], below), np.nan)
    lists.model_scores[short] = np.where(kept, pick(lists.model_scores[short], popular.scores), np.nan)
    lists.filled[short] = kept & (order >= n)


def _scores_below(own: FloatArray, popular: FloatArray) -> FloatArray:
    """Popularity's scores, moved to just below the model's worst of the same row; the order stays."""
    worst = np.min(np.where(np.isnan(own), np.inf, own), axis=1, keepdims=True)
    best = np.nanmax(np.where(np.isnan(popular), -np.inf, popular), axis=1, keepdims=True)
    share = popular / np.maximum(best, 1)
    start = np.where(np.isfinite(worst), worst, 1.0).astype(np.float32)
    below: FloatArray = np.minimum(start, start - 1 + share).astype(np.float32)
    return below
