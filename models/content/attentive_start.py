"""First vectors of features: those whose sums come closest to the vectors of the items' likes.

Trained from random vectors, rare features learn the noise of their few items, and new items get bad lists. A ridge
regression starts from what features share over many items instead.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.graph.initial_embeddings import singular_embeddings
from models.graph.propagation import normalized_adjacency
from models.numerics.sparse_product import multiply
from models.numerics.unit_vectors import unit_vectors

_STEPS = 50  # of conjugate gradients; with some ridge they end long before
_EXACT = 1e-9  # of the squared length of the right side: less would be rounding errors of float32


def first_vectors(
    descriptions: sparse.csr_array, likes: sparse.csr_array, factors: int, ridge: float, *, seed: int
) -> FloatArray:
    """Return vectors of the features whose sums by item are near the singular vectors of the likes.

    Minimises Σ_i √n_i · |x_i E − v_i|² + λ |E|² over E, with x_i the description of item i, n_i its number of likes,
    and v_i the unit vector of its likes. λ is `ridge` times the mean weight Σ_i √n_i / n_features of a feature. The
    result does not depend on the number of threads.

    Args:
        descriptions: (n_items, n_features) float32, rows of length 1 or empty.
        likes: (n_users, n_items), an entry above 0 for every like.
        factors: length of the vectors.
        ridge: above 0.
        seed: of the search for the singular vectors.

    Returns:
        (n_features, factors) float32; zeros without likes, and in the last columns if the likes have a lower rank.
    """
    n_users, n_items = likes.shape
    found = np.zeros((descriptions.shape[1], factors), np.float32)
    counts = np.bincount(likes.indices, minlength=n_items)
    weights = np.sqrt(counts * (np.diff(descriptions.indptr) > 0)).astype(np.float32)
    if not weights.any():
        return found
    links = sparse.csr_array(normalized_adjacency(likes)[:n_users, n_users:])
    wanted = unit_vectors(singular_embeddings(links, factors, np.random.default_rng(seed))[n_users:])
    wanted[counts == 0] = 0  # not the rounding errors of zero
    shrinkage = np.float32(ridge * weights.sum(dtype=np.float64) / descriptions.shape[1])
    solved = _ridge_regression(descriptions, wanted, weights[:, None], shrinkage)
    found[:, : solved.shape[1]] = solved
    return found


def _ridge_regression(
    rows: sparse.csr_array, wanted: FloatArray, weights: FloatArray, shrinkage: np.float32
) -> FloatArray:
    """Solve (XᵀWX + λ) E = XᵀWV by conjugate gradients (Hestenes & Stiefel 1952), all columns at once.

    Args:
        rows: (n, m) float32, X.
        wanted: (n, f) float32, V.
        weights: (n, 1) float32, the diagonal of W.
        shrinkage: λ above 0.

    Returns:
        (m, f) float32.
    """
    columns = sparse.csr_array(rows.T)
    residual = multiply(columns, np.ascontiguousarray(weights * wanted))
    solution, direction = np.zeros_like(residual), residual.copy()
    squares = np.square(residual).sum(axis=0)
    enough = _EXACT * squares
    for _ in range(_STEPS):
        product = multiply(columns, weights * multiply(rows, direction)) + shrinkage * direction
        curvature = (direction * product).sum(axis=0)
        step = np.divide(squares, curvature, out=np.zeros_like(squares), where=squares > enough)
        solution += step * direction
        residual -= step * product
        before, squares = squares, np.square(residual).sum(axis=0)
        if (squares <= enough).all():
            break
        direction *= np.divide(squares, before, out=np.zeros_like(squares), where=before > 0)
        direction += residual
    return solution
