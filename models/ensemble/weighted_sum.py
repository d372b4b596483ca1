"""Weighted sums of the features of candidates, in one pass: the same bits as adding up the columns one by one.

`Blend.feature_columns` is the plain version, from which the weights are learned; tests compare the two. Each user's
candidates are summed by one thread, in the order of the features, so results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from models.base import FloatArray
from models.ensemble.candidates import CandidatePool
from models.numerics.threads import one_launch


def weighted_sums(
    pool: CandidatePool,
    weights: NDArray[np.float64],
    is_used: NDArray[np.bool_],
    *,
    of_ranks: Sequence[FloatArray],
    of_items: FloatArray,
    of_pairs: FloatArray,
) -> FloatArray:
    """Return the weighted sum of each candidate's features.

    The features are, in this order: for each member of the pool the entries of `of_ranks` and the score; the features
    of the item; those of the pair.

    Args:
        pool: the candidates.
        weights: (n_rows, n_features) float64, the weights of each row of the pool.
        is_used: (n_features,) bool, the features that are added.
        of_ranks: functions of the rank, as tables of (n + 1,) float32 each, n the length of the members' lists.
        of_items: (k, n_items) float32.
        of_pairs: (m, n_candidates) float32.

    Returns:
        (n_candidates,) float32, summed in float64.
    """
    ends = np.searchsorted(pool.row, np.arange(len(weights) + 1))
    found = np.empty(len(pool.row), np.float32)
    with one_launch:
        _sum(
            ends, pool.item, pool.scores, pool.ranks, np.ascontiguousarray(weights), is_used,
            np.stack(of_ranks), of_items, of_pairs, found,
        )  # fmt: skip
    return found


@numba.njit(parallel=True, cache=True)
def _sum(
    ends: Any, item: Any, scores: Any, ranks: Any, weights: Any, is_used: Any, of_ranks: Any, of_items: Any,
    of_pairs: Any, found: Any,
) -> None:  # fmt: skip
    """Write the sums; a row's candidates are few enough for its totals to stay in the first cache."""
    n_functions, n_items = len(of_ranks), len(of_items)
    own = n_functions + 1  # features of each member
    for row in numba.prange(len(ends) - 1):
        mine = slice(ends[row], ends[row + 1])
        total = np.zeros(ends[row + 1] - ends[row])
        for feature in np.flatnonzero(is_used):
            weight = weights[row, feature]
            member, function = feature // own, feature % own
            if member < len(scores) and function < n_functions:
                _add_looked_up(total, weight, of_ranks[function], ranks[member, mine])
            elif member < len(scores):
                _add(total, weight, scores[member, mine])
            elif feature < own * len(scores) + n_items:
                _add_looked_up(total, weight, of_items[feature - own * len(scores)], item[mine])
            else:
                _add(total, weight, of_pairs[feature - own * len(scores) - n_items, mine])
        for at in range(len(total)):
            found[ends[row] + at] = total[at]


@numba.njit(cache=True)
def _add(total: Any, weight: float, column: Any) -> None:
    for at in range(len(total)):
        total[at] += weight * column[at]


@numba.njit(cache=True)
def _add_looked_up(total: Any, weight: float, table: Any, places: Any) -> None:
    for at in range(len(total)):
        total[at] += weight * table[np.int64(places[at])]
