"""Base classes of models that can say which users are alike."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, Recommender


class SimilarUsers(NamedTuple):
    """Users, the most similar first.

    Attributes:
        users: (n,) int64 user indices.
        similarities: (n,) float32, above 0 and never increasing.
    """

    users: NDArray[np.int64]
    similarities: FloatArray


class UserSimilarityRecommender(Recommender):
    """A recommender that implements `_user_similarities`."""

    def similar_users(self, user: int, n: int) -> SimilarUsers:
        """Return the users most similar to one, that user excluded; nobody for an unknown user.

        Users whose similarity is not above 0 are left out. Of equally similar ones the lower index comes first.

        Args:
            user: an index of any range.
            n: users at most, at least 1.

        Raises:
            ValueError: `n` is below 1.
            NotFittedError: the model is not fitted.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        _, [is_known] = self._split_known(np.array([user]))
        if not is_known:
            return SimilarUsers(np.empty(0, np.int64), np.empty(0, np.float32))
        similarities = np.where(self.known_users_, self._user_similarities(user), 0)
        similarities[user] = 0
        nearest = np.argsort(-similarities, kind="stable")[:n]
        nearest = nearest[similarities[nearest] > 0]
        return SimilarUsers(nearest, similarities[nearest])

    @abstractmethod
    def _user_similarities(self, user: int) -> FloatArray:
        """Return the similarities of a known user to all users, (n_users,) float32."""


class UserVectorRecommender(UserSimilarityRecommender):
    """A recommender with a vector for each user: users are alike if their vectors have the same direction."""

    @abstractmethod
    def user_vectors(self) -> FloatArray:
        """Return the vectors of all users, (n_users, f) float32, which the caller does not change."""

    def _user_similarities(self, user: int) -> FloatArray:
        return cosines(self.user_vectors(), user)


def cosines(vectors: FloatArray | sparse.csr_array, row: int) -> FloatArray:
    """Return the cosines of one row with all rows; 0 where either is zero.

    Args:
        vectors: (n, f) float32, dense or sparse; it is not copied.
        row: the index of the one.

    Returns:
        (n,) float32.
    """
    if isinstance(vectors, sparse.csr_array):
        products = vectors @ vectors[[row]].toarray()[0]
        squares = _squared_lengths(vectors)
    else:
        products = vectors @ vectors[row]
        squares = np.einsum("nf,nf->n", vectors, vectors)
    lengths = np.sqrt(squares) * np.sqrt(squares[row])
    found: FloatArray = np.divide(
        products, lengths, out=np.zeros(len(lengths), np.float32), where=lengths > 0
    )
    return found


def _squared_lengths(vectors: sparse.csr_array) -> NDArray[np.floating[Any]]:
    """Return the squared lengths of the rows, (n,) float32."""
    squares = np.zeros(vectors.shape[0], np.float32)
    filled = np.diff(vectors.indptr) > 0
    if filled.any():
        squares[filled] = np.add.reduceat(np.square(vectors.data), vectors.indptr[:-1][filled])
    return squares
