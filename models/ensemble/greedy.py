"""Greedy selection of members: add, again and again, the member that helps the lists most.

Caruana et al. 2004, "Ensemble selection from libraries of models" (ICML): with replacement, from nothing, and the best
of all prefixes is kept. The weight of a member is how often it was added, so that one that brings nothing has weight 0.
The lists are measured by their NDCG itself, where `models.ensemble.listwise` minimises a loss that stands for it.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from models.base import BoolArray, FloatArray
from models.numerics.threads import one_launch

_ROUNDS = 30  # members that are added at most; more make weights finer than the users can tell


def select(
    features: FloatArray,
    row: NDArray[np.int64],
    liked: BoolArray,
    *,
    n: int,
    most: int | None = None,
) -> NDArray[np.float64]:
    """Return how often each feature is added to the sum that ranks the candidates, as a share of all additions.

    Args:
        features: (n_candidates, n_features) float32, standardised; one for each member.
        row: (n_candidates,) int64, sorted; the list that each candidate belongs to.
        liked: (n_candidates,) bool.
        n: length of the lists that NDCG is measured on.
        most: the largest number of features that are added, each any number of times; None: no limit.

    Returns:
        (n_features,) float64 that sum to 1; all 0 where no sum brings a liked candidate into a list.
    """
    n_features = features.shape[1]
    counts, best, best_counts = np.zeros(n_features), 0.0, np.zeros(n_features)
    ends = np.append(np.flatnonzero(np.diff(row, prepend=-1)), len(row))
    columns = np.ascontiguousarray(features.T, np.float64)
    total = np.zeros(len(row))
    for _ in range(_ROUNDS if liked.any() else 0):
        with one_launch:
            found = _ndcg(ends, liked, total, columns, n).sum(axis=0)
        if most is not None and np.count_nonzero(counts) >= most:
            found[counts == 0] = -1.0
        added = int(np.argmax(found))
        total += columns[added]
        counts[added] += 1
        if found[added] > best:
            best, best_counts = found[added], counts.copy()
    best_counts /= max(best_counts.sum(), 1.0)
    return best_counts


@numba.njit(parallel=True, cache=True)
def _ndcg(ends: Any, liked: Any, total: Any, columns: Any, n: int) -> Any:
    """Return NDCG@n of each list by total + column, (n_lists, n_columns); of equal sums the earlier one is in front.

    Candidates need not be sorted: a rank is the number of those with a greater sum.
    """
    found = np.zeros((len(ends) - 1, len(columns)))
    for line in numba.prange(len(ends) - 1):
        first, size = ends[line], ends[line + 1] - ends[line]
        at_liked = np.flatnonzero(liked[first : first + size])
        ideal = 0.0
        for place in range(min(len(at_liked), n)):
            ideal += 1 / np.log2(place + 2.0)
        sums = np.empty(size)
        for column in range(len(columns) if len(at_liked) else 0):
            for at in range(size):
                sums[at] = total[first + at] + columns[column, first + at]
            gained = 0.0
            for own in at_liked:
                rank = 0
                for other in range(size):
                    rank += sums[other] > sums[own]
                for other in range(own):
                    rank += sums[other] == sums[own]
                if rank < n:
                    gained += 1 / np.log2(rank + 2.0)
            found[line, column] = gained / ideal
    return found
