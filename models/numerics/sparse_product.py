"""Products of a sparse matrix with dense vectors on all threads, for graph propagation and the truncated SVD."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_launch

_PARTS = 64  # of equally many non-zeros: enough that no thread waits long for the others


def multiply(matrix: sparse.csr_array, x: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """Return matrix · x.

    One thread sums a row, in the order of its entries, so the bits do not depend on the number of threads.

    Args:
        matrix: (m, n) float32.
        x: (n, f) float32, C-contiguous.
        out: (m, f) float32 to write the result to, not `x` itself; by default a new array.

    Returns:
        (m, f) float32.
    """
    out = np.empty((matrix.shape[0], x.shape[1]), np.float32) if out is None else out
    return multiply_add(matrix, x, out, out, gain=1, own=0)


def multiply_add(
    matrix: sparse.csr_array, x: FloatArray, base: FloatArray, out: FloatArray, *, gain: float, own: float
) -> FloatArray:
    """Write gain · matrix · x + own · base to `out`, in one pass and with the same bits at any number of threads.

    Args:
        matrix: (m, n) float32.
        x: (n, f) float32, C-contiguous.
        base: (m, f) float32, not read if `own` is 0; may be `out`.
        out: (m, f) float32, not `x`.
        gain: factor of the product.
        own: factor of `base`.

    Returns:
        `out`.
    """
    cuts = np.linspace(0, matrix.nnz, _PARTS + 1)
    bounds = np.searchsorted(matrix.indptr, cuts).astype(np.int64)
    bounds[0], bounds[-1] = 0, matrix.shape[0]
    with one_launch:
        _multiply_add(
            matrix.indptr,
            matrix.indices,
            matrix.data,
            bounds,
            np.float32(gain),
            x,
            np.float32(own),
            base,
            out,
        )
    return out


@numba.njit(parallel=True, cache=True, fastmath={"contract"})
def _multiply_add(
    indptr: Any, indices: Any, data: Any, bounds: Any, gain: Any, x: Any, own: Any, base: Any, out: Any
) -> None:
    """Compute the rows in parts, of which each is a task of one thread.

    Eight entries are added at once, one after the other: the bits are those of single entries, but the processor
    fetches eight rows of `x` at a time, and reads and writes the sum an eighth as often.
    """
    width = x.shape[1]
    for part in numba.prange(len(bounds) - 1):
        total = np.empty(width, np.float32)
        for row in range(bounds[part], bounds[part + 1]):
            total[:] = 0
            at, end = indptr[row], indptr[row + 1]
            while at + 8 <= end:
                _add_eight(total, x, indices[at : at + 8], data[at : at + 8])
                at += 8
            while at < end:
                weight, column = data[at], indices[at]
                for f in range(width):
                    total[f] += weight * x[column, f]
                at += 1
            for f in range(width):
                out[row, f] = gain * total[f] + (own * base[row, f] if own != 0 else np.float32(0))


@numba.njit(cache=True, fastmath={"contract"}, inline="always")
def _add_eight(total: Any, x: Any, columns: Any, weights: Any) -> None:
    """Add eight weighted rows of `x` to `total`, in their order."""
    a, b, c, d = x[columns[0]], x[columns[1]], x[columns[2]], x[columns[3]]
    e, g, h, i = x[columns[4]], x[columns[5]], x[columns[6]], x[columns[7]]
    of_a, of_b, of_c, of_d = weights[0], weights[1], weights[2], weights[3]
    of_e, of_g, of_h, of_i = weights[4], weights[5], weights[6], weights[7]
    for f in range(len(total)):
        found = total[f]
        found += of_a * a[f]
        found += of_b * b[f]
        found += of_c * c[f]
        found += of_d * d[f]
        found += of_e * e[f]
        found += of_g * g[f]
        found += of_h * h[f]
        found += of_i * i[f]
        total[f] = found
