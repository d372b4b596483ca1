"""Top-N scorer of all item-item models: profiles times similarity, then selection.

score(u, i) = Σ_j profiles[u, j] · similarity[j, i], plus the product of the factors of u and i where a model has
factors. A sum of exactly zero means that no item of the user is similar to the item: that is no score, so the item is
never listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, DivergedError, FloatArray, IntArray, TopN
from models.numerics.threads import one_blas_thread, one_launch
from models.ranking.tiled_product import Tiles
from models.ranking.topk import Selector, block_rows

Factors = tuple[FloatArray, FloatArray]
"""(n_users, f) and (n_items, f) float32: a part of the scores of low rank, for which no similarities are stored."""

_TILED = 2  # times as many rows at a time with tiles: more of them share what is read of each tile
_ROUNDING = (
    1e-6  # relative to a user's greatest product of factors: smaller products are rounding errors of zero
)


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
    tiles: Tiles | None = None,
) -> TopN:
    """Return the n items of greatest score for each user; items without a score are left out.

    Beyond the result it holds one block of at most 1,024 rows and 30 million scores, or 60 million with tiles; two
    blocks with `factors`.

    Args:
        profiles: (n_users, n_items) float32, weights of each user's items.
        similarity: (n_items, n_items) float32.
        users: (n_rows,) rows of `profiles` and of `exclude`.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.
        factors: their products are added to the scores.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may appear; by default all.
        tiles: of `similarity`: the same lists sooner, if there are many users.

    Returns:
        Lists of shape (n_rows, n).
    """
    users = np.asarray(users)
    selector = Selector(users, n, tie_order, exclude, eligible)
    for start, scores in _score_blocks(profiles, similarity, factors, users, tiles):
        selector.select(start, scores)
    return selector.top


def score(
    profiles: sparse.csr_array, similarity: sparse.csr_array, users: IntArray, factors: Factors | None = None
) -> FloatArray:
    """Compute the scores of all items.

    Args:
        profiles: (n_users, n_items) float32, weights of each user's items.
        similarity: (n_items, n_items) float32.
        users: (b,) rows of `profiles`.
        factors: their products are added to the scores.

    Returns:
        (b, n_items) float32, NaN for items without a score.
    """
    scores = np.empty((len(users), similarity.shape[1]), np.float32)
    for start, block in _score_blocks(profiles, similarity, factors, np.asarray(users)):
        scores[start : start + len(block)] = block
    scores[np.isneginf(scores)] = np.nan
    return scores


def check_products(vectors: sparse.csr_array) -> None:
    """Check that the product of any two rows fits into float32.

    Args:
        vectors: (n, n_columns) float32.

    Raises:
        DivergedError: a product could overflow, or an entry is NaN or infinite.
    """
    _check(_longest(vectors) * _magnitude(vectors.data) ** 2, "products")


def check_scores(
    profiles: sparse.csr_array, similarity: sparse.csr_array, factors: Factors | None = None
) -> None:
    """Check that all scores fit into float32.

    Args:
        profiles: (n_users, n_items) float32.
        similarity: (n_items, n_items) float32.
        factors: their products are added to the scores.

    Raises:
        DivergedError: a score could overflow, or one of the arrays holds NaN or infinity.
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
    profiles: sparse.csr_array,
    similarity: sparse.csr_array,
    factors: Factors | None,
    users: IntArray,
    tiles: Tiles | None = None,
) -> Iterator[tuple[int, FloatArray]]:
    """Yield the blocks of `product_blocks`, with the products of the factors added; −inf where both are zero."""
    if factors is None:
        yield from product_blocks(profiles, similarity, users, tiles)
        return
    user_factors, item_factors = factors
    buffer = np.empty((0, 0), np.float32)
    threads = numba.get_num_threads()
    # BLAS's own threads would wait for the next product by spinning, and keep the processors from all else meanwhile
    with one_blas_thread(), ThreadPoolExecutor(threads, thread_name_prefix="products") as workers:
        for start, scores in product_blocks(profiles, similarity, users, tiles):
            buffer = buffer if len(buffer) else np.empty(scores.shape, np.float32)
            products = buffer[: len(scores)]
            left = user_factors[users[start : start + len(scores)]]
            step = -(-len(left) // threads)
            parts = [slice(first, first + step) for first in range(0, len(left), step)]
            list(workers.map(_multiply_into, [(left[part], item_factors, products[part]) for part in parts]))
            with one_launch:
                _add(scores, products)
            yield start, scores


def _multiply_into(given: tuple[FloatArray, FloatArray, FloatArray]) -> None:
    left, right, products = given
    with np.errstate(over="ignore", invalid="ignore"):  # as without factors
        np.matmul(left, right.T, out=products)


def product_blocks(
    left: sparse.csr_array, right: sparse.csr_array, rows: IntArray, tiles: Tiles | None = None
) -> Iterator[tuple[int, FloatArray]]:
    """Compute the product left[rows] · right, a block of rows at a time, with −inf for zero.

    Every row is summed by one thread, so results do not depend on the number of threads.

    Args:
        left: (n, k) float32.
        right: (k, n_columns) float32.
        rows: (b,) rows of `left`.
        tiles: of `right`, which is then not read; the bits are the same.

    Yields:
        The position in `rows` of the block's first row, and the block, (≤ 1,024, n_columns) float32, which the next
        block overwrites.
    """
    most = block_rows(right.shape[1], 1 if tiles is None else _TILED)
    buffer = np.empty((min(most, len(rows)), right.shape[1]), np.float32)
    for start in range(0, len(rows), max(len(buffer), 1)):
        block = rows[start : start + len(buffer)]
        if tiles is not None:
            tiles.multiply(left, block, buffer[: len(block)])
        else:
            with one_launch:
                _multiply(_parts(left), _parts(right), block, buffer[: len(block)])
        yield start, buffer[: len(block)]


def _parts(matrix: sparse.csr_array) -> tuple[IntArray, IntArray, FloatArray]:
    return matrix.indptr, matrix.indices, matrix.data


@numba.njit(parallel=True, cache=True)
def _multiply(left: Any, right: Any, rows: Any, product: Any) -> None:
    """Write left[rows] · right, sparse times sparse, into dense rows (Gustavson 1978); −inf for zero."""
    left_indptr, left_indices, left_data = left
    right_indptr, right_indices, right_data = right
    for row in numba.prange(len(rows)):
        product[row] = 0
        for at in range(left_indptr[rows[row]], left_indptr[rows[row] + 1]):
            inner, weight = left_indices[at], left_data[at]
            entries = slice(right_indptr[inner], right_indptr[inner + 1])
            columns, values = right_indices[entries], right_data[entries]
            for to in range(len(columns)):  # from 0, so that numba need not look for negative indices
                product[row, columns[to]] += weight * values[to]
        for column in range(product.shape[1]):
            if product[row, column] == 0:
                product[row, column] = -np.inf


@numba.njit(parallel=True, cache=True)
def _add(scores: Any, products: Any) -> None:
    """Add the products to the scores; −inf (no score) stays where the product is a rounding error of zero."""
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
