"""Every item regressed on the other items, with a penalty on squared weights: all at once, or each on a few.

Row i of the result holds the weights b that make Σ_j b_j · column j come nearest to column i, with b_i = 0:
argmin |x_i − X b|² + penalty · |b|².
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
from models.neighbours.neighbourhoods import nearest, reach
from models.numerics.threads import one_launch
from models.ranking.item_item_scorer import check_products, product_blocks

_ROWS = 64  # of a large array that are looked at at once
SCRATCH_BYTES = 50 * _ROWS  # per item, at most what `on_all` and `strongest` need beside their results
_ROUNDING = 1e-6  # of the trace: what float32 may lose of the least eigenvalue
_ITEMS_PER_CHUNK = 32  # items that share one scratch space
_ITEMS_PER_REPORT = 4096  # items after which progress is told
_TOLERANCE = 1e-4  # at which the remaining gradient ends the iteration, relative to the first
_MAX_STEPS = 200  # of conjugate gradients; a dozen are usual


def on_all(matrix: sparse.csr_array, penalty: float) -> FloatArray:
    """The weights on all other items: Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8.

    Holds one (n_items, n_items) float32 array, in which everything happens in place.

    Raises:
        ValueError: the penalty is too small for float32, so that Cholesky's method meets a pivot that is not
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
    # Whether a matrix at the edge of float32 has a positive pivot depends on the processor's rounding: no fall-back can
    # help, for the inverse would be rounding errors. Far from that edge, as with the default penalty, it cannot fail.
    triangle = weights.T  # LAPACK wants columns, and the matrix is symmetric: this copies nothing
    _, failed = spotrf(triangle, lower=1, overwrite_a=1)
    if failed:
        raise ValueError(
            f"ease: a regularization of {penalty:g} is too small to solve for {n_items:,} items in float32: "
            f"raise models.ease.regularization to about {_ROUNDING * trace:.2g} or more"
        )
    spotri(
        triangle, lower=1, overwrite_c=1
    )  # fails on a zero on the diagonal only, which spotrf has excluded
    for rows in _row_blocks(n_items):  # it left one half of the inverse: mirror it
        start, block = rows[0], weights[rows[0] : rows[-1] + 1]
        block[:, :start] = weights[:start, rows].T
        square = block[:, rows]
        block[:, rows] = np.triu(square) + np.triu(square, 1).T
    weights /= -np.diag(weights)[:, None].copy()
    weights[np.diag_indices(n_items)] = 0
    return weights


def strongest(weights: FloatArray, k: int, tie_order: NDArray[np.int32]) -> sparse.csr_array:
    """The k entries of greatest magnitude of each row of a square array, as a sparse matrix."""
    n_items = len(weights)
    kept = nearest(_magnitudes(weights), np.full(n_items, n_items), k=k, tie_order=tie_order)
    for rows in _row_blocks(n_items):
        counts = np.diff(kept.indptr[rows[0] : rows[-1] + 2])
        part = slice(kept.indptr[rows[0]], kept.indptr[rows[-1] + 1])
        kept.data[part] = weights[np.repeat(rows, counts), kept.indices[part]]
    return kept


def _magnitudes(weights: FloatArray) -> Iterator[tuple[int, FloatArray]]:
    """Blocks of absolute values, −inf for zero."""
    for rows in _row_blocks(len(weights)):
        block = np.abs(weights[rows[0] : rows[-1] + 1])
        block[block == 0] = -np.inf
        yield rows[0], block


def _row_blocks(n_rows: int) -> Iterator[NDArray[np.int64]]:
    """All rows, a few at a time, so that what is computed beside a large array stays small."""
    for start in range(0, n_rows, _ROWS):
        yield np.arange(start, min(start + _ROWS, n_rows))


def candidates(
    matrix: sparse.csr_array, penalty: float, k: int, tie_order: NDArray[np.int32]
) -> sparse.csr_array:
    """Each item's k best single regressors: those j that lower the loss most when they are alone.

    That is by (x_i · x_j)² / (|x_j|² + penalty): Fan & Lv 2008, "Sure independence screening".

    Args:
        matrix: (n_users, n_items) float32.
        penalty: on squared weights.
        k: how many; fewer where fewer share a user with the item.
        tie_order: (n_items,) permutation that decides between equal ones.

    Raises:
        DivergedError: the entries are too large for float32.
    """
    columns = sparse.csr_array(matrix.T)
    check_products(columns)
    gains = _gains(columns, matrix, penalty)
    return nearest(gains, reach(columns), k=k, tie_order=tie_order)


def _gains(
    columns: sparse.csr_array, matrix: sparse.csr_array, penalty: float
) -> Iterator[tuple[int, FloatArray]]:
    """The roots of what every item would gain from every other, −inf for what shares no user and for itself."""
    items = np.arange(len(columns.indptr) - 1)
    scale = 1 / np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0), np.float32) + np.float32(penalty))
    for start, products in product_blocks(columns, matrix, items):
        with one_launch:
            _to_gains(products, start, scale)
        yield start, products


@numba.njit(parallel=True, cache=True)
def _to_gains(products: Any, start: int, scale: Any) -> None:
    """Products to the roots of gains, in place."""
    for row in numba.prange(len(products)):
        products[row, start + row] = -np.inf
        for column in range(products.shape[1]):
            product = products[row, column]
            if product > -np.inf:
                products[row, column] = abs(product) * scale[column]


def on_candidates(
    matrix: sparse.csr_array, chosen: sparse.csr_array, penalty: float, progress: Progress
) -> sparse.csr_array:
    """The weights on the items that are stored in each row of `chosen`, by conjugate gradients.

    Steck et al. 2019, "Markov random fields for collaborative filtering", section 3.2, solve such small problems
    for the same end. No product of items × items is held: each problem is solved on its own few columns, by one
    thread, so that results do not depend on the number of threads.
    """
    columns = sparse.csr_array(matrix.T)
    weights = np.empty(chosen.nnz, np.float32)
    n_items = chosen.shape[0]
    for start in range(0, n_items, _ITEMS_PER_REPORT):
        stop = min(start + _ITEMS_PER_REPORT, n_items)
        with one_launch:
            _regress(
                (columns.indptr, columns.indices, columns.data), (chosen.indptr, chosen.indices),
                (start, stop), matrix.shape[0], float(penalty), weights,
            )  # fmt: skip
        progress(stop, n_items)
    return sparse.csr_array((weights, chosen.indices, chosen.indptr), shape=chosen.shape)


@numba.njit(parallel=True, cache=True)
def _regress(columns: Any, chosen: Any, items: Any, n_users: int, penalty: float, weights: Any) -> None:
    """Fill `weights`, which lie as the entries of `chosen` do, from the first of `items` up to the second."""
    indptr, regressors = chosen
    first, end = items
    for chunk in numba.prange((end - first + _ITEMS_PER_CHUNK - 1) // _ITEMS_PER_CHUNK):
        local = np.full(n_users, -1, np.int32)
        start = first + chunk * _ITEMS_PER_CHUNK
        for item in range(start, min(end, start + _ITEMS_PER_CHUNK)):
            part = slice(indptr[item], indptr[item + 1])
            starts, users, values, n_local = _local_columns(columns, regressors[part], local)
            gradient = _against_target(columns, item, regressors[part], local, starts, users, values)
            weights[part] = _conjugate_gradients(starts, users, values, n_local, gradient, penalty)
            for column in regressors[part]:
                for at in range(columns[0][column], columns[0][column + 1]):
                    local[columns[1][at]] = -1


@numba.njit(cache=True)
def _local_columns(columns: Any, regressors: Any, local: Any) -> Any:
    """The regressors' columns side by side, with users numbered as they come: small enough for the cache."""
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
    """Each regressor's product with the item's own column."""
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
    starts: Any, users: Any, values: Any, n_local: int, gradient: Any, penalty: float
) -> Any:
    """Solve (AᵀA + penalty) b = gradient, preconditioned by the diagonal (Hestenes & Stiefel 1952)."""
    size = len(gradient)
    diagonal = np.full(size, penalty)
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
            total = penalty * direction[number]
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
