"""The loss of ALS as numbers: weights and confidences of entries, the penalty, and the vectors to start from."""

from __future__ import annotations

from math import sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.numerics.outliers import limited

CSR = TypeVar("CSR", sparse.csr_array, sparse.csr_matrix)

_PER_ROOT_DENSITY = 50.0  # default penalty over alpha, per root of the density
_PER_ROOT_SIDE = 0.48  # its greatest value, per cube root of the smaller of the numbers of users and items


def starting_factors(shape: tuple[int, int], factors: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Draw the factors from which the iterations start, uniformly from [0, 0.01) as implicit does.

    Users and items are drawn from separate streams, row by row, so that a new user or item at the end does not change
    the start of the others. implicit draws both from one stream: one new user then changes the start of every item,
    which has the effect of another seed and changes half of all lists of ten for nothing.

    Args:
        shape: (n_users, n_items).
        factors: length of the vectors.
        seed: seed of both streams.

    Returns:
        (n_users, f) and (n_items, f) float32.
    """
    users, items = (starting_rows(side, 0, rows, factors, seed) for side, rows in enumerate(shape))
    return users, items


def starting_rows(side: int, first: int, n_rows: int, factors: int, seed: int) -> FloatArray:
    """Draw some rows of the factors that `starting_factors` draws, the same bits.

    Args:
        side: 0 for users, 1 for items.
        first: the first row.
        n_rows: how many.
        factors: length of the vectors.
        seed: of both streams.

    Returns:
        (n_rows, f) float32.
    """
    rng = np.random.default_rng([seed, side])
    skipped, odd = divmod(first * factors, 2)  # two float32 are made of each number of the stream
    rng.bit_generator.advance(skipped)  # type: ignore[attr-defined]
    rng.random(odd, np.float32)
    return 0.01 * rng.random((n_rows, factors), np.float32)


def entry_weights(matrix: sparse.csr_array, degree_exponent: float) -> sparse.csr_matrix:
    """Return the entries divided by (users of the item)^degree_exponent, scaled to a mean magnitude of 1.

    The scaling gives `alpha` the same meaning for every matrix and every exponent. Rows of enormous entries are
    limited first: a single user would take all weight from the others.

    Args:
        matrix: (n_users, n_items) float32.
        degree_exponent: from 0 to 1.

    Returns:
        (n_users, n_items) float32, as the csr_matrix that implicit requires.
    """
    degree = np.bincount(matrix.indices, minlength=matrix.shape[1])
    divided = divided_by_degree(matrix, degree, degree_exponent)
    entries = limited(divided).data
    total = float(np.abs(entries).sum())
    scaled = (entries * (len(entries) / total if total else 1)).astype(np.float32)
    return sparse.csr_matrix((scaled, matrix.indices, matrix.indptr), shape=matrix.shape)


def divided_by_degree(
    matrix: sparse.csr_array, degree: NDArray[np.int64], exponent: float
) -> sparse.csr_array:
    """Return the entries divided by degree^exponent, float64.

    Args:
        matrix: (m, n_items), some users or all.
        degree: (n_items,) number of all users with an entry; 0 counts as 1.
        exponent: from 0 to 1.
    """
    divided = matrix.data * (np.maximum(degree, 1) ** -exponent)[matrix.indices]
    return sparse.csr_array((divided, matrix.indices, matrix.indptr), shape=matrix.shape)


def confidences(weights: CSR, alpha: float) -> CSR:
    """Return 1 + alpha · w for every weight w (Hu et al. 2008, section 4): no entry counts less than a missing one.

    A negative weight gives −(1 + alpha · |w|), with which implicit marks an item as disliked.

    Args:
        weights: (n_users, n_items) float32.
        alpha: above 0.
    """
    found = weights.copy()
    found.data = weights.data * np.float32(alpha) + np.sign(weights.data)
    return found


def penalty(weights: sparse.csr_matrix, regularization: float | None) -> float:
    """Return the weight of the squared vectors in the loss, as a multiple of alpha.

    It is `regularization` · √density. The default is 50 · √density, but at most .48 times the cube root of the smaller
    of the numbers of users and items; both are divided by the square root of the weights' root mean square, because
    with heavy tails most weights lie far below their mean. The limit matters on dense data: a penalty as great as the
    singular value of a taste removes that taste, and in the end only popularity is left. The rule was found on a grid
    of synthetic tastes and on real sets; `benchmarks/als_shapes.py` compares it with the best penalty on others.

    Args:
        weights: (n_users, n_items), from `entry_weights`.
        regularization: the setting, at least 0; None for the default.
    """
    if not weights.nnz:
        return 0.0
    squares = 0.0 if regularization is not None else float(np.square(weights.data, dtype=np.float64).mean())
    return penalty_of(weights.nnz, used_sides(weights), squares, regularization)


def penalty_of(
    n_entries: int, used: tuple[int, int], mean_square: float, regularization: float | None
) -> float:
    """Return `penalty` from what it needs to know of the weights.

    Args:
        n_entries: number of weights, above 0.
        used: users and items that have entries.
        mean_square: of the weights; not read if `regularization` is set.
        regularization: the setting, or None.
    """
    users, items = used
    root_density = sqrt(n_entries / (users * items))
    if regularization is not None:
        return regularization * root_density
    greatest: float = _PER_ROOT_SIDE * float(min(users, items)) ** (1 / 3)
    return min(_PER_ROOT_DENSITY * root_density, greatest) / sqrt(max(sqrt(mean_square), 1.0))


def used_sides(matrix: sparse.csr_array | sparse.csr_matrix) -> tuple[int, int]:
    """Return the number of non-empty rows and that of non-empty columns."""
    users = int(np.count_nonzero(np.diff(matrix.indptr)))
    return users, int(np.count_nonzero(np.bincount(matrix.indices)))
