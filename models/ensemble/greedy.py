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


def select(features: FloatArray, row: NDArray[np.int64], liked: BoolArray, *, n: int) -> NDArray[np.float64]:
    """Return how often each feature is added to the sum that ranks the candidates, as a share of all additions.

    Args:
        features: (n_candidates, n_features) float32, standardised; one for each member.
        row: (n_candidates,) int64, sorted; the list that each candidate belongs to.
        liked: (n_candidates,) bool.
        n: length of the lists that NDCG is measured on.

    Returns:
        (n_features,) float64 that sum to 1; all 0 where no sum brings a liked candidate into a list.
    """
    n_features = features.shape[1]
    counts, best, best_counts = np.zeros(n_features), 0.0, np.zeros(n_features)
    ends = np.append(np.flatnonzero(np.diff(row, prepend=-1)), len(row))
    columns = [np.ascontiguousarray(column, np.float64) for column in features.T]
    total = np.zeros(len(row))
    for _ in range(_ROUNDS if liked.any() else 0):
        found = [_quality(ends, liked, total + column, n) for column in columns]
        added = int(np.argmax(found))
        total += columns[added]
        counts[added] += 1
        if found[added] > best:
            best, best_counts = found[added], counts.copy()
    best_counts /= max(best_counts.sum(), 1.0)
    return best_counts


def _quality(ends: NDArray[np.int64], liked: BoolArray, scores: NDArray[np.float64], n: int) -> float:
    """Return the sum of NDCG@n over the lists; of equal scores the earlier candidate is in front."""
    with one_launch:
        return float(_ndcg(ends, liked, scores, n).sum())


@numba.njit(parallel=True, cache=True)
def _ndcg(ends: Any, liked: Any, scores: Any, n: int) -> Any:
    """Return NDCG@n of each list, whose candidates need not be sorted: a liked one's rank is a count."""
    found = np.zeros(len(ends) - 1)
    for line in numba.prange(len(ends) - 1):
        first, end = ends[line], ends[line + 1]
        gained, ideal, n_liked = 0.0, 0.0, 0
        for at in range(first, end):
            if not liked[at]:
                continue
            rank = 0
            for other in range(first, end):
                rank += scores[other] > scores[at] or (scores[other] == scores[at] and other < at)
            if rank < n:
                gained += 1 / np.log2(rank + 2.0)
            if n_liked < n:
                ideal += 1 / np.log2(n_liked + 2.0)
            n_liked += 1
        if ideal > 0:
            found[line] = gained / ideal
    return found
