"""Means of friends' vectors, and the pull of users' vectors towards them.

Ma et al. 2011, "Recommender systems with social regularization" (SoReg), section 4.1, average-based regularization: the
loss grows with the squared distance between a user's vector and the mean of the friends' vectors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray
from models.numerics.sparse_product import multiply


class Friends(NamedTuple):
    """Friends who have a vector of their own, for all users.

    Attributes:
        means: (n_users, n_users) float32; a row sums to 1 over the user's friends, or is empty.
        apart: (n_users, n_users) float32; a row times the users' vectors is the user's vector less the mean of the
            friends' vectors. Rows of users without a vector of their own, or without such friends, are empty.
        apart_transposed: the transpose of `apart`.
    """

    means: sparse.csr_array
    apart: sparse.csr_array
    apart_transposed: sparse.csr_array

    @classmethod
    def of(cls, links: sparse.csr_array, known: BoolArray) -> Friends:
        """Return the friends of all users.

        A friend counts by the mean weight of the links in both directions.

        Args:
            links: (n_users, n_users), finite entries above 0.
            known: (n_users,) bool, users with a vector of their own.

        Raises:
            ValueError: a link is not a finite number above 0.
        """
        usable = np.isfinite(links.data) & (links.data > 0)
        if not usable.all():
            raise ValueError(
                f"{(~usable).sum()} of {links.nnz} links have weights such as {links.data[~usable][0]}; expected "
                "finite numbers above 0. Correct the weights, or leave these links out."
            )
        known_only = sparse.diags_array(known.astype(np.float64))
        weights = links.astype(np.float64)  # in float32 the sum of both directions can overflow
        ties = sparse.csr_array((weights + weights.T) @ known_only)
        ties.eliminate_zeros()
        total = ties.sum(axis=1)
        scale = np.divide(1, total, out=np.zeros_like(total), where=total > 0)
        means = sparse.csr_array(sparse.diags_array(scale) @ ties)
        pulled = sparse.diags_array(((total > 0) & known).astype(np.float64))
        apart = sparse.csr_array(pulled - pulled @ means)
        apart.eliminate_zeros()
        return cls(*(_sorted_float32(matrix) for matrix in (means, apart, apart.T)))

    def pull(self, users: NDArray[np.int64], vectors: FloatArray) -> FloatArray:
        """Return some users' rows of half the gradient of Σ ‖x_u − mean of friends' vectors‖², (k, f) float32.

        The bits do not depend on the number of threads.

        Args:
            users: (k,) int64.
            vectors: (n_users, f) float32, C-contiguous.
        """
        rows = sparse.csr_array(self.apart_transposed[users])
        nearby, column = np.unique(rows.indices, return_inverse=True)
        distances = multiply(sparse.csr_array(self.apart[nearby]), vectors)
        local = sparse.csr_array((rows.data, column.astype(np.int32), rows.indptr), (len(users), len(nearby)))
        return multiply(local, distances)

    def fill_in(self, vectors: FloatArray, known: BoolArray) -> BoolArray:
        """Give users without a vector the mean of their friends' vectors.

        Args:
            vectors: (n_users, f) float32, changed in place.
            known: (n_users,) bool, users who keep their own.

        Returns:
            (n_users,) bool, users who have a vector now: those known, and all with a friend of `means`.
        """
        adopted = ~known & (np.diff(self.means.indptr) > 0)
        vectors[adopted] = multiply(self.means, vectors)[adopted]
        return known | adopted


def _sorted_float32(matrix: Any) -> sparse.csr_array:
    found: sparse.csr_array = sparse.csr_array(
        matrix, dtype=np.float32, copy=True
    )  # else sorting it changes `matrix`, too
    found.sort_indices()
    return found
