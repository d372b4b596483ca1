"""Pool of the candidates that several models list for the same users, with each model's rank and standardised score.

The kernels work on one user at a time, so results do not depend on the number of threads. They call nothing outside
this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, IntArray, TopN
from models.numerics.threads import one_launch

_ROWS_PER_CHUNK = 16  # rows that share one scratch space
_NO_SCORE = -(2**31)  # stands for NaN, which sorts last
_INFINITY = 0x7F800000  # the bits of +inf; NaN lies above


class CandidatePool(NamedTuple):
    """All items that at least one member lists for a user, sorted by row, then item.

    Attributes:
        row: (n,) int64, index of the list that the candidate belongs to.
        item: (n,) int64.
        scores: (members, n) float32, each member's score, standardised within its own list: mean 0 and deviation 1.
            An item that the member does not list gets the score of the member's last item.
        ranks: (members, n) float32, from 0; the length of the lists for an item that the member does not list.
    """

    row: NDArray[np.int64]
    item: NDArray[np.int64]
    scores: FloatArray
    ranks: FloatArray


def pool_lists(lists: Sequence[TopN], n_items: int) -> CandidatePool:
    """Return the union of the members' lists for the same users.

    Scores of two models cannot be compared, and neither can those of one model fitted on more data. Ranks and scores
    standardised per user can, so that weights learned on one snapshot hold for the next.

    Args:
        lists: one per member, each (n_users, n), no item twice in a list; entries with item −1 or a score that is not
            finite are padding.
        n_items: number of items; item indices lie below it.

    Returns:
        The pool; empty where all lists are.
    """
    items = np.stack([top.items for top in lists]).astype(np.int32, copy=False)
    scores = np.stack([top.scores for top in lists]).astype(np.float32, copy=False)
    n_members, n_rows, n = items.shape
    found = np.empty((n_rows, n_members * n), np.int32)
    ends = np.zeros(n_rows + 1, np.int64)
    with one_launch:
        _unite(items, scores, n_items, found, ends[1:])
        np.cumsum(ends, out=ends)
        pool = CandidatePool(
            np.repeat(np.arange(n_rows, dtype=np.int64), np.diff(ends)),
            np.empty(ends[-1], np.int64),
            np.empty((n_members, ends[-1]), np.float32),
            np.empty((n_members, ends[-1]), np.float32),
        )
        _fill(items, scores, n_items, found, ends, pool.item, pool.scores, pool.ranks)
    return pool


@numba.njit(parallel=True, cache=True)
def _unite(items: Any, scores: Any, n_items: int, found: Any, counts: Any) -> None:
    """Write each row's listed items, each once and in ascending order, to the front of its row of `found`."""
    n_members, n_rows, n = items.shape
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        is_there = np.zeros(n_items, np.bool_)
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            mine, count = found[row], 0
            for member in range(n_members):
                for rank in range(n):
                    item = items[member, row, rank]
                    if item >= 0 and np.isfinite(scores[member, row, rank]) and not is_there[item]:
                        is_there[item] = True
                        mine[count] = item
                        count += 1
            mine[:count] = np.sort(mine[:count])
            is_there[mine[:count]] = False
            counts[row] = count


@numba.njit(parallel=True, cache=True)
def _fill(
    items: Any, scores: Any, n_items: int, found: Any, ends: Any, item: Any, standardised: Any, ranks: Any
) -> None:
    """Write the items, standardised scores and ranks of the pool; row r has the places from ends[r] to ends[r + 1]."""
    n_members, n_rows, n = items.shape
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        place_of = np.empty(n_items, np.int32)  # only places of the row's own items are read
        is_listed, values = np.empty(n, np.bool_), np.empty(n)
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            first, last = ends[row], ends[row + 1]
            for place in range(first, last):
                item[place] = found[row, place - first]
                place_of[item[place]] = place - first
            for member in range(n_members):
                listed = items[member, row]
                for rank in range(n):
                    score = scores[member, row, rank]
                    is_listed[rank] = listed[rank] >= 0 and np.isfinite(score)
                    values[rank] = score if is_listed[rank] else 0.0
                standardised[member, first:last] = _standardise(values, is_listed)
                ranks[member, first:last] = n
                for rank in range(n):
                    if is_listed[rank]:
                        standardised[member, first + place_of[listed[rank]]] = values[rank]
                        ranks[member, first + place_of[listed[rank]]] = rank


@numba.njit(cache=True)
def _standardise(values: Any, is_listed: Any) -> float:
    """Subtract the mean of the listed values and divide by their deviation, in place; return the least, or 0.

    All become 0 where they are equal. Values that are not listed are 0 before and after.
    """
    n = len(values)
    count = max(is_listed.sum(), 1)
    mean = _sum(values) / count
    for at in range(n):
        values[at] = values[at] - mean if is_listed[at] else 0.0
    deviation = np.sqrt(_sum(values**2) / count)
    # float32 cannot tell scores apart that differ by less
    is_level = deviation <= 1e-6 * abs(mean) or not deviation > 0
    least = np.inf
    for at in range(n):
        values[at] = 0.0 if is_level else values[at] / deviation
        if is_listed[at]:
            least = min(least, values[at])
    return least if least < np.inf else 0.0


@numba.njit(cache=True)
def _sum(values: Any) -> float:
    """Return the sum in numpy's order (pairwise; Higham 1993): the bits are those of `values.sum()`."""
    n = len(values)
    if n > 128:
        half = n // 2
        half -= half % 8
        return _sum(values[:half]) + _sum(values[half:])
    total, start = 0.0, n - n % 8
    if n >= 8:
        part = values[:8].copy()
        for at in range(8, start, 8):
            part += values[at : at + 8]
        total = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]))
    for at in range(start if n >= 8 else 0, n):
        total += values[at]
    return total


def top_candidates(
    pool: CandidatePool, scores: FloatArray, n_rows: int, n: int, tie_order: NDArray[np.int32]
) -> TopN:
    """Return the n candidates of greatest score of each row.

    Args:
        pool: the candidates.
        scores: (n_candidates,) float32, one score per candidate of the pool.
        n_rows: number of lists; those without a candidate are empty.
        n: length of the lists.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it wins.

    Returns:
        Lists of shape (n_rows, n).
    """
    tie_rank = np.empty(len(tie_order), np.int64)
    tie_rank[tie_order] = np.arange(len(tie_order))
    top = TopN(np.full((n_rows, n), -1, np.int32), np.full((n_rows, n), np.nan, np.float32))
    ends = np.searchsorted(pool.row, np.arange(n_rows + 1))
    with one_launch:
        _select(
            pool.item, scores.view(np.int32), ends, tie_rank, tie_order, top.items, top.scores.view(np.int32)
        )
    return top


@numba.njit(parallel=True, cache=True)
def _select(
    item: Any, bits: Any, ends: Any, tie_rank: Any, tie_order: Any, items: Any, selected_bits: Any
) -> None:
    """Write each row's best candidates. One integer orders them: score in the high bits, inverted tie rank below."""
    n = items.shape[1]
    for row in numba.prange(len(items)):
        first, last = ends[row], ends[row + 1]
        keys = np.empty(last - first, np.int64)
        for place in range(first, last):
            tie = np.int64(0xFFFFFFFF) - tie_rank[item[place]]
            keys[place - first] = (np.int64(_ordered(bits[place])) << np.int64(32)) | tie
        keys.sort()
        for rank in range(min(n, last - first)):
            best = keys[last - first - 1 - rank]
            chosen = tie_order[np.int64(0xFFFFFFFF) - (best & np.int64(0xFFFFFFFF))]
            items[row, rank] = chosen
            selected_bits[row, rank] = bits[first + np.searchsorted(item[first:last], chosen)]


@numba.njit(cache=True)
def _ordered(bits: Any) -> Any:
    """Return an integer that orders like the float of these bits: −0 as 0, and NaN below all others."""
    magnitude = bits & np.int32(0x7FFFFFFF)
    if magnitude > _INFINITY:
        return np.int32(_NO_SCORE)
    return bits if bits >= 0 else np.int32(-magnitude)


def exclude_listed(
    exclude: sparse.csr_array | None, users: IntArray, items: NDArray[np.int32], shape: tuple[int, int]
) -> sparse.csr_array:
    """Return `exclude` for `users`, with the items of their lists excluded, too.

    Args:
        exclude: (n_users, n_items); items stored in a user's row are excluded. None excludes nothing.
        users: (b,) user indices.
        items: (b, n) int32, the list of each of `users`; −1 pads.
        shape: (n_users, n_items).

    Returns:
        (n_users, n_items) float32; the rows of all other users are empty.
    """
    row, rank = np.nonzero(items >= 0)
    user, item = users[row], items[row, rank]
    if exclude is not None:
        before = exclude[users].tocoo()
        user, item = np.append(user, users[before.row]), np.append(item, before.col)
    return sparse.csr_array((np.ones(len(user), np.float32), (user, item)), shape)
