"""The one top-N scorer of all item-item models: profiles times similarity, then selection.

score(u, i) = Σ_j profiles[u, j] · similarity[j, i]. A score of exactly zero means that nothing the user did
speaks for or against the item: that is no score, so it is never listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.scoring.launch import one_launch
from models.scoring.selection import Selector, block_rows


def top_n(
    profiles: sparse.csr_array,
    similarity: sparse.csr_array,
    users: IntArray,
    n: int,
    *,
    tie_order: NDArray[np.int32],
    exclude: sparse.csr_array | None = None,
    eligible: BoolArray | None = None,
) -> TopN:
    """The n items of greatest score for each user; items without evidence are left out.

    Beyond the result it holds one block of at most 1,024 rows and 30 million scores.

    Args:
        profiles: (n_users, n_items) float32, what each user did.
        similarity: (n_items, n_items) float32.
        users: (n_rows,) rows of `profiles` and of `exclude`.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may appear.
    """
    users = np.asarray(users)
    selector = Selector(users, n, tie_order, exclude, eligible)
    for start, scores in product_blocks(profiles, similarity, users):
        selector.select(start, scores)
    return selector.top


def score(profiles: sparse.csr_array, similarity: sparse.csr_array, users: IntArray) -> FloatArray:
    """Scores of all items for `users`: (len(users), n_items) float32, NaN where there is no evidence."""
    scores = np.empty((len(users), similarity.shape[1]), np.float32)
    for start, block in product_blocks(profiles, similarity, np.asarray(users)):
        scores[start : start + len(block)] = block
    scores[np.isneginf(scores)] = np.nan
    return scores


def product_blocks(
    left: sparse.csr_array, right: sparse.csr_array, rows: IntArray
) -> Iterator[tuple[int, FloatArray]]:
    """The product left[rows] · right, a block of rows at a time, with −inf for zero.

    Yields:
        The position in `rows` of the block's first row, and the block, (b, right.shape[1]) float32, which the
        next one overwrites. Every row is summed by one thread, so results do not depend on their number.
    """
    buffer = np.empty((min(block_rows(right.shape[1]), len(rows)), right.shape[1]), np.float32)
    for start in range(0, len(rows), max(len(buffer), 1)):
        block = rows[start : start + len(buffer)]
        with one_launch:
            _multiply(_parts(left), _parts(right), block, buffer[: len(block)])
        yield start, buffer[: len(block)]


def _parts(matrix: sparse.csr_array) -> tuple[IntArray, IntArray, FloatArray]:
    return matrix.indptr, matrix.indices, matrix.data


@numba.njit(parallel=True, cache=True)
def _multiply(left: Any, right: Any, rows: Any, product: Any) -> None:
    """left[rows] · right, sparse times sparse into dense rows (Gustavson 1978)."""
    left_indptr, left_indices, left_data = left
    right_indptr, right_indices, right_data = right
    for row in numba.prange(len(rows)):
        product[row] = 0
        for at in range(left_indptr[rows[row]], left_indptr[rows[row] + 1]):
            inner, weight = left_indices[at], left_data[at]
            for to in range(right_indptr[inner], right_indptr[inner + 1]):
                product[row, right_indices[to]] += weight * right_data[to]
        for column in range(product.shape[1]):
            if product[row, column] == 0:
                product[row, column] = -np.inf
