"""Top-N selection: the n best items of every row of a block of scores, used by both scorers.

Rows are not sorted in full. The entries of a row are dealt into groups; the n-th greatest group maximum is a lower
bound of the n-th greatest score, because n different groups hold at least one such score each. Only the few groups that
reach the bound are searched again, and only the scores that reach it are sorted: a little over n, if few are tied.

Scores are compared by their bits, read as integers: among positive floats the order is the same, and maxima of integers
are vectorised (SIMD). Where negative scores count, the row is first rewritten so that the order holds for all.

The kernels call nothing outside this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.numerics.threads import one_launch

_ROWS_PER_CHUNK = 16  # rows that share one scratch space
_BLOCK_ENTRIES = 30_000_000  # scores held at a time: 120 MB
_MAX_BLOCK_ROWS = 1024  # the matrix product gains nothing from taller blocks
_GROUP = 32  # scores per group, if that makes enough groups
_NO_SCORE = -(2**31)  # stands for −inf and NaN
_INFINITY = 0x7F800000  # the bits of +inf; NaN lies above
_MINUS_INFINITY = np.int32(-0x00800000)  # the bits of −inf


class Selector:
    """Selects lists from blocks of scores: higher scores first, ties in the order of `tie_order`.

    Items of score −inf or NaN are never listed; short lists are padded.

    Args:
        users: (n_rows,) the row of `exclude` that belongs to each list.
        n: length of the lists.
        tie_order: (n_items,) permutation of the items; of equal scores the item that comes first here wins.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask of items that may be listed; by default all.

    Attributes:
        top: the lists, (n_rows, n); filled by `select`.
    """

    def __init__(
        self,
        users: IntArray,
        n: int,
        tie_order: NDArray[np.int32],
        exclude: sparse.csr_array | None = None,
        eligible: BoolArray | None = None,
    ) -> None:
        self._users = np.asarray(users, np.int64)
        self._tie_order = tie_order
        self._tie_rank = np.empty(len(tie_order), np.uint32)
        self._tie_rank[tie_order] = np.arange(len(tie_order), dtype=np.uint32)
        self._hidden = np.flatnonzero(~eligible) if eligible is not None else np.empty(0, np.int64)
        self._exclude = exclude
        shape = (len(self._users), n)
        self.top = TopN(np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32))

    def select(self, start: int, scores: FloatArray) -> None:
        """Select the lists of a block of rows.

        Args:
            start: row of the first list to fill.
            scores: (b, n_items) float32, one row per list; overwritten by the masks.
        """
        with one_launch:
            _select(*self._given(start, scores))

    def select_here(self, start: int, scores: FloatArray) -> None:
        """Do as `select` does, but on the thread that calls it, without Python's lock: others may fill other lists."""
        _select_rows(0, len(scores), *self._given(start, scores))

    def _given(self, start: int, scores: FloatArray) -> tuple[Any, ...]:
        """Return the arguments of the kernels."""
        rows = slice(start, start + len(scores))
        no_items = np.empty(0, np.int32)
        excluded = (
            (no_items, no_items) if self._exclude is None else (self._exclude.indptr, self._exclude.indices)
        )
        return (
            scores.view(np.int32), self._hidden, (self._users[rows], *excluded), self._tie_rank, self._tie_order,
            self.top.items[rows], self.top.scores[rows],
        )  # fmt: skip


def select_in_order(
    scores: FloatArray,
    rows: IntArray,
    n: int,
    tie_order: NDArray[np.int32],
    starts: IntArray,
    columns: IntArray,
    values: FloatArray,
) -> None:
    """Write the n best items of some rows in the order of the items, as a sparse matrix stores them.

    Args:
        scores: (b, n_items) float32.
        rows: (m,) the rows to select from, each with at least n scores above −inf.
        n: number of items per row.
        tie_order: (n_items,) permutation; of equal scores the item that comes first in it is taken.
        starts: (b,) where the items of each row begin in the next two arrays, which are written.
        columns: int32 or int64, the items.
        values: float32, their scores.
    """
    tie_rank = np.empty(len(tie_order), np.uint32)
    tie_rank[tie_order] = np.arange(len(tie_order), dtype=np.uint32)
    with one_launch:
        _select_in_order(scores.view(np.int32), rows, n, tie_rank, starts, columns, values)


def identity(n: int) -> sparse.csr_array:
    """Return the (n, n) float32 identity matrix; as `exclude` it keeps items out of their own similar items."""
    return sparse.csr_array(sparse.eye_array(n, dtype=np.float32, format="csr"))


def block_rows(n_items: int, times: int = 1) -> int:
    """Return how many rows of `n_items` scores to hold at a time: at most 1,024 and `times` 120 MB, but at least 1."""
    return max(1, min(_MAX_BLOCK_ROWS, times * _BLOCK_ENTRIES // max(n_items, 1)))


@numba.njit(parallel=True, cache=True)
def _select(
    bits: Any, hidden: Any, excluded: Any, tie_rank: Any, tie_order: Any, items: Any, values: Any
) -> None:
    """Write every row's best items and their scores, on all threads."""
    n_rows = len(bits)
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        first, end = chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)
        _select_rows(first, end, bits, hidden, excluded, tie_rank, tie_order, items, values)


@numba.njit(nogil=True, cache=True)
def _select_rows(
    first: int,
    end: int,
    bits: Any,
    hidden: Any,
    excluded: Any,
    tie_rank: Any,
    tie_order: Any,
    items: Any,
    values: Any,
) -> None:
    """Write the best items of the rows from `first` up to `end`, and their scores; places that are left stay padding.

    A row is masked and read at once, while it is in the second cache.
    """
    width = bits.shape[1]
    n = items.shape[1]
    n_groups = _count_groups(width, n)
    maxima = np.empty(n_groups, np.int32)
    found = np.empty(width + 1, np.int32)  # one more, because `_collect` writes before it counts
    rewritten = np.empty(width, np.int32)
    for row in range(first, end):
        _mask(bits[row], hidden, excluded, row)
        scores, count = _reaching(bits[row], n, maxima, found, rewritten)
        best = _greatest(_keys(scores, found[:count], tie_rank), n)
        for rank in range(len(best)):
            item = tie_order[np.uint32(0xFFFFFFFF) - np.uint32(best[rank] & np.int64(0xFFFFFFFF))]
            items[row, rank] = item
            values[row, rank] = _as_float(scores[item])


@numba.njit(parallel=True, cache=True)
def _select_in_order(
    bits: Any, rows: Any, n: int, tie_rank: Any, starts: Any, columns: Any, values: Any
) -> None:
    """Write the n best items of each of `rows`, and their scores, in the order of the items from starts[row] on."""
    width = bits.shape[1]
    n_groups = _count_groups(width, n)
    for chunk in numba.prange((len(rows) + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        maxima = np.empty(n_groups, np.int32)
        found = np.empty(width + 1, np.int32)
        rewritten = np.empty(width, np.int32)
        for row in rows[chunk * _ROWS_PER_CHUNK : (chunk + 1) * _ROWS_PER_CHUNK]:
            scores, count = _reaching(bits[row], n, maxima, found, rewritten)
            keys = _keys(scores, found[:count], tie_rank)
            least = np.partition(keys, len(keys) - n)[len(keys) - n]
            score = np.int32(least >> np.int64(32))
            at = starts[row]
            for item in range(width):
                if scores[item] >= score:
                    tie = np.int64(0xFFFFFFFF) - np.int64(tie_rank[item])
                    if scores[item] > score or tie >= least & np.int64(0xFFFFFFFF):
                        columns[at], values[at] = item, _as_float(scores[item])
                        at += 1


@numba.njit(cache=True)
def _count_groups(width: int, n: int) -> int:
    return max((width + _GROUP - 1) // _GROUP, min(width, 8 * n))


@numba.njit(cache=True)
def _reaching(bits: Any, n: int, maxima: Any, found: Any, rewritten: Any) -> Any:
    """Write the items that reach a bound of the n-th greatest score to `found`; return ordered scores, and how many."""
    scores = bits
    _group_maxima(scores, maxima)
    bound = _lower_bound(maxima, n)
    if bound <= 0 or maxima.max() > _INFINITY:
        _rewrite(scores, rewritten)
        scores = rewritten
        _group_maxima(scores, maxima)
        bound = _lower_bound(maxima, n)
    return scores, _collect(scores, bound, maxima, found)


@numba.njit(cache=True)
def _mask(scores: Any, hidden: Any, excluded: Any, row: int) -> None:
    """Set the hidden items, and those stored for the row's user, to −inf."""
    for item in hidden:
        scores[item] = _MINUS_INFINITY
    users, indptr, indices = excluded
    if len(indptr):
        for at in range(indptr[users[row]], indptr[users[row] + 1]):
            scores[indices[at]] = _MINUS_INFINITY


@numba.njit(cache=True)
def _rewrite(bits: Any, ordered: Any) -> None:
    """Write integers that order like the floats, negative ones too: −0 as 0, and −inf and NaN below all others."""
    for item in range(len(bits)):
        b = bits[item]
        magnitude = b & np.int32(0x7FFFFFFF)
        none = (magnitude > _INFINITY) | ((magnitude == _INFINITY) & (b < 0))
        ordered[item] = _NO_SCORE if none else (b if b >= 0 else -magnitude)


@numba.njit(cache=True)
def _as_float(ordered: Any) -> Any:
    """Return the float of a rewritten integer; positive ones are the same in both forms."""
    bits = ordered if ordered >= 0 else -ordered | np.int32(_NO_SCORE)
    return np.int32(bits).view(np.float32)


@numba.njit(cache=True)
def _group_maxima(row: Any, maxima: Any) -> None:
    """Write the maximum of each group; group g holds the entries g, g + n_groups, g + 2 n_groups, …

    So the inner loops are vectorised (SIMD). Four passes are one: a maximum is written once for four scores read.
    """
    n_groups, width = len(maxima), len(row)
    maxima[:] = row[:n_groups]
    start = n_groups
    while start + 4 * n_groups <= width:
        second, third, fourth = start + n_groups, start + 2 * n_groups, start + 3 * n_groups
        for group in range(n_groups):
            left = max(row[start + group], row[second + group])
            right = max(row[third + group], row[fourth + group])
            maxima[group] = max(maxima[group], left, right)
        start += 4 * n_groups
    while start < width:
        for group in range(min(n_groups, width - start)):
            maxima[group] = max(maxima[group], row[start + group])
        start += n_groups


@numba.njit(cache=True)
def _lower_bound(maxima: Any, n: int) -> Any:
    """Return the n-th greatest group maximum or a little less; the least integer if fewer than n groups have a score.

    Bisects the integers: at most 32 counts, without a branch.
    """
    # Invariant: at least n maxima reach low, or low is the least integer; fewer than n reach high.
    low, high = _NO_SCORE + 1, 2**31
    while high - low > 1:
        middle = (low + high) >> 1
        least = np.int32(middle)
        count = np.int32(0)
        for group in range(len(maxima)):
            count += np.int32(maxima[group] >= least)
        if count < n:
            high = middle
        else:
            low = middle
            if count <= n + n // 8:
                break
    return np.int32(low)


@numba.njit(cache=True)
def _collect(row: Any, bound: Any, maxima: Any, found: Any) -> Any:
    """Write the items whose scores reach the bound to the front of `found`; return their number.

    Every item is written, and the count grows only if it reaches the bound: a branch would be mispredicted too often.
    """
    n_groups = len(maxima)
    count = np.uint64(0)
    for group in range(n_groups):
        found[count] = group
        count += np.uint64(maxima[group] >= bound)
    groups = found[:count].copy()
    count = np.uint64(0)
    for group in groups:
        for item in range(group, len(row), n_groups):
            found[count] = item
            count += np.uint64(row[item] >= bound)
    return count


@numba.njit(cache=True)
def _keys(row: Any, items: Any, tie_rank: Any) -> Any:
    """Return one integer per item, greater for better items: score in the high bits, inverted tie rank below."""
    keys = np.empty(len(items), np.int64)
    for at in range(len(items)):
        tie = np.int64(0xFFFFFFFF) - np.int64(tie_rank[items[at]])
        keys[at] = (np.int64(row[items[at]]) << np.int64(32)) | tie
    return keys


@numba.njit(cache=True)
def _greatest(keys: Any, n: int) -> Any:
    """Return the n greatest keys, greatest first; no two are equal, so that any sorting algorithm gives the same."""
    if len(keys) > 4 * n:
        keys = np.partition(keys, len(keys) - n)[len(keys) - n :]
    return np.sort(keys)[::-1][:n]
