"""Least squares of many rows at once, each with a prior mean: one half of an iteration of ALS with side information.

Conjugate gradients as in Takács et al. 2011, "Applications of the conjugate gradient method for implicit feedback
collaborative filtering", with blocks of rows, so that the part that all rows share is one matrix product.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_blas_thread, one_launch

_ROWS = 2048  # rows of a block
_PARTS = 16  # tasks of a block, for the threads
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

    Returns:
        (m, f) float32.
    """
    found = np.empty_like(start)
    with one_blas_thread():
        judges = others if judged_by is None else judged_by
        gram = judges.T @ judges
        penalty = np.float32(ridge) * np.eye(len(gram), dtype=np.float32)
        around = np.float32(agreement) * gram + penalty
        for first in range(0, len(start), _ROWS):
            rows = slice(first, first + _ROWS)
            pulls = None if prior is None else prior[rows] @ around
            part = sparse.csr_array(confidences[rows])
            found[rows] = _solve_block(part, others, gram + penalty, pulls, start[rows])
    return found


def _solve_block(
    confidences: sparse.csr_array,
    others: FloatArray,
    shared: FloatArray,
    pulls: FloatArray | None,
    start: FloatArray,
) -> FloatArray:
    """Run conjugate gradients on all rows of a block; `shared` is the part of the matrix that is the same for all."""
    x = start.copy()
    residual: FloatArray = -(x @ shared) if pulls is None else pulls - x @ shared
    _add_entries(confidences, others, x, residual, residual_of=True)
    direction = residual.copy()
    squared = _row_squares(residual)
    for _ in range(_STEPS):
        image: FloatArray = direction @ shared
        _add_entries(confidences, others, direction, image, residual_of=False)
        curvature = np.einsum("nf,nf->n", direction, image)
        step = np.divide(squared, curvature, out=np.zeros_like(squared), where=curvature > 0)[:, None]
        x += step * direction
        residual -= step * image
        now = _row_squares(residual)
        direction *= np.divide(now, squared, out=np.zeros_like(now), where=squared > 0)[:, None]
        direction += residual
        squared = now
    return x


def _row_squares(vectors: FloatArray) -> FloatArray:
    squares: FloatArray = np.einsum("nf,nf->n", vectors, vectors)
    return squares


def _add_entries(
    confidences: sparse.csr_array,
    others: FloatArray,
    vectors: FloatArray,
    out: FloatArray,
    *,
    residual_of: bool,
) -> None:
    """Add, for each row with its vector v, Σ of its entries (c_j − 1) (v · y_j) y_j.

    With `residual_of` it is instead Σ (c_j p_j − (c_j − 1) (v · y_j)) y_j.
    """
    cuts = np.searchsorted(confidences.indptr, np.linspace(0, confidences.nnz, _PARTS + 1)).astype(np.int64)
    cuts[0], cuts[-1] = 0, confidences.shape[0]
    with one_launch:
        _entries_kernel(
            confidences.indptr,
            confidences.indices,
            confidences.data,
            cuts,
            others,
            vectors,
            out,
            residual_of,
        )


@numba.njit(parallel=True, cache=True, fastmath={"contract", "reassoc"})
def _entries_kernel(
    indptr: Any, indices: Any, data: Any, cuts: Any, others: Any, vectors: Any, out: Any, residual_of: Any
) -> None:
    """Compute the rows in parts, of which each is a task of one thread."""
    width = others.shape[1]
    for part in numba.prange(len(cuts) - 1):
        for row in range(cuts[part], cuts[part + 1]):
            for at in range(indptr[row], indptr[row + 1]):
                column, confidence = indices[at], data[at]
                product = np.float32(0)
                for f in range(width):
                    product += vectors[row, f] * others[column, f]
                gain = (abs(confidence) - np.float32(1)) * product
                if residual_of:
                    gain = max(confidence, np.float32(0)) - gain
                for f in range(width):
                    out[row, f] += gain * others[column, f]
