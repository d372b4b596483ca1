"""Scores that are the sum of an item-item product and a product of factors: one block of scores for both."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.scoring.item_item_scorer import product_blocks
from models.scoring.selection import Selector


def top_n(
    profiles: sparse.csr_array,
    similarity: sparse.csr_array,
    user_factors: FloatArray,
    item_factors: FloatArray,
    users: IntArray,
    n: int,
    *,
    tie_order: NDArray[np.int32],
    exclude: sparse.csr_array | None = None,
    eligible: BoolArray | None = None,
) -> TopN:
    """The n items of greatest profiles · similarity + user_factors · item_factorsᵀ for each user.

    Beyond the result it holds one block of scores. The arguments are those of `item_item_scorer.top_n` and of
    `factor_scorer.top_n`.
    """
    users = np.asarray(users)
    selector = Selector(users, n, tie_order, exclude, eligible)
    for start, scores in _blocks(profiles, similarity, user_factors, item_factors, users):
        selector.select(start, scores)
    return selector.top


def score(
    profiles: sparse.csr_array,
    similarity: sparse.csr_array,
    user_factors: FloatArray,
    item_factors: FloatArray,
    users: IntArray,
) -> FloatArray:
    """Scores of all items for `users`: (len(users), n_items) float32."""
    scores = np.empty((len(users), similarity.shape[1]), np.float32)
    for start, block in _blocks(profiles, similarity, user_factors, item_factors, np.asarray(users)):
        scores[start : start + len(block)] = block
    return scores


def _blocks(
    profiles: sparse.csr_array,
    similarity: sparse.csr_array,
    user_factors: FloatArray,
    item_factors: FloatArray,
    users: IntArray,
) -> Iterator[tuple[int, FloatArray]]:
    """The blocks of `product_blocks`, to which the product of the factors is added in place."""
    import torch  # noqa: PLC0415  (takes a second: only who scores pays it, `recs show` does not)

    weights = torch.from_numpy(item_factors).T
    for start, products in product_blocks(profiles, similarity, users):
        np.copyto(products, 0, where=np.isneginf(products))
        block = torch.from_numpy(user_factors[users[start : start + len(products)]])
        torch.from_numpy(products).addmm_(block, weights)
        yield start, products
