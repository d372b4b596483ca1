"""The greatest singular values of a sparse matrix and their right vectors: block Lanczos with few, wide products.

Musco & Musco 2015, "Randomized block Krylov methods for stronger and faster approximate singular value decomposition".
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import qr

from models.base import FloatArray
from models.numerics.sparse_product import multiply
from models.numerics.symmetric_eigen import leading_eigenvectors
from models.numerics.threads import one_blas_thread

_BLOCK = 32  # vectors multiplied at once
_LEAST_BLOCKS = 8  # multiplications, so that few vectors come out exact too
_OVERSAMPLING = 2.5  # basis vectors per wanted one
_DENSE = 1024  # up to this size of its shorter side the whole decomposition costs less than an iteration
_NOISE = 1e-3  # of the greatest value: what is smaller may be rounding, for float32 squares keep three digits


def right_singular(matrix: sparse.csr_array, rank: int, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """The leading right singular vectors; the sign of each is arbitrary, but the same in every run.

    Holds about 2.5 · rank vectors of the length of a row of `matrix`, and of a column. BLAS computes on one thread,
    for on several it rounds otherwise: no bit of the result depends on their number.

    Args:
        matrix: (m, n) float32.
        rank: how many to find; fewer come back where the matrix has fewer.
        seed: of the random vectors that the search starts from.

    Returns:
        (r,) float32 singular values, greatest first, without those under a thousandth of it, and (n, r) float32
        orthonormal vectors.
    """
    size = min(matrix.shape)
    n_blocks = max(_LEAST_BLOCKS, int(np.ceil(_OVERSAMPLING * rank / _BLOCK)))
    with one_blas_thread():
        if size <= max(_DENSE, n_blocks * _BLOCK):
            values, vectors = _by_gram_matrix(matrix, min(rank, size))
        else:
            values, vectors = _by_block_lanczos(matrix, rank, n_blocks, seed)
    real = values > _NOISE * values.max(initial=0)
    return values[real], np.ascontiguousarray(vectors[:, real])


def _by_gram_matrix(matrix: sparse.csr_array, rank: int) -> tuple[FloatArray, FloatArray]:
    """From the eigenvectors of the smaller of the two Gram matrices, in float64: squaring halves the digits."""
    if rank == 0:
        return np.empty(0, np.float32), np.empty((matrix.shape[1], 0), np.float32)
    wide = matrix.shape[0] < matrix.shape[1]
    exact = matrix.astype(np.float64)
    gram = (exact @ exact.T if wide else exact.T @ exact).toarray()
    squares, vectors = leading_eigenvectors(gram, rank)
    values, vectors = np.sqrt(np.maximum(squares[::-1], 0)), vectors[:, ::-1]
    if wide:
        vectors = (exact.T @ vectors) / np.maximum(values, 1e-30)
    return values.astype(np.float32), vectors.astype(np.float32)


def _by_block_lanczos(
    matrix: sparse.csr_array, rank: int, n_blocks: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Rayleigh and Ritz in the space of G·S, G²·S, ..., where G = matrixᵀ · matrix and S is random."""
    transposed = sparse.csr_array(matrix.T)
    basis = np.empty((matrix.shape[1], n_blocks * _BLOCK), np.float32, order="F")
    images = np.empty((matrix.shape[0], n_blocks * _BLOCK), np.float32, order="F")
    block = np.random.default_rng(seed).standard_normal((matrix.shape[1], _BLOCK), np.float32)
    size = 0
    for _ in range(n_blocks):
        new = _orthonormal(block, basis[:, :size])
        if new.shape[1] == 0:
            break  # the space holds all there is
        now = slice(size, size + new.shape[1])
        basis[:, now] = new
        images[:, now] = multiply(matrix, np.ascontiguousarray(new))
        block = multiply(transposed, np.ascontiguousarray(images[:, now]))
        size = now.stop
    squares, mixture = leading_eigenvectors(images[:, :size].T @ images[:, :size], min(rank, size))
    return np.sqrt(np.maximum(squares[::-1], 0)), basis[:, :size] @ mixture[:, ::-1]


def _orthonormal(block: FloatArray, basis: FloatArray) -> FloatArray:
    """An orthonormal basis of what of `block` is outside of `basis`, without what may be rounding."""
    outside, triangle, _ = qr(block - basis @ (basis.T @ block), mode="economic", pivoting=True)
    outside = outside[:, np.abs(np.diag(triangle)) > 1e-5 * np.linalg.norm(block)]
    return qr(outside - basis @ (basis.T @ outside), mode="economic")[0]  # once more: once leaves errors
