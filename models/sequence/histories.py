"""Users' histories in time order, cut into padded blocks of sequences, without a loop over users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.interactions import entries_of

PADDING = 0
"""Stands before the first item of a short sequence. In sequences, item i is the number i + 1."""


@dataclass(frozen=True)
class Histories:
    """Every user's items, oldest first, in one array.

    Attributes:
        items: (n,) int64 item indices.
        times: (n,) int64, Unix seconds.
        starts: (n_users + 1,) int64: user u has items[starts[u]:starts[u + 1]].
    """

    items: NDArray[np.int64]
    times: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, matrix: sparse.csr_array, timestamp: sparse.csr_array) -> Histories:
        """Sort each user's items by time; items of one timestamp are in the order of their index.

        A pair that was met several times stands at its latest time, as in `Interactions.timestamp`.

        Args:
            matrix: (n_users, n_items), canonical; every entry is a step of its user's history.
            timestamp: (n_users, n_items) int64; holds every entry of `matrix`.
        """
        times = entries_of(timestamp, matrix)
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        order = np.lexsort((times, rows))  # stable: equal times stay in the order of the items
        return cls(matrix.indices[order].astype(np.int64), times[order], matrix.indptr.astype(np.int64))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n_users,) number of items of each user."""
        return np.diff(self.starts)

    def latest(self, users: NDArray[np.integer], length: int) -> NDArray[np.int64]:
        """Return the latest items of each user, left-padded.

        Args:
            users: (b,) user indices.
            length: most items a row may hold.

        Returns:
            (b, w) int64 of item index + 1 and `PADDING`, with w at most `length`: that of the longest history, at
            least 1.
        """
        ends = self.starts[1:][users]
        return self.padded(np.maximum(self.starts[:-1][users], ends - length), ends)[0]

    def padded(
        self, begins: NDArray[np.int64], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the items from each begin up to its end, left-padded, and where they stand in `items`.

        Args:
            begins: (b,) indices into `items`.
            ends: (b,) indices into `items`, none before its begin.

        Returns:
            Two arrays (b, w) int64, w the greatest length, at least 1: item index + 1, `PADDING` before the first; and
            the indices into `items`, −1 before the first.
        """
        width = max(int((ends - begins).max(initial=1)), 1)
        at = ends[:, None] + np.arange(-width, 0)
        at[at < begins[:, None]] = -1
        if not len(self.items):
            return np.zeros_like(at), at
        return np.where(at >= 0, self.items[at] + 1, PADDING), at

    def pieces(self, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Cut every history from its end into pieces of `length` steps, each a step from one item to the next.

        Returns:
            begin and end of each piece as indices into `items`; a piece of s steps has s + 1 items, and shares its last
            item with the next piece.
        """
        steps = np.maximum(self.lengths - 1, 0)
        counts = -(-steps // length)
        users = np.repeat(np.arange(len(counts)), counts)
        rank = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
        ends = self.starts[1:][users] - rank * length
        return np.maximum(self.starts[:-1][users], ends - length - 1), ends


def batches_of_like_length(
    lengths: NDArray[np.int64], most_steps: int, rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield all sequences in batches of about `most_steps` entries, in random order.

    Sequences of like length share a batch, because padding costs as much as items do.

    Args:
        lengths: (n,) steps of each sequence, at least 1.
        most_steps: entries of a batch; a longer sequence is a batch by itself.
        rng: draws which sequences of like length meet, and the order of the batches.

    Yields:
        (b,) indices into `lengths`.
    """
    blurred = lengths * rng.uniform(0.8, 1.2, len(lengths))  # so that batches differ from epoch to epoch
    order = np.argsort(blurred)
    longest = np.maximum.accumulate(lengths[order])
    is_full = np.diff(np.cumsum(longest) // max(most_steps, 1)) > 0
    is_twice_as_long = np.diff(np.floor(np.log2(longest))) > 0  # one long sequence would pad all the others
    batches = np.split(order, np.flatnonzero(is_full | is_twice_as_long) + 1)
    for at in rng.permutation(len(batches)):
        if len(batches[at]):
            yield batches[at]
