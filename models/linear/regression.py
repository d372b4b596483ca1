"""Ridge regression of every item on the other items: on all of them at once, or of each item on a few.

Row i of the result holds the weights b that minimise |x_i − X b|² + Σ_j penalty_j · b_j² with b_i = 0, where x_i is
column i of X, the matrix of users and items.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg.lapack import spotrf, spotri

from models.base import FloatArray, Progress
from models.neighbours.neighbourhoods import keep_greatest, possible_neighbours
from models.numerics.threads import one_launch
from models.ranking.item_item_scorer import check_products, product_blocks

Penalty = float | NDArray[np.float64]

_ROWS = 64  # rows of a large array processed at a time
SCRATCH_BYTES = 50 * _ROWS
"""Bytes per item, an upper bound, that `solve_dense` and `keep_strongest` need beside their results."""
_ROUNDING = 1e-6  # relative to the trace: error of the least eigenvalue in float32
_ITEMS_PER_CHUNK = 32  # items that share one scratch space
_ITEMS_PER_REPORT = 4096  # items between calls of progress
_TOLERANCE = 1e-4  # size of the gradient, relative to the first, at which the iteration ends
_MAX_STEPS = 200  # of conjugate gradients; a dozen are usual


def solve_dense(matrix: sparse.csr_array, penalty: Penalty) -> FloatArray:
    """Regress each item on all other items: Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8.

    Holds one (n_items, n_items) float32 array and computes in place.

    Args:
        matrix: (n_users, n_items) float32.
        penalty: on the squared weight of each item, (n_items,), or one of all; above 0.

    Returns:
        (n_items, n_items) float32, row i the weights that predict item i; the diagonal is 0.

    Raises:
        ValueError: the penalty is too small for float32, so that the Cholesky decomposition meets a pivot that is not
            positive.
        DivergedError: the entries are too large for float32.
    """
    n_items = matrix.shape[1]
    weights = np.empty((n_items, n_items), np.float32)
    if n_items == 0:
        return weights
    columns = sparse.csr_array(matrix.T)
    check_products(columns)
    for rows in _row_blocks(n_items):
        for start, products in product_blocks(columns, matrix, rows):
            products[np.isneginf(products)] = 0
            weights[rows[start : start + len(products)]] = products
    trace = np.diag(weights).sum(dtype=np.float64)
    weights[np.diag_indices(n_items)] += penalty
    # Whether a matrix at the edge of float32 has a positive pivot depends on the processor's rounding. No fall-back can
    # help, for the inverse would be rounding errors. Far from that edge, as with the default penalty, it cannot fail.
    triangle = weights.T  # LAPACK expects column order, and the matrix is symmetric: no copy
    _, failed = spotrf(triangle, lower=1, overwrite_a=1)
    if failed:
        raise ValueError(
            f"ease: a regularization of {np.min(penalty):g} is too small to solve for {n_items:,} items in float32: "
            f"raise models.ease.regularization to about {_ROUNDING * trace:.2g} or more"
        )
    # This fails only on a zero on the diagonal, which spotrf has excluded.
    spotri(triangle, lower=1, overwrite_c=1)
    for rows in _row_blocks(n_items):  # LAPACK writes one triangle of the inverse: mirror it
        start, block = rows[0], weights[rows[0] : rows[-1] + 1]
        block[:, :start] = weights[:start, rows].T
        square = block[:, rows]
        block[:, rows] = np.triu(square) + np.triu(square, 1).T
    weights /= -np.diag(weights)[:, None].copy()
    weights[np.diag_indices(n_items)] = 0
    return weights


def keep_strongest(weights: FloatArray, k: int, tie_order: NDArray[np.int32]) -> sparse.csr_array:
    """Keep the k entries of greatest magnitude of each row.

    Args:
        weights: (n_items, n_items) float32; zeros are never kept.
        k: entries kept per row, at least 1.
        tie_order: (n_items,) permutation; of equal magnitudes the column that comes first in it is kept.

    Returns:
        (n_items, n_items) float32, with the signs of `weights`.
    """
    n_items = len(weights)
    kept = keep_greatest(_magnitudes(weights), np.full(n_items, n_items), k=k, tie_order=tie_order)
    for rows in _row_blocks(n_items):
        counts = np.diff(kept.indptr[rows[0] : rows[-1] + 2])
        part = slice(kept.indptr[rows[0]], kept.indptr[rows[-1] + 1])
        kept.data[part] = weights[np.repeat(rows, counts), kept.indices[part]]
    return kept


def _magnitudes(weights: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Yield blocks of absolute values, −inf for zero."""
    for rows in _row_blocks(len(weights)):
        block = np.abs(weights[rows[0] : rows[-1] + 1])
        block[block == 0] = -np.inf
        yield rows[0], block


def _row_blocks(n_rows: int) -> Iterator[NDArray[np.int64]]:
    """Yield all row indices, a few at a time, so that temporary arrays stay small beside the large one."""
    for start in range(0, n_rows, _ROWS):
        yield np.arange(start, min(start + _ROWS, n_rows))


def best_predictors(
    matrix: sparse.csr_array, penalty: Penalty, k: int, tie_order: NDArray[np.int32]
) -> sparse.csr_array:
    """Return each item's k best single predictors: the items that lower its loss most when used alone.

    Item j lowers the loss of item i by (x_i · x_j)² / (|x_j|² + penalty_j) (Fan & Lv 2008, "Sure independence
    screening").

    Args:
        matrix: (n_users, n_items) float32.
        penalty: as of `solve_dense`.
        k: predictors per item, at least 1; fewer where fewer items share a user with the item.
        tie_order: (n_items,) permutation; of equal predictors the item that comes first in it is kept.

    Returns:
        (n_items, n_items) float32; the stored columns of row i are the predictors of item i.

    Raises:
        DivergedError: the entries are too large for float32.
    """
    columns = sparse.csr_array(matrix.T)
    check_products(columns)
    gains = _gains(columns, matrix, penalty)
    return keep_greatest(gains, possible_neighbours(columns), k=k, tie_order=tie_order)


def _gains(
    columns: sparse.csr_array, matrix: sparse.csr_array, penalty: Penalty
) -> Iterator[tuple[int, FloatArray]]:
    """Yield the root of the decrease of loss for every pair of items; −inf without a common user and for i = j."""
    items = np.arange(len(columns.indptr) - 1)
    squares = np.asarray(matrix.multiply(matrix).sum(axis=0), np.float32)
    scale = 1 / np.sqrt(squares + np.asarray(penalty, np.float32))
    for start, products in product_blocks(columns, matrix, items):
        with one_launch:
            _to_gains(products, start, scale)
        yield start, products


@numba.njit(parallel=True, cache=True)
def _to_gains(products: Any, start: int, scale: Any) -> None:
    """Turn products into roots of the decrease of loss, in place."""
    for row in numba.prange(len(products)):
        products[row, start + row] = -np.inf
        for column in range(products.shape[1]):
            product = products[row, column]
            if product > -np.inf:
                products[row, column] = abs(product) * scale[column]


def solve_sparse(
    matrix: sparse.csr_array, chosen: sparse.csr_array, penalty: Penalty, progress: Progress
) -> sparse.csr_array:
    """Regress each item on the items stored in its row of `chosen`, by conjugate gradients.

    Steck et al. 2019, "Markov random fields for collaborative filtering", section 3.2, solve the same small problems.
    No product of items × items is held: each problem is solved on its own few columns, by one thread, so results do not
    depend on the number of threads.

    Args:
        matrix: (n_users, n_items) float32.
        chosen: (n_items, n_items); only the positions of the entries are read.
        penalty: as of `solve_dense`.
        progress: called as progress(items done, n_items) after every 4,096 items.

    Returns:
        (n_items, n_items) float32, the weights at the positions of `chosen`.
    """
    columns = sparse.csr_array(matrix.T)
    weights = np.empty(chosen.nnz, np.float32)
    n_items = chosen.shape[0]
    penalties = np.broadcast_to(np.asarray(penalty, np.float64), n_items).copy()
    for start in range(0, n_items, _ITEMS_PER_REPORT):
        stop = min(start + _ITEMS_PER_REPORT, n_items)
        with one_launch:
            _regress(
                (columns.indptr, columns.indices, columns.data), (chosen.indptr, chosen.indices),
                (start, stop), matrix.shape[0], penalties, weights,
            )  # fmt: skip
        progress(stop, n_items)
    return sparse.csr_array((weights, chosen.indices, chosen.indptr), shape=chosen.shape)


@numba.njit(parallel=True, cache=True)
def _regress(columns: Any, chosen: Any, items: Any, n_users: int, penalties: Any, weights: Any) -> None:
    """Write the entries of `weights`, in the order of `chosen`, for items from `items[0]` up to `items[1]`."""
    indptr, regressors = chosen
    first, end = items
    for chunk in numba.prange((end - first + _ITEMS_PER_CHUNK - 1) // _ITEMS_PER_CHUNK):
        local = np.full(n_users, -1, np.int32)
        start = first + chunk * _ITEMS_PER_CHUNK
        for item in range(start, min(end, start + _ITEMS_PER_CHUNK)):
            part = slice(indptr[item], indptr[item + 1])
            starts, users, values, n_local = _local_columns(columns, regressors[part], local)
            gradient = _against_target(columns, item, regressors[part], local, starts, users, values)
            weights[part] = _conjugate_gradients(
                starts, users, values, n_local, gradient, penalties[regressors[part]]
            )
            for column in regressors[part]:
                for at in range(columns[0][column], columns[0][column + 1]):
                    local[columns[1][at]] = -1


@numba.njit(cache=True)
def _local_columns(columns: Any, regressors: Any, local: Any) -> Any:
    """Copy the regressors' columns, with users renumbered in order of appearance, so that they fit into the cache."""
    indptr, indices, data = columns
    starts = np.zeros(len(regressors) + 1, np.int64)
    for number, column in enumerate(regressors):
        starts[number + 1] = starts[number] + indptr[column + 1] - indptr[column]
    users = np.empty(starts[-1], np.int32)
    values = np.empty(starts[-1], np.float32)
    n_local = 0
    to = 0
    for column in regressors:
        for at in range(indptr[column], indptr[column + 1]):
            if local[indices[at]] < 0:
                local[indices[at]] = n_local
                n_local += 1
            users[to] = local[indices[at]]
            values[to] = data[at]
            to += 1
    return starts, users, values, n_local


@numba.njit(cache=True)
def _against_target(
    columns: Any, item: int, regressors: Any, local: Any, starts: Any, users: Any, values: Any
) -> Any:
    """Return each regressor's product with the item's own column."""
    indptr, indices, data = columns
    target = np.zeros(users.max() + 1 if len(users) else 1, np.float64)
    for at in range(indptr[item], indptr[item + 1]):
        if local[indices[at]] >= 0:
            target[local[indices[at]]] = data[at]
    products = np.zeros(len(regressors), np.float64)
    for number in range(len(regressors)):
        for at in range(starts[number], starts[number + 1]):
            products[number] += values[at] * target[users[at]]
    return products


@numba.njit(cache=True)
def _conjugate_gradients(
    starts: Any, users: Any, values: Any, n_local: int, gradient: Any, penalties: Any
) -> Any:
    """Solve (AᵀA + diag(penalties)) b = gradient, preconditioned by the diagonal (Hestenes & Stiefel 1952)."""
    size = len(gradient)
    diagonal = penalties.copy()
    for number in range(size):
        for at in range(starts[number], starts[number + 1]):
            diagonal[number] += values[at] * values[at]
    solution = np.zeros(size)
    residual = gradient.copy()
    direction = residual / diagonal
    image = np.empty(n_local)
    curved = np.empty(size)
    energy = first = (residual * direction).sum()
    for _ in range(_MAX_STEPS):
        if energy <= first * _TOLERANCE**2:
            break
        image[:] = 0
        for number in range(size):
            for at in range(starts[number], starts[number + 1]):
                image[users[at]] += values[at] * direction[number]
        for number in range(size):
            total = penalties[number] * direction[number]
            for at in range(starts[number], starts[number + 1]):
                total += values[at] * image[users[at]]
            curved[number] = total
        step = energy / (direction * curved).sum()
        solution += step * direction
        residual -= step * curved
        scaled = residual / diagonal
        before, energy = energy, (residual * scaled).sum()
        direction = scaled + (energy / before) * direction
    return solution
