"""Least squares of many rows at once, with or without prior means: one half of an iteration of ALS.

Conjugate gradients as in Takács et al. 2011, "Applications of the conjugate gradient method for implicit feedback
collaborative filtering", with blocks of rows, so that the part that all rows share is one matrix product. A block goes
through all its steps at once, on one thread: after the first step the vectors that its rows meet are in the cache.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  (the kernel calls it: load it before its threads are limited)
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_blas_thread, one_launch

_ROWS = 8  # rows of a block: the vectors of all its entries stay in the cache of a core through the steps
_STRIDE = (
    64  # blocks that are far apart are neighbours in the queue, so that all threads get rows of all lengths
)
_STEPS = 3  # of conjugate gradients: the start is the result of the iteration before


def solve_rows(
    confidences: sparse.csr_array,
    others: FloatArray,
    start: FloatArray,
    *,
    ridge: float,
    prior: FloatArray | None = None,
    agreement: float = 0.0,
    judged_by: FloatArray | None = None,
    gram: FloatArray | None = None,
) -> FloatArray:
    """Approach the vector x of each row that minimises a sum of squares over all rows y_j of `others`.

    With c_j the size of the row's entry and p_j = 1 if it is above 0, both 0 without an entry, it is the minimum of

        Σ_j ((x − agreement · prior) · z_j)² + Σ_entries ((c_j − 1) (x · y_j)² − 2 c_j p_j (x · y_j))
            + ridge ‖x − prior‖²

    For z_j = y_j and no prior that is Hu, Koren & Volinsky 2008, section 4: Σ_j c_j (p_j − x · y_j)² with c_j = 1 where
    there is no entry, but for a constant. With a prior, the target where there is no entry is not 0 but
    `agreement` · prior · y_j, and with an entry it is (c_j p_j + `agreement` · prior · y_j) / c_j instead of p_j.

    Three steps of conjugate gradients are taken from `start`, as the library implicit does. The bits do not depend on
    the number of threads.

    Args:
        confidences: (m, n) float32, entries of a size of at least 1.
        others: (n, f) float32.
        start: (m, f) float32, such as the result of the iteration before.
        ridge: at least 0.
        prior: (m, f) float32; by default 0.
        agreement: from 0 to 1.
        judged_by: (n, f) float32, the vectors z; by default `others`.
        gram: (f, f) float32, Σ z zᵀ, if it is known, as where `others` are some of the rows; by default it is computed.

    Returns:
        (m, f) float32.
    """
    with one_blas_thread():
        if gram is None:
            judges = others if judged_by is None else judged_by
            gram = judges.T @ judges
        penalty = np.float32(ridge) * np.eye(len(gram), dtype=np.float32)
        around = np.float32(agreement) * gram + penalty
        found = start.astype(np.float32, order="C", copy=True)
        pulls = np.empty((0, len(gram)), np.float32) if prior is None else prior @ around
        n_blocks = -(-len(found) // _ROWS)
        queue = np.argsort(np.arange(n_blocks) % _STRIDE, kind="stable")
        with one_launch:
            _solve_blocks(
                confidences.indptr, confidences.indices, confidences.data, queue, _ROWS,
                np.ascontiguousarray(others), gram + penalty, pulls, found,
            )  # fmt: skip
    return found


@numba.njit(parallel=True, cache=True, error_model="numpy")
def _solve_blocks(
    indptr: Any, indices: Any, data: Any, queue: Any, height: int, others: Any, shared: Any, pulls: Any,
    found: Any,
) -> None:  # fmt: skip
    """Run conjugate gradients on blocks of `height` rows, each a task of one thread; `found` is the start.

    `shared` is the part of the matrix that is the same for all rows, `pulls` the part of the right side that does not
    come from entries; empty, it is 0.
    """
    for nth in numba.prange(len(queue)):
        low = queue[nth] * height
        high = min(low + height, len(found))
        x = found[low:high]
        residual = np.dot(x, shared)
        for row in range(high - low):
            for f in range(x.shape[1]):
                residual[row, f] = (pulls[low + row, f] if len(pulls) else np.float32(0)) - residual[row, f]
            _add_entries(indptr, indices, data, low + row, others, x[row], residual[row], True)
        direction, image = residual.copy(), np.empty_like(residual)
        squared = np.empty(high - low, np.float32)
        for row in range(high - low):
            squared[row] = _dot(residual[row], residual[row])
        for _ in range(_STEPS):
            np.dot(direction, shared, image)
            for row in range(high - low):
                _add_entries(indptr, indices, data, low + row, others, direction[row], image[row], False)
                squared[row] = _step(x[row], residual[row], direction[row], image[row], squared[row])


@numba.njit(cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _step(x: Any, residual: Any, direction: Any, image: Any, squared: Any) -> Any:
    """Take one step of conjugate gradients on one row, in place; return the new square of the residual."""
    curvature = _dot(direction, image)
    step = squared / curvature if curvature > 0 else np.float32(0)
    for f in range(len(x)):
        x[f] += step * direction[f]
        residual[f] -= step * image[f]
    now = _dot(residual, residual)
    kept = now / squared if squared > 0 else np.float32(0)
    for f in range(len(x)):
        direction[f] = residual[f] + kept * direction[f]
    return now


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _dot(a: Any, b: Any) -> Any:
    """Return the inner product of two vectors, in float32."""
    total = np.float32(0)
    for f in range(len(a)):
        total += a[f] * b[f]
    return total


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _add_entries(
    indptr: Any, indices: Any, data: Any, row: int, others: Any, vector: Any, out: Any, residual_of: bool
) -> None:
    """Add, for a row with the vector v, Σ of its entries (c_j − 1) (v · y_j) y_j to `out`.

    With `residual_of` it is instead Σ (c_j p_j − (c_j − 1) (v · y_j)) y_j. Eight entries are added at once, so that
    their vectors are fetched together, and v and `out` are read and written an eighth as often.
    """
    at, end = indptr[row], indptr[row + 1]
    while at + 8 <= end:
        _add_eight(indices[at : at + 8], data[at : at + 8], others, vector, out, residual_of)
        at += 8
    while at < end:
        a = others[indices[at]]
        of_a = _gain(data[at], _dot(vector, a), residual_of)
        for f in range(len(vector)):
            out[f] += of_a * a[f]
        at += 1


@numba.njit(cache=True, fastmath={"contract", "reassoc"})
def _add_eight(columns: Any, weights: Any, others: Any, vector: Any, out: Any, residual_of: bool) -> None:
    """Add eight entries as `_add_entries` does."""
    a, b, c, d = others[columns[0]], others[columns[1]], others[columns[2]], others[columns[3]]
    e, g, h, i = others[columns[4]], others[columns[5]], others[columns[6]], others[columns[7]]
    of_a = of_b = of_c = of_d = of_e = of_g = of_h = of_i = np.float32(0)
    for f in range(len(vector)):
        own = vector[f]
        of_a += own * a[f]
        of_b += own * b[f]
        of_c += own * c[f]
        of_d += own * d[f]
        of_e += own * e[f]
        of_g += own * g[f]
        of_h += own * h[f]
        of_i += own * i[f]
    of_a = _gain(weights[0], of_a, residual_of)
    of_b = _gain(weights[1], of_b, residual_of)
    of_c = _gain(weights[2], of_c, residual_of)
    of_d = _gain(weights[3], of_d, residual_of)
    of_e = _gain(weights[4], of_e, residual_of)
    of_g = _gain(weights[5], of_g, residual_of)
    of_h = _gain(weights[6], of_h, residual_of)
    of_i = _gain(weights[7], of_i, residual_of)
    for f in range(len(vector)):
        out[f] += of_a * a[f] + of_b * b[f] + of_c * c[f] + of_d * d[f]
        out[f] += of_e * e[f] + of_g * g[f] + of_h * h[f] + of_i * i[f]


@numba.njit(cache=True, inline="always")
def _gain(confidence: Any, product: Any, residual_of: bool) -> Any:
    """Return the factor of y_j in the sum of `_add_entries`; `product` is v · y_j."""
    gain = (abs(confidence) - np.float32(1)) * product
    return max(confidence, np.float32(0)) - gain if residual_of else gain
