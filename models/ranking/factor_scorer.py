"""Top-N scorer of all factor models: products of some users and some items, each selected from at once; or on a GPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.device import gpu_name, torch_device
from models.ranking import gpu_scorer
from models.ranking.topk import PartialLists, Selector

_USERS, _ITEMS = 512, 8192
"""Users and items whose scores are computed at once: 16 MB."""


def top_n(
    user_factors: FloatArray,
    item_factors: FloatArray,
    users: IntArray,
    n: int,
    *,
    tie_order: NDArray[np.int32],
    item_bias: FloatArray | None = None,
    exclude: sparse.csr_array | None = None,
    eligible: BoolArray | None = None,
) -> TopN:
    """Return the n items of greatest user_factors · item_factors + item_bias for each user.

    Beyond the result it holds the scores of 512 users and 8,192 items: so many stay in the processor's caches until the
    best of them are found. All scores of a block of users would be written to memory and read from there again, which
    takes as long as their product with 64 factors.

    Args:
        user_factors: (n_users, f) float32.
        item_factors: (n_items, f) float32.
        users: (n_rows,) rows of `user_factors` and of `exclude`.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
        item_bias: (n_items,) float32; None is zero.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may appear; by default all.

    Returns:
        Lists of shape (n_rows, n).
    """
    users = np.asarray(users)
    if gpu_name():
        return gpu_scorer.top_n(
            _with_one(user_factors, item_bias), _with_bias(item_factors, item_bias), users, n,
            tie_order=tie_order, device=torch_device("auto"), exclude=exclude, eligible=eligible,
        )  # fmt: skip
    selector = Selector(users, n, tie_order, exclude, eligible)
    weights = _with_bias(item_factors, item_bias)
    buffer = np.empty(min(_USERS, len(users)) * min(_ITEMS, len(weights)), np.float32)
    for start in range(0, len(users), _USERS):
        block = _with_one(user_factors[users[start : start + _USERS]], item_bias)
        lists = PartialLists(selector, start, len(block))
        for first in range(0, len(weights), _ITEMS):
            part = weights[first : first + _ITEMS]
            scores = buffer[: len(block) * len(part)].reshape(len(block), len(part))
            # By numpy's OpenBLAS: torch's MKL takes 1.8 times as long on processors that are not Intel's. The last bit
            # may depend on the processor and on the column: equal item vectors need not tie.
            with np.errstate(over="ignore", invalid="ignore"):  # such scores are never listed
                np.matmul(block, part.T, out=scores)
            lists.add(first, scores)
        lists.finish()
    return selector.top


def score(
    user_factors: FloatArray, item_factors: FloatArray, users: IntArray, item_bias: FloatArray | None = None
) -> FloatArray:
    """Compute the scores of all items.

    Args:
        user_factors: (n_users, f) float32.
        item_factors: (n_items, f) float32.
        users: (b,) rows of `user_factors`.
        item_bias: (n_items,) float32; None is zero.

    Returns:
        (b, n_items) float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        scores: FloatArray = _with_one(user_factors[users], item_bias) @ _with_bias(item_factors, item_bias).T
    return scores


def _with_bias(item_factors: FloatArray, item_bias: FloatArray | None) -> FloatArray:
    """Append the bias as one more factor, so that the product adds it; `_with_one` gives users a 1 there."""
    if item_bias is None:
        return np.ascontiguousarray(item_factors, np.float32)
    return np.column_stack([item_factors, item_bias]).astype(np.float32, copy=False)


def _with_one(user_factors: FloatArray, item_bias: FloatArray | None) -> FloatArray:
    if item_bias is None:
        return np.ascontiguousarray(user_factors, np.float32)
    return np.column_stack([user_factors, np.ones(len(user_factors), np.float32)])
