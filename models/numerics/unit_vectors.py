"""Items as vectors of length 1, whose products are similarities: of what is said about them, or of what was learned."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.numerics.sparse_product import multiply
from models.numerics.truncated_svd import right_singular

_RANK = 64


def vectors_of_features(profiles: sparse.csr_array, *, seed: int) -> FloatArray:
    """(n_items, f) float32, f ≤ 64, whose products come near to those of the rows of `profiles`.

    Where there are more features than that, they are the rows in the space of the leading singular vectors (latent
    semantic analysis, Deerwester et al. 1990). An item of which nothing is said gets the mean direction: it is then as
    like to others as items are in general, and not the most diverse of all.

    Args:
        profiles: (n_items, n_features) float32, such as `Content.item_profiles_`.
        seed: of the search for the singular vectors.
    """
    if profiles.shape[1] <= _RANK:
        return unit_vectors(profiles.toarray())
    _, axes = right_singular(profiles, _RANK, seed=seed)
    return unit_vectors(multiply(profiles, axes))


def unit_vectors(vectors: FloatArray) -> FloatArray:
    """Every row divided by its length; rows of zeros get the direction of the mean of the others."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = np.divide(vectors, lengths, out=np.zeros_like(vectors, np.float32), where=lengths > 0)
    mean = unit.sum(axis=0)
    length = np.linalg.norm(mean)
    if length > 0:
        unit[lengths[:, 0] == 0] = mean / length
    return unit
