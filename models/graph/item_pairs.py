"""Pairs of items that one user liked soon after one another, and the graph that they make."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.sequence.histories import Histories


@dataclass(frozen=True)
class ItemPairs:
    """All pairs of likes of one user with at most `window` − 1 likes and at most `most_s` seconds between them.

    A pair that is d likes apart weighs 1 / d.

    Attributes:
        histories: the likes of each user in time order.
        window: greatest distance, at least 1.
        most_s: greatest difference of their times in seconds.
        n_items: number of items.
    """

    histories: Histories
    window: int
    most_s: float
    n_items: int

    @classmethod
    def of(cls, histories: Histories, window: int, most_s: float, n_items: int, seed: int) -> ItemPairs:
        """Return the pairs in histories whose likes of one time are in random order.

        `Histories` has them in the order of their index, by which items would be pairs that have nothing in common.

        Args:
            histories: of all users.
            window, most_s, n_items: see the class.
            seed: draws the order.
        """
        users = np.repeat(np.arange(len(histories.lengths)), histories.lengths)
        ties = np.random.default_rng(seed).random(len(users))
        order = np.lexsort((ties, histories.times, users))
        shuffled = Histories(histories.items[order], histories.times[order], histories.starts)
        return cls(shuffled, window, most_s, n_items)

    def graph(self) -> sparse.csr_array:
        """Return the sum of the weights of each pair of different items, (n_items, n_items) float32, symmetric."""
        shape = self.n_items, self.n_items
        total = sparse.csr_array((np.empty(0, np.float32), (np.empty(0, int), np.empty(0, int))), shape)
        for distance in range(1, self.window + 1):  # one at a time: all at once would not fit into memory
            first = np.flatnonzero(self._is_pair(np.arange(len(self.histories.items) - distance), distance))
            ends = self.histories.items[first], self.histories.items[first + distance]
            weights = np.full(len(first), 1 / distance, np.float32)
            total = sparse.csr_array(total + sparse.csr_array((weights, ends), shape=shape))
        both = sparse.csr_array(total + total.T)
        both.setdiag(0)
        both.eliminate_zeros()
        return both

    def draw(self, n: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw pairs in proportion to their weights, either item first.

        Returns:
            two arrays of item indices, (m,) int64 each, with m at most `n`: draws that hit no pair are left out.
        """
        if not len(self.histories.items):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        first = rng.integers(len(self.histories.items), size=n)
        distance = 1 + np.searchsorted(self._chances, rng.random(n), side="right").clip(max=self.window - 1)
        swapped = rng.random(n) < 0.5
        there = self._is_pair(first, distance)
        ends = self.histories.items[np.stack([first, first + distance])[:, there]]
        ends[:, swapped[there]] = ends[::-1, swapped[there]]
        return ends[0], ends[1]

    def _is_pair(self, first: NDArray[np.int64], distance: NDArray[np.int64] | int) -> NDArray[np.bool_]:
        """Return whether the likes at places `first` and so much later are a pair, (n,)."""
        second = first + distance
        inside = second < self._ends[first]
        second = np.where(inside, second, first)
        times = self.histories.times
        return np.asarray(inside & (times[second] - times[first] <= self.most_s))

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """For each place, where the history of its user ends."""
        return np.repeat(self.histories.starts[1:], self.histories.lengths)

    @cached_property
    def _chances(self) -> NDArray[np.float64]:
        """Chance that the distance is at most 1, 2, …, `window`."""
        weights = 1 / np.arange(1, self.window + 1)
        return np.asarray(np.cumsum(weights) / weights.sum())
