"""Link prediction between items: do a model's similar items foresee what users like next?

For each user the query is the item that they liked last before the cutoff, and the targets are the items that they came
to like after it. The model lists the items most similar to the query, and every pair of a query and a target is looked
up in that list, as links are in the evaluation of graphs (hits@k and mean reciprocal rank over pairs: Hu et al. 2020,
"Open Graph Benchmark", section 5; the queries are those of Ying et al. 2018, "Graph convolutional neural networks for
web-scale recommender systems", section 4.2). Items that the user had before stay in the list: the list of an item is
the same for every reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import IntArray, Recommender
from models.numerics.threads import one_launch

DEPTH = 1000
"""Similar items that are asked for: a target that is not among them has not been found."""

_QUERIES_AT_ONCE = 4096


@dataclass(frozen=True)
class Pairs:
    """Pairs of a query and a target, none twice.

    Attributes:
        user: (n_pairs,) int, the user whose pair it is; all pairs of a user have the same query.
        query: (n_pairs,) int, the item that the user liked last.
        target: (n_pairs,) int, an item that the user came to like later; never one that they had before.
    """

    user: IntArray
    query: IntArray
    target: IntArray


@dataclass(frozen=True)
class FoundPairs:
    """Where a model's lists of similar items have the targets.

    Attributes:
        place: (n_pairs,) float64, the place of the target among the first `DEPTH` items, from 1; inf if not there.
        auc: (n_pairs,) float64, the share of the other items that are behind the target, ties counted half.
        has_lists: whether the model found a similar item of any query; False for models that compare no items.
    """

    place: NDArray[np.float64]
    auc: NDArray[np.float64]
    has_lists: bool


def last_liked(positive: sparse.csr_array, timestamp: sparse.csr_array) -> NDArray[np.int64]:
    """Return the item of each user's latest like, (n_users,); −1 for users without one.

    Of several at the same time it is the one with the greatest index.

    Args:
        positive: (n_users, n_items), canonical; every stored entry is a like.
        timestamp: (n_users, n_items) int64, canonical; Unix seconds, with an entry for every like.
    """
    last = np.full(positive.shape[0], -1, np.int64)
    _fill_last_liked(
        positive.indptr, positive.indices, timestamp.indptr, timestamp.indices, timestamp.data, last
    )
    return last


def find_pairs(model: Recommender, pairs: Pairs, n_items: int) -> FoundPairs:
    """Ask a model for the items similar to each distinct query, once, and look the targets up.

    The AUC of a pair compares the target with the other items of the catalogue, all but the query and the user's
    targets: 1 for those behind it, ½ for those that the model does not tell apart from it. Items beyond the first
    `DEPTH`, of no similarity above 0, or unknown to the model are behind all that are listed and tie with each other.
    So it is exact where lists reach all similar items, and nothing is sampled.

    Args:
        model: a fitted model.
        pairs: to look up.
        n_items: number of items of the catalogue, greater than every item index.

    Returns:
        The places and the AUC of the pairs.
    """
    place, n_listed = _places(model, pairs)
    return FoundPairs(place, _auc(pairs.user, place, n_listed, n_items), bool(n_listed.any()))


def _places(model: Recommender, pairs: Pairs) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the place of each target, inf if it is not listed, and the length of its query's list."""
    place, n_listed = np.full(len(pairs.query), np.inf), np.zeros(len(pairs.query), np.int64)
    queries, row = np.unique(pairs.query, return_inverse=True)
    by_row = np.argsort(row, kind="stable")
    for start in range(0, len(queries), _QUERIES_AT_ONCE):
        lists = model.similar_items(queries[start : start + _QUERIES_AT_ONCE], DEPTH).items
        lengths = np.count_nonzero(lists >= 0, axis=1)
        first, end = np.searchsorted(row[by_row], [start, start + len(lists)])
        asked = by_row[first:end]
        n_listed[asked] = lengths[row[asked] - start]
        with one_launch:
            _look_up(lists, row[asked] - start, pairs.target[asked], asked, place)
    return place, n_listed


@numba.njit(parallel=True, cache=True)
def _look_up(lists: Any, row: Any, target: Any, pair: Any, place: Any) -> None:
    """Write the place of each pair's target in its row of the lists, from 1 on; without one the place stays."""
    for at in numba.prange(len(row)):
        for column in range(lists.shape[1]):
            if lists[row[at], column] == target[at]:
                place[pair[at]] = column + 1


def _auc(
    user: IntArray, place: NDArray[np.float64], n_listed: NDArray[np.int64], n_items: int
) -> NDArray[np.float64]:
    """Return the AUC of each pair; ½ where there are no other items, and so nothing to order."""
    _, number, n_targets = np.unique(user, return_inverse=True, return_counts=True)
    listed = np.isfinite(place)
    n_found = np.bincount(number[listed], minlength=len(n_targets))
    in_order = np.lexsort((place, number))
    targets_ahead = np.empty(len(user), np.int64)
    starts = np.cumsum(n_targets) - n_targets
    targets_ahead[in_order] = np.arange(len(user)) - starts[number[in_order]]
    n_others = n_items - 1 - n_targets[number]
    others_listed = n_listed - n_found[number]
    behind = np.where(
        listed,
        n_others - (np.where(listed, place, 1) - 1 - targets_ahead),
        (n_others - others_listed) / 2,
    )
    return np.where(n_others > 0, behind / np.maximum(n_others, 1), 0.5)


@numba.njit(nogil=True, cache=True)
def _fill_last_liked(indptr, indices, met_indptr, met_indices, met_at, last):  # type: ignore[no-untyped-def]
    """Fill `last` (n_users,) by walking the likes of each user along with all that the user met, both by item."""
    for user in range(len(last)):
        place, latest = met_indptr[user], np.int64(0)
        for liked in range(indptr[user], indptr[user + 1]):
            item = indices[liked]
            while met_indices[place] < item:  # ends there: every like has a time
                place += 1
            if last[user] < 0 or met_at[place] >= latest:
                last[user], latest = item, met_at[place]
