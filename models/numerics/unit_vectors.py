"""Vectors scaled to length 1, whose products are cosines: of learned factors, or of the features of items."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.numerics.sparse_product import multiply
from models.numerics.truncated_svd import right_singular

_RANK = 64


def unit_vectors(vectors: FloatArray) -> FloatArray:
    """Divide every row by its Euclidean length; rows of zeros stay zero.

    Args:
        vectors: (n, f) float32.

    Returns:
        (n, f) float32, a new array.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = np.divide(vectors, lengths, out=np.zeros_like(vectors, np.float32), where=lengths > 0)
    return unit


def unit_vectors_or_mean(vectors: FloatArray) -> FloatArray:
    """Divide every row by its Euclidean length; rows of zeros get the direction of the mean of the others.

    An item of which nothing is known is then as similar to others as items are in general. As zeros it would be the
    most diverse of all.

    Args:
        vectors: (n, f) float32.

    Returns:
        (n, f) float32, a new array; all zeros if all rows are, or if the others cancel out.
    """
    unit = unit_vectors(vectors)
    mean = unit.sum(axis=0)
    length = np.linalg.norm(mean)
    if length > 0:
        unit[~unit.any(axis=1)] = mean / length
    return unit


def vectors_of_features(profiles: sparse.csr_array, *, seed: int) -> FloatArray:
    """Return a unit vector of at most 64 dimensions per item, whose products approximate the cosines of the profiles.

    Profiles of more than 64 features are projected on their leading singular vectors (latent semantic analysis,
    Deerwester et al. 1990). Items without features get the mean direction, see `unit_vectors_or_mean`.

    Args:
        profiles: (n_items, n_features) float32, such as `Content.item_profiles_`.
        seed: of the random start of the search for the singular vectors.

    Returns:
        (n_items, f) float32, f ≤ 64.
    """
    if profiles.shape[1] <= _RANK:
        return unit_vectors_or_mean(profiles.toarray())
    _, axes = right_singular(profiles, _RANK, seed=seed)
    return unit_vectors_or_mean(multiply(profiles, axes))
