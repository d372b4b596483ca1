"""Initial base embeddings: random noise, overlaid with pretrained vectors."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.numerics.sparse_product import multiply
from models.numerics.truncated_svd import right_singular

_LENGTH = 0.1  # root mean square of an entry


def noise(n_nodes: int, factors: int, rng: np.random.Generator) -> FloatArray:
    """Draw normal noise of root mean square 0.1.

    Args:
        n_nodes: number of rows.
        factors: length of a row.
        rng: source of randomness.

    Returns:
        (n_nodes, factors) float32.
    """
    return _LENGTH * rng.standard_normal((n_nodes, factors), np.float32)


def overlay(base: FloatArray, vectors: FloatArray) -> None:
    """Write `vectors`, scaled to a root mean square of 0.1, over the first rows and columns of `base`.

    Changes nothing if all vectors are zero.

    Args:
        base: (n_nodes, f) float32, changed in place.
        vectors: (at most n_nodes, at most f) float32.
    """
    scale = np.sqrt(np.square(vectors).mean()) if vectors.size else 0
    if scale > 0:
        base[: len(vectors), : vectors.shape[1]] = vectors * np.float32(_LENGTH / scale)


def singular_embeddings(likes: sparse.csr_array, rank: int, rng: np.random.Generator) -> FloatArray:
    """Return the leading singular vectors of `likes`, each multiplied by the root of its singular value.

    The left vectors (rows of `likes`) come first, then the right ones (columns).

    Args:
        likes: (m, n) float32, normalized by the roots of both degrees.
        rank: number of singular vectors, at least 1.
        rng: source of randomness.

    Returns:
        (m + n, r) float32; r is `rank`, or less if the matrix has a lower rank.
    """
    values, right = right_singular(likes, rank, seed=int(rng.integers(2**31)))
    roots = np.sqrt(values)
    return np.vstack([multiply(likes, right) / roots, right * roots])
