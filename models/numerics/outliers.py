"""A limit for rows whose entries are enormous beside those of the other rows."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

_TIMES = 100.0
_SHARE = 0.9

logger = logging.getLogger(__name__)


def limited_for(model: str, matrix: sparse.csr_array) -> sparse.csr_array:
    """Return `matrix` with enormous rows scaled down as by `limited`, and log it if there are any; `model` is named."""
    found = limited(matrix)
    if found is not matrix:
        logger.info(
            "%s scales the utilities of %d of %d users down to at most %g, more than a hundred times what those of "
            "nine in ten users do not exceed: so that they do not decide for all others.",
            model,
            np.count_nonzero(greatest_of_rows(found) < greatest_of_rows(matrix)),
            np.count_nonzero(np.diff(matrix.indptr)),
            np.abs(found.data).max(),
        )
    return found


def limited(matrix: sparse.csr_array) -> sparse.csr_array:
    """Scale rows of enormous entries down: a single user would otherwise take all weight from the others.

    The greatest magnitude of a row may exceed the ninetieth percentile of these magnitudes as much as that exceeds
    their median, and a hundred times more. With a half-life of days, the magnitudes of users who come and go over years
    have no usual size, and nothing is scaled. Whole rows are scaled and entries never cut, so that what a user prefers
    to what stays as it is.

    Args:
        matrix: (m, n) float, all entries finite.

    Returns:
        (m, n) of the same dtype and pattern; `matrix` itself if no row is above the limit. Rows of zeros do not count.
    """
    greatest = greatest_of_rows(matrix)
    return scaled_down(matrix, greatest, limit_of(greatest))


def limit_of(greatest: NDArray[np.float64]) -> float:
    """Return the limit of `limited` from the greatest magnitude of each row; infinity if all are 0.

    Args:
        greatest: (m,), of all rows.
    """
    used = greatest[greatest > 0]
    if not used.size:
        return np.inf
    median, usual = np.quantile(used, (0.5, _SHARE), method="lower")
    return float(_TIMES * usual * (usual / median))


def scaled_down(matrix: sparse.csr_array, greatest: NDArray[np.float64], most: float) -> sparse.csr_array:
    """Return the matrix with rows above a limit scaled down to it; `matrix` itself if there are none.

    Args:
        matrix: (m, n) float.
        greatest: (m,) the greatest magnitude of each row.
        most: the limit.
    """
    if greatest.max(initial=0) <= most:
        return matrix
    factors = most / np.maximum(greatest, most)
    entries = (matrix.data * np.repeat(factors, np.diff(matrix.indptr))).astype(matrix.dtype)
    return sparse.csr_array((entries, matrix.indices, matrix.indptr), shape=matrix.shape)


def greatest_of_rows(matrix: sparse.csr_array) -> NDArray[np.float64]:
    """Return the greatest magnitude of each row, (m,) float64; 0 for rows without entries."""
    found = np.zeros(matrix.shape[0])
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if filled.size:
        found[filled] = np.maximum.reduceat(np.abs(matrix.data), matrix.indptr[filled])
    return found
