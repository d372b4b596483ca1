"""Top-N lists of models that rank the items alike for everybody: each user's list skips the items left out for them."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.numerics.threads import one_launch

_USERS_PER_CHUNK = 1024  # users that share one mask of the items


def top_n(
    item_scores: FloatArray,
    users: IntArray,
    n: int,
    *,
    tie_order: NDArray[np.int32],
    exclude: sparse.csr_array | None = None,
    eligible: BoolArray | None = None,
) -> TopN:
    """Return the n items of greatest score for each user, the same as `factor_scorer.top_n` for equal users.

    The items are sorted once; a list then costs the items that it holds and those left out for its user.

    Args:
        item_scores: (n_items,) float32.
        users: (n_rows,) rows of `exclude`.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may appear; by default all.

    Returns:
        Lists of shape (n_rows, n).
    """
    scores = item_scores[tie_order]
    listed = scores > -np.inf  # not NaN either
    if eligible is not None:
        listed &= eligible[tie_order]
    found = tie_order[listed]
    ranking = found[np.argsort(-scores[listed], kind="stable")]
    top = TopN(np.full((len(users), n), -1, np.int32), np.full((len(users), n), np.nan, np.float32))
    if exclude is None:
        top.items[:, : len(ranking)] = ranking[:n]
    else:
        with one_launch:
            _skip(ranking, np.asarray(users), exclude.indptr, exclude.indices, len(item_scores), top.items)
    filled = top.items >= 0
    top.scores[filled] = item_scores[top.items[filled]]
    return top


@numba.njit(parallel=True, cache=True)
def _skip(ranking: Any, users: Any, indptr: Any, indices: Any, n_items: int, items: Any) -> None:
    """Write the first items of the ranking that are not in the user's row."""
    for chunk in numba.prange((len(users) + _USERS_PER_CHUNK - 1) // _USERS_PER_CHUNK):
        last_row = np.full(n_items, -1, np.int64)  # in which an item was left out
        for row in range(chunk * _USERS_PER_CHUNK, min(len(users), (chunk + 1) * _USERS_PER_CHUNK)):
            for at in range(indptr[users[row]], indptr[users[row] + 1]):
                last_row[indices[at]] = row
            rank = 0
            for item in ranking:
                if rank == items.shape[1]:
                    break
                if last_row[item] != row:
                    items[row, rank] = item
                    rank += 1
