"""The one top-N scorer of all item-item models: profiles times similarity, then selection.

score(u, i) = Σ_j profiles[u, j] · similarity[j, i], and the product of the factors of u and i where a model has those
too. A sum of exactly zero means that nothing the user did speaks for or against the item: that is no score, so it is
never listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, DivergedError, FloatArray, IntArray, TopN
from models.numerics.threads import one_launch
from models.ranking.topk import Selector, block_rows

Factors = tuple[FloatArray, FloatArray]
"""(n_users, f) and (n_items, f) float32: similarities of low rank, which need not be held item by item."""

_ROUNDING = 1e-6  # of a user's greatest product of factors: what is no more is a zero with rounding


def top_n(
    profiles: sparse.csr_array,
    similarity: sparse.csr_array,
    users: IntArray,
    n: int,
    *,
    tie_order: NDArray[np.int32],
    factors: Factors | None = None,
    exclude: sparse.csr_array | None = None,
    eligible: BoolArray | None = None,
) -> TopN:
    """The n items of greatest score for each user; items without evidence are left out.

    Beyond the result it holds one block of at most 1,024 rows and 30 million scores, with `factors` two.

    Args:
        profiles: (n_users, n_items) float32, what each user did.
        similarity: (n_items, n_items) float32.
        users: (n_rows,) rows of `profiles` and of `exclude`.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
        factors: whose products are added to the scores.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may appear.
    """
    users = np.asarray(users)
    selector = Selector(users, n, tie_order, exclude, eligible)
    for start, scores in _score_blocks(profiles, similarity, factors, users):
        selector.select(start, scores)
    return selector.top


def score(
    profiles: sparse.csr_array, similarity: sparse.csr_array, users: IntArray, factors: Factors | None = None
) -> FloatArray:
    """Scores of all items for `users`: (len(users), n_items) float32, NaN where there is no evidence."""
    scores = np.empty((len(users), similarity.shape[1]), np.float32)
    for start, block in _score_blocks(profiles, similarity, factors, np.asarray(users)):
        scores[start : start + len(block)] = block
    scores[np.isneginf(scores)] = np.nan
    return scores


def check_products(vectors: sparse.csr_array) -> None:
    """Raise if a product of two rows could be too large for float32.

    Raises:
        DivergedError: that is so, or an entry is NaN or infinite.
    """
    _check(_longest(vectors) * _magnitude(vectors.data) ** 2, "products")


def check_scores(
    profiles: sparse.csr_array, similarity: sparse.csr_array, factors: Factors | None = None
) -> None:
    """Raise if a score could be too large for float32.

    Raises:
        DivergedError: that is so, or something that was learned is NaN or infinite.
    """
    greatest = _longest(profiles) * _magnitude(profiles.data) * _magnitude(similarity.data)
    if factors is not None:
        greatest += factors[0].shape[1] * _magnitude(factors[0]) * _magnitude(factors[1])
    _check(greatest, "scores")


def _check(greatest: float, what: str) -> None:
    if not greatest <= float(np.finfo(np.float32).max):  # NaN is neither less nor greater
        raise DivergedError(f"the entries of the matrix are too large: {what} overflow float32")


def _longest(vectors: sparse.csr_array) -> int:
    return int(np.diff(vectors.indptr).max(initial=0))


def _magnitude(values: FloatArray) -> float:
    return float(np.maximum(values.max(initial=0), -values.min(initial=0)))


def _score_blocks(
    profiles: sparse.csr_array, similarity: sparse.csr_array, factors: Factors | None, users: IntArray
) -> Iterator[tuple[int, FloatArray]]:
    """The blocks of `product_blocks`, with the products of the factors added: −inf where both say nothing."""
    if factors is None:
        yield from product_blocks(profiles, similarity, users)
        return
    import torch  # noqa: PLC0415  (takes a second: only who scores pays it, `recs show` does not)

    user_factors, weights = factors[0], torch.from_numpy(factors[1]).T
    buffer = torch.empty(0)
    for start, scores in product_blocks(profiles, similarity, users):
        buffer = buffer if len(buffer) else torch.empty(scores.shape)
        block = torch.from_numpy(user_factors[users[start : start + len(scores)]])
        torch.mm(block, weights, out=buffer[: len(scores)])
        with one_launch:
            _add(scores, buffer.numpy())
        yield start, scores


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


@numba.njit(parallel=True, cache=True)
def _add(scores: Any, products: Any) -> None:
    """Add the products to the scores; −inf, which is no score, stays where the product is but rounding."""
    for row in numba.prange(len(scores)):
        greatest = np.float32(0)
        for column in range(scores.shape[1]):
            greatest = max(greatest, abs(products[row, column]))
        least = np.float32(_ROUNDING) * greatest
        for column in range(scores.shape[1]):
            product = products[row, column]
            if scores[row, column] > -np.inf:
                scores[row, column] += product
            elif abs(product) > least:
                scores[row, column] = product
