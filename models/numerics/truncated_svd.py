"""Truncated SVD: the greatest singular values of a sparse matrix and their right vectors, by block Lanczos.

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
_LEAST_BLOCKS = 8  # multiplications, so that few vectors are exact too
_OVERSAMPLING = 2.5  # basis vectors per wanted one
_DENSE = (
    1024  # length of the shorter side up to which decomposing the Gram matrix costs less than an iteration
)
_NOISE = (
    1e-3  # of the greatest value: smaller ones may be rounding, since squares in float32 keep three digits
)


def right_singular(matrix: sparse.csr_array, rank: int, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return the greatest singular values and their right vectors.

    The sign of a vector is arbitrary, as is the basis of a repeated value, but both are the same in every run on one
    kind of processor. BLAS computes on one thread, since several round differently: the bits do not depend on the
    number of threads. Holds about 2.5 · rank vectors of the length of a row of `matrix`, and as many of a column.

    Args:
        matrix: (m, n) float32, finite.
        rank: number of vectors, at least 1.
        seed: of the random vectors that block Lanczos starts from.

    Returns:
        (r,) float32 singular values, greatest first, and (n, r) float32 orthonormal vectors. r is `rank`, or less if
        the matrix has fewer singular values that are at least a thousandth of the greatest.
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
    """Decompose the smaller of the two Gram matrices, in float64: squaring halves the digits."""
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
    """Find the best vectors in the space of S, G·S, G²·S, ... (Rayleigh-Ritz), with G = matrixᵀ · matrix, S random."""
    transposed = sparse.csr_array(matrix.T)
    basis = np.empty((matrix.shape[1], n_blocks * _BLOCK), np.float32, order="F")
    images = np.empty((matrix.shape[0], n_blocks * _BLOCK), np.float32, order="F")
    block = np.random.default_rng(seed).standard_normal((matrix.shape[1], _BLOCK), np.float32)
    size = 0
    for _ in range(n_blocks):
        new = _orthonormal(block, basis[:, :size])
        if new.shape[1] == 0:
            break  # the space holds all rows of the matrix
        now = slice(size, size + new.shape[1])
        basis[:, now] = new
        images[:, now] = multiply(matrix, np.ascontiguousarray(new))
        block = multiply(transposed, np.ascontiguousarray(images[:, now]))
        size = now.stop
    squares, mixture = leading_eigenvectors(images[:, :size].T @ images[:, :size], min(rank, size))
    return np.sqrt(np.maximum(squares[::-1], 0)), basis[:, :size] @ mixture[:, ::-1]


def _orthonormal(block: FloatArray, basis: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the part of `block` orthogonal to `basis`, without columns of mere rounding."""
    # QR always succeeds; with other kernels a column at the threshold may be kept or dropped, which harms neither way
    outside, triangle, _ = qr(block - basis @ (basis.T @ block), mode="economic", pivoting=True)
    outside = outside[:, np.abs(np.diag(triangle)) > 1e-5 * np.linalg.norm(block)]
    return qr(outside - basis @ (basis.T @ outside), mode="economic")[0]  # twice is enough (Parlett 1998)
