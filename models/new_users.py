"""Users who were not trained on: their histories, from which a fitted model makes their lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from models.validation import as_indices


@dataclass(frozen=True)
class NewUsers:
    """The histories of some users in one array; of an item that was met several times the last time counts.

    Attributes:
        items: (n,) int64 item indices, each user's from the oldest to the newest; no user has an item twice.
        starts: (n_users + 1,) int64: user u has items[starts[u]:starts[u + 1]].
        n_items: number of items of the model.
    """

    items: NDArray[np.int64]
    starts: NDArray[np.int64]
    n_items: int

    @classmethod
    def of(cls, histories: Sequence[ArrayLike], n_items: int) -> NewUsers:
        """Read histories as they are given to `Recommender.recommend_for`; items that do not exist are left out.

        Args:
            histories: for each user the indices of their items, oldest first.
            n_items: number of items of the model.

        Raises:
            ValueError: a history is no list of integers.
        """
        rows = [_last_times(which, history, n_items) for which, history in enumerate(histories)]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        return cls(np.concatenate([*rows, np.empty(0, np.int64)]), starts, n_items)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n_users,) number of items of each user."""
        return np.diff(self.starts)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the user of each of `items`."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    def likes(self, value: float = 1.0) -> sparse.csr_array:
        """Return the histories as a canonical matrix, (n_users, n_items) float32, in which every item has `value`."""
        order = np.lexsort((self.items, self.rows))
        data = np.full(len(order), value, np.float32)
        parts = data, self.items[order].astype(np.int32), self.starts.astype(np.int32)
        return sparse.csr_array(parts, shape=(len(self.starts) - 1, self.n_items))

    def among(self, known: NDArray[np.bool_]) -> NewUsers:
        """Return the same users with only those items that a mask, (n_items,), marks."""
        return self._only(known[self.items])

    def split_after(self, n: int) -> tuple[NewUsers, NewUsers]:
        """Return the same users with the first n items of each history, and with the items after them."""
        is_early = np.arange(len(self.items)) - self.starts[self.rows] < n
        return self._only(is_early), self._only(~is_early)

    def _only(self, kept: NDArray[np.bool_]) -> NewUsers:
        """Return the same users with some of `items`, which a mask, (n,), marks."""
        starts = np.concatenate([[0], np.cumsum(np.bincount(self.rows[kept], minlength=len(self.lengths)))])
        return NewUsers(self.items[kept], starts.astype(np.int64), self.n_items)


def _last_times(which: int, history: ArrayLike, n_items: int) -> NDArray[np.int64]:
    """Return the items of one history that exist, each once, in the order of their last times."""
    try:
        indices = as_indices(f"history {which}", history)
    except ValueError as error:
        raise ValueError(f"{error}: give a list of item indices for each user, oldest first") from None
    existing = indices[(indices >= 0) & (indices < n_items)].astype(np.int64)
    _, from_the_end = np.unique(existing[::-1], return_index=True)
    return existing[::-1][np.sort(from_the_end)][::-1]
