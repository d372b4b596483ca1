"""Top-N scorer of factor models on a GPU: product, masks and selection stay on it, only candidates come back.

The lists equal those of the processors but for the last bits of the scores: a GPU adds in another order. Equal scores
are put into order among the candidates alone; where more items tie with the last of a list than there are candidates,
the GPU decides which of them are listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN

if TYPE_CHECKING:
    import torch

_SPARE = 28  # candidates beyond n, so that most ties are settled as on the processors
_SCORES_AT_A_TIME = 250_000_000  # 1 GB on the GPU, and as much again while it selects


def top_n(
    user_factors: FloatArray,
    item_factors: FloatArray,
    users: IntArray,
    n: int,
    *,
    tie_order: NDArray[np.int32],
    device: torch.device,
    exclude: sparse.csr_array | None = None,
    eligible: BoolArray | None = None,
) -> TopN:
    """Return the n items of greatest user_factors · item_factors for each user.

    Args:
        user_factors: (n_users, f) float32.
        item_factors: (n_items, f) float32.
        users: (n_rows,) rows of `user_factors` and of `exclude`.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
        device: that computes.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may appear; by default all.

    Returns:
        Lists of shape (n_rows, n).
    """
    import torch  # noqa: PLC0415  (takes a second, which `recs show` need not wait)

    n_items = len(item_factors)
    tie_rank = np.empty(n_items, np.int32)
    tie_rank[tie_order] = np.arange(n_items, dtype=np.int32)
    weights = torch.from_numpy(np.ascontiguousarray(item_factors)).to(device).T
    hidden = None if eligible is None else torch.from_numpy(~eligible).to(device)
    top = TopN(np.full((len(users), n), -1, np.int32), np.full((len(users), n), np.nan, np.float32))
    height = max(1, _SCORES_AT_A_TIME // max(n_items, 1))
    for start in range(0, len(users), height):
        rows = users[start : start + height]
        scores = torch.from_numpy(user_factors[rows]).to(device) @ weights
        torch.nan_to_num_(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        if hidden is not None:
            scores.masked_fill_(hidden, -np.inf)
        if exclude is not None:
            seen = exclude[rows].tocoo()
            row, item = (torch.from_numpy(of.astype(np.int64)).to(device) for of in (seen.row, seen.col))
            scores[row, item] = -np.inf
        values, items = (of.cpu().numpy() for of in scores.topk(min(n + _SPARE, n_items), dim=1))
        _fill(top, start, values, items.astype(np.int32), tie_rank)
    return top


def _fill(
    top: TopN, start: int, values: FloatArray, items: NDArray[np.int32], tie_rank: NDArray[np.int32]
) -> None:
    """Write the first of the candidates, best first, into the lists from row `start` on."""
    order = np.lexsort((tie_rank[items], -values), axis=-1)[:, : top.items.shape[1]]
    best, scores = np.take_along_axis(items, order, axis=1), np.take_along_axis(values, order, axis=1)
    listed = np.isfinite(scores) | (scores > 0)
    rows = slice(start, start + len(values))
    top.items[rows, : best.shape[1]] = np.where(listed, best, -1)
    top.scores[rows, : best.shape[1]] = np.where(listed, scores, np.nan)
