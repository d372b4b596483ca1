"""First item vectors of neural models: singular vectors of the likes, which save the first dozens of epochs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.content.tf_idf import unit_rows
from models.neural.early_stopping import CarveOut
from models.numerics.sparse_product import multiply
from models.numerics.truncated_svd import right_singular

_ROOT_MEAN_SQUARE = 0.1
_POWERS = (0.25, 0.5, 1.0)
_LEAST_RANK = 8


class Shape(NamedTuple):
    """The leading `rank` singular vectors, times their singular values to the power `power`."""

    rank: int
    power: float


class Directions:
    """The singular vectors of the likes, normalized by the roots of both degrees.

    How many of them are more than noise differs from one data set to the next: 32 give better lists than 200 on the
    demo, and worse ones on ml-latest-small. So the shape is chosen by the lists of the carve-out.

    Args:
        likes: (n_users, n_items).
        factors: most vectors.
        rng: source of randomness.
    """

    def __init__(self, likes: sparse.csr_array, factors: int, rng: np.random.Generator) -> None:
        degree = np.diff(likes.indptr)
        roots = np.sqrt(np.repeat(degree, degree) * np.bincount(likes.indices)[likes.indices])
        entries = (1 / roots).astype(np.float32)
        normal = sparse.csr_array((entries, likes.indices, likes.indptr), shape=likes.shape)
        self._values, self._right = right_singular(normal, factors, seed=int(rng.integers(2**31)))

    def best_shape(self, carved: CarveOut) -> Shape:
        """Return the shape with the best lists of what was taken out; a user is the sum of their items' vectors."""
        best, greatest = Shape(len(self._values), 0.5), -1.0
        if not len(carved.users):
            return best
        rows = unit_rows(sparse.csr_array(carved.train[carved.users]))
        rank = len(self._values)
        while rank >= min(_LEAST_RANK, len(self._values)) and rank > 0:
            for power in _POWERS:
                vectors = self.vectors(Shape(rank, power))
                quality = carved.ndcg(multiply(rows, vectors), vectors) or 0.0
                if quality > greatest:
                    best, greatest = Shape(rank, power), quality
            rank //= 2
        return best

    def vectors(self, shape: Shape) -> FloatArray:
        """Return (n_items, at most rank) float32 of root mean square 0.1; 0 for items without likes."""
        found: FloatArray = self._right[:, : shape.rank] * self._values[: shape.rank] ** np.float32(
            shape.power
        )
        length = np.sqrt(np.square(found).mean()) if found.size else 0
        return found * np.float32(_ROOT_MEAN_SQUARE / length) if length else found
