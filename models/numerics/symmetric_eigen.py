"""Eigenvectors of symmetric matrices, by a chain of methods whose last one always converges.

LAPACK's fast drivers may end with an error on matrices with repeated eigenvalues, and it depends on the processor
whether they do: `syevr` for some of the eigenvalues fails on a checkerboard of 30 × 30 with OpenBLAS's SkylakeX
kernels, but not with its Haswell, Zen or Sandybridge kernels.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, eigh

logger = logging.getLogger(__name__)

Reals = NDArray[Any]  # float32 or float64, the same in and out
Driver = Literal["evr", "evd"]

_TOLERANCE = 1e-3  # far above any rounding of float32: LAPACK can return unusable vectors without an error
_MAX_SWEEPS = 60  # of Jacobi's method; six to ten are usual
_PADDING = 8  # columns: without them, those of 1,024 rows would compete for the same lines of the cache


def leading_eigenvectors(matrix: Reals, count: int, *, first: Driver = "evr") -> tuple[Reals, Reals]:
    """Return the greatest eigenvalues of a symmetric matrix and their orthonormal eigenvectors.

    The drivers are tried in turn, from the one named by `first`, until one returns eigenpairs of the matrix; the bits
    of the result are those of that driver. If all of LAPACK fails, Jacobi's method is used: it takes a second for 300
    rows and minutes for 1,000, but converges on every matrix.

    Args:
        matrix: (n, n) float32 or float64, finite. Only the lower triangle counts.
        count: how many eigenvalues, 0 to n.
        first: `evr` finds only the wanted eigenvectors, which is faster for a few; `evd` finds all of them.

    Returns:
        (count,) eigenvalues, ascending, and (n, count) eigenvectors as columns, of the dtype of `matrix`. The signs of
        the vectors are arbitrary, as is the basis within a repeated eigenvalue, but the same in every run on the same
        kind of processor.

    Raises:
        ValueError: an entry is infinite or NaN.
    """
    matrix = np.asarray_chkfinite(matrix)
    if count == 0:
        return np.empty(0, matrix.dtype), np.empty((len(matrix), 0), matrix.dtype)
    for driver in _DRIVERS if first == "evr" else _DRIVERS[1:]:
        try:
            values, vectors = driver(matrix, count)
        except LinAlgError as error:
            logger.debug("%s failed on a %d × %d matrix: %s", driver.__name__, *matrix.shape, error)
            continue
        if _are_eigenpairs(matrix, values, vectors, count):
            return values, vectors
        logger.debug("%s returned no eigenpairs of a %d × %d matrix", driver.__name__, *matrix.shape)
    return _jacobi(matrix, count)


def _evr(matrix: Reals, count: int) -> tuple[Reals, Reals]:
    """Find the wanted ones only, by bisection and inverse iteration (LAPACK's syevr)."""
    n = len(matrix)
    values, vectors = eigh(matrix, subset_by_index=[n - count, n - 1], driver="evr")
    return values, vectors


def _evd(matrix: Reals, count: int) -> tuple[Reals, Reals]:
    """Find all by divide and conquer (syevd), with numpy's OpenBLAS, which is another build than scipy's."""
    values, vectors = np.linalg.eigh(matrix)
    return values[-count:], vectors[:, -count:]


def _ev(matrix: Reals, count: int) -> tuple[Reals, Reals]:
    """Find all by QR iterations (syev): slow and robust."""
    values, vectors = eigh(matrix, driver="ev")
    return values[-count:], vectors[:, -count:]


_DRIVERS: tuple[Callable[[Reals, int], tuple[Reals, Reals]], ...] = (_evr, _evd, _ev)


def _are_eigenpairs(matrix: Reals, values: Reals, vectors: Reals, count: int) -> bool:
    """Return whether a driver found as many as wanted, and they are orthonormal and solve A·v = λ·v."""
    if (
        vectors.shape != (len(matrix), count)
        or not np.isfinite(vectors).all()
        or not np.isfinite(values).all()
    ):
        return False
    crooked = np.abs(vectors.T @ vectors - np.eye(count, dtype=vectors.dtype)).max()
    scale = np.abs(matrix).max() or 1  # first, so that nothing under- or overflows
    residual = np.abs((matrix / scale) @ vectors - vectors * (values / scale)).max()
    return bool(crooked < _TOLERANCE and residual < _TOLERANCE * len(matrix))


def _jacobi(matrix: Reals, count: int) -> tuple[Reals, Reals]:
    """Find all by the cyclic Jacobi method (Golub & Van Loan 2013, "Matrix Computations", section 8.5), in float64."""
    lower = np.tril(matrix).astype(np.float64)
    scale = np.abs(lower).max() or 1.0
    rotated = np.zeros((len(lower), len(lower) + _PADDING))
    rotated[:, : len(lower)] = (lower + np.tril(lower, -1).T) / scale
    rows = np.eye(len(matrix))
    _rotate_until_diagonal(rotated, rows)
    values = scale * np.diag(rotated)
    greatest = np.argsort(values, kind="stable")[len(values) - count :]
    return values[greatest].astype(matrix.dtype), rows[greatest].T.astype(matrix.dtype)


@numba.njit(cache=True)
def _rotate_until_diagonal(a: Any, rows: Any) -> None:
    """Zero one entry after the other by rotations; the rows of `rows`, first an identity, become the eigenvectors."""
    n = len(a)
    negligible = np.finfo(np.float64).eps * np.sqrt(np.square(a).sum()) / n
    for _ in range(_MAX_SWEEPS):
        is_diagonal = True
        for p in range(n - 1):
            for q in range(p + 1, n):
                if abs(a[p, q]) <= negligible:
                    continue
                is_diagonal = False
                slope = (a[q, q] - a[p, p]) / (2 * a[p, q])
                tangent = (1.0 if slope >= 0 else -1.0) / (abs(slope) + np.sqrt(1 + slope * slope))
                cosine = 1 / np.sqrt(1 + tangent * tangent)
                _rotate(a[p, :n], a[q, :n], cosine, tangent * cosine)
                _rotate(a[:, p], a[:, q], cosine, tangent * cosine)
                _rotate(rows[p], rows[q], cosine, tangent * cosine)
                a[p, q] = a[q, p] = 0
        if is_diagonal:
            break


@numba.njit(cache=True)
def _rotate(first: Any, second: Any, cosine: float, sine: float) -> None:
    for at in range(len(first)):
        x, y = first[at], second[at]
        first[at], second[at] = cosine * x - sine * y, sine * x + cosine * y
