"""Interactions that are taken out of the training data, and how good lists are on them: decides when to stop.

The held-out part of the night is never touched: all of this happens inside the training matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, TopN
from models.evaluation.metrics import ranking_metrics
from models.interactions import entries_of, only
from models.ranking import factor_scorer

LENGTH = 10
MOST_USERS = 10_000
_SHARE = 0.1  # of a user's items that are taken out, the newest
_LEAST_ITEMS = 3  # a user with fewer keeps all


@dataclass(frozen=True)
class CarveOut:
    """The training matrix in two parts.

    Attributes:
        train: (n_users, n_items), the entries to train on.
        users: (k,) int64, the users whose newest entries were taken out.
        held_out: (k, n_items), what was taken out.
    """

    train: sparse.csr_array
    users: NDArray[np.int64]
    held_out: sparse.csr_array

    @classmethod
    def nothing(cls, matrix: sparse.csr_array) -> CarveOut:
        """Return the whole training matrix, (n_users, n_items), and nothing held out."""
        return cls(matrix, np.empty(0, np.int64), sparse.csr_array((0, matrix.shape[1]), dtype=matrix.dtype))

    def ndcg(
        self, user_vectors: FloatArray, item_vectors: FloatArray, item_bias: FloatArray | None = None
    ) -> float | None:
        """Return the mean NDCG@10 of lists by vector products, training items left out; None if nothing is held out.

        Args:
            user_vectors: (k, f) float32, for `users`.
            item_vectors: (n_items, f) float32.
            item_bias: (n_items,) float32.
        """
        if not len(self.users):
            return None
        known = np.bincount(self.train.indices, minlength=self.train.shape[1]) > 0
        return self.ndcg_of(
            factor_scorer.top_n(
                user_vectors, item_vectors, np.arange(len(self.users)), LENGTH,
                tie_order=np.arange(len(item_vectors), dtype=np.int32), item_bias=item_bias,
                exclude=sparse.csr_array(self.train[self.users]), eligible=known,
            )
        )  # fmt: skip

    def ndcg_of(self, lists: TopN) -> float:
        """Return the mean NDCG@10 of lists of `users`, one each, of which there is at least one."""
        return float(ranking_metrics(lists.items, self.held_out, [LENGTH])[f"ndcg@{LENGTH}"].mean())


def carve_out(
    matrix: sparse.csr_array,
    timestamp: sparse.csr_array,
    rng: np.random.Generator,
    *,
    share: float = _SHARE,
    most_users: int = MOST_USERS,
) -> CarveOut:
    """Take the newest items of some users out of the training matrix: at least one, and about a tenth of them.

    Of equal timestamps a random one counts as newer. Users with fewer than three items keep them all.

    Args:
        matrix: (n_users, n_items), canonical; the training matrix.
        timestamp: (n_users, n_items) int64, Unix seconds; holds every entry of `matrix`.
        rng: draws the users, and the order of equal timestamps.
        share: of a user's items that are taken out; 0 takes one.
        most_users: if more users have enough items, so many of them are drawn.
    """
    degree = np.diff(matrix.indptr)
    users = np.flatnonzero(degree >= _LEAST_ITEMS)
    if len(users) > most_users:
        users = np.sort(rng.choice(users, most_users, replace=False))
    rows = np.repeat(np.arange(matrix.shape[0]), degree)
    newest_first = np.lexsort((rng.random(matrix.nnz), -entries_of(timestamp, matrix), rows))
    place = np.empty(matrix.nnz, np.int64)
    place[newest_first] = np.arange(matrix.nnz) - matrix.indptr[rows]
    taken_of = np.zeros(matrix.shape[0], np.int64)
    taken_of[users] = np.maximum(1, np.floor(share * degree[users]))
    taken = place < taken_of[rows]
    return CarveOut(only(matrix, ~taken), users, sparse.csr_array(only(matrix, taken)[users]))
