"""Vectors of users who were not trained on, from the vectors of their items: a linear map learned from the users.

A user of k items with vectors y_i gets the vector [1, Σ y_i / √k] · M. The map M is the ridge regression of the trained
users' vectors on the same sums: of all their items, and of random parts of these, because new users have few. So it
serves any factor model, whatever its loss, and its constant pulls users of few items towards the mean user.

For users left out of the training its lists are as good as those of the vectors that maximise the likelihood of their
items, or better, most of all for users of few items: docs/models.md has figures. It takes one product, no search.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray
from models.numerics.sparse_product import multiply
from models.numerics.threads import one_blas_thread

_PARTS = 3  # random parts of each user's items
_RIDGE = 0.1  # relative to the mean square of a sum's entry
_MOST_USERS = 10_000  # that the map is learned from
_ROWS = 4096  # users at a time


def learn_map(
    likes: sparse.csr_array, user_factors: FloatArray, item_factors: FloatArray, known: BoolArray, seed: int
) -> FloatArray:
    """Learn the map from sums of item vectors to user vectors.

    The result does not depend on the number of threads.

    Args:
        likes: (n_users, n_items), the items of each user; the values are not read.
        user_factors: (n_users, f) float32.
        item_factors: (n_items, f) float32.
        known: (n_users,) bool, users with a trained vector.
        seed: draws the parts, and the users where there are very many.

    Returns:
        (f + 1, f) float32; zeros if there are no users.
    """
    rng = np.random.default_rng(seed)
    users = np.flatnonzero(known & (np.diff(likes.indptr) > 0))
    if len(users) > _MOST_USERS:
        users = np.sort(rng.choice(users, _MOST_USERS, replace=False))
    width = item_factors.shape[1]
    squares, products = np.zeros((width + 1, width + 1)), np.zeros((width + 1, width))
    with one_blas_thread():
        for start in range(0, len(users), _ROWS):
            some = users[start : start + _ROWS]
            for part in _whole_and_parts(sparse.csr_array(likes[some]), rng):
                sums = _with_one(normed_sums(part, item_factors))
                squares += sums.T @ sums
                products += sums.T @ user_factors[some]
        ridge = np.full(width + 1, _RIDGE * np.trace(squares[1:, 1:]) / max(width, 1))
        ridge[0] = 1e-6 * squares[0, 0]
        squares[np.diag_indices_from(squares)] += np.where(ridge > 0, ridge, 1.0)
        found: FloatArray = np.linalg.solve(squares, products).astype(np.float32)
    return found


def mapped(learned: FloatArray, likes: sparse.csr_array, item_factors: FloatArray) -> FloatArray:
    """Return the vectors of new users, (n, f) float32.

    Args:
        learned: (f + 1, f), from `learn_map`.
        likes: (n, n_items), the items of each user.
        item_factors: (n_items, f) float32.
    """
    vectors: FloatArray = (_with_one(normed_sums(likes, item_factors)) @ learned).astype(np.float32)
    return vectors


def normed_sums(likes: sparse.csr_array, item_factors: FloatArray) -> FloatArray:
    """Return the sum of the vectors of each user's items over the root of their number, (n, f) float32."""
    counts = np.diff(likes.indptr)
    data = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts).astype(np.float32)
    rows = sparse.csr_array((data, likes.indices, likes.indptr), shape=likes.shape)
    return multiply(rows, item_factors)


def _whole_and_parts(likes: sparse.csr_array, rng: np.random.Generator) -> Iterator[sparse.csr_array]:
    """Yield the rows, then random parts of them whose sizes spread evenly over the orders of magnitude."""
    yield likes
    counts = np.diff(likes.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    for _ in range(_PARTS):
        sizes = np.floor(np.exp(rng.random(len(counts)) * np.log(np.maximum(counts, 1) + 1)))
        order = np.lexsort((rng.random(len(rows)), rows))
        rank = np.arange(len(rows)) - np.repeat(likes.indptr[:-1], counts)
        kept = order[rank < sizes[rows]]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows[kept], minlength=len(counts)))])
        entries = np.ones(len(kept), np.float32), likes.indices[kept], indptr.astype(likes.indptr.dtype)
        yield sparse.csr_array(entries, shape=likes.shape)


def _with_one(sums: FloatArray) -> NDArray[np.float64]:
    return np.column_stack([np.ones(len(sums)), sums]).astype(np.float64)
