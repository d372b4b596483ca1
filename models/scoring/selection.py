"""Pick the n best of every row of a score block: the half that both scorers share.

No row is sorted. A row is dealt into groups; the n-th greatest group maximum is a lower bound of the n-th
greatest score, because n different groups hold at least one such score each. Only the few groups that reach
the bound are looked at again, and only the scores that reach it are sorted: a little over n, if few are tied.

The kernels call nothing outside this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import BoolArray, FloatArray, IntArray, TopN
from models.scoring.launch import one_launch

_ROWS_PER_CHUNK = 16  # rows that share one scratch space
_BLOCK_ENTRIES = 8_000_000  # scores held at a time: 32 MB
_MAX_BLOCK_ROWS = 512  # the matrix product gains nothing from taller blocks
_MINUS_INFINITY = -2_139_095_041  # −inf among the bit patterns that order like floats


class Selector:
    """Turns blocks of scores into lists, by one rule: higher score first, ties in the order of `tie_order`.

    −inf and NaN are no scores: they never enter a list, and lists that run short are padded.

    Args:
        users: (n_rows,) the row of `exclude` that belongs to each list.
        n: length of the lists.
        tie_order: (n_items,) permutation of the items; of equal scores the item that comes first here wins.
        exclude: (n_users, n_items); items stored in a user's row are left out.
        eligible: (n_items,) mask; by default every item.
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
        """Fill the lists from row `start` on; the masks overwrite `scores`, (block, n_items) float32."""
        rows = slice(start, start + len(scores))
        if len(self._hidden):
            scores[:, self._hidden] = -np.inf
        with one_launch:
            if self._exclude is not None:
                _mask(scores, self._users[rows], self._exclude.indptr, self._exclude.indices)
            _select(scores, self._tie_rank, self._tie_order, self.top.items[rows], self.top.scores[rows])


def block_rows(n_items: int) -> int:
    """How many rows of `n_items` scores to hold at a time, so that memory stays bounded."""
    return max(1, min(_MAX_BLOCK_ROWS, _BLOCK_ENTRIES // max(n_items, 1)))


@numba.njit(parallel=True, cache=True)
def _mask(scores: Any, users: Any, indptr: Any, indices: Any) -> None:
    """Set each user's stored items to −inf."""
    for row in numba.prange(len(users)):
        for at in range(indptr[users[row]], indptr[users[row] + 1]):
            scores[row, indices[at]] = -np.inf


@numba.njit(parallel=True, cache=True)
def _select(scores: Any, tie_rank: Any, tie_order: Any, items: Any, values: Any) -> None:
    """Write every row's best items and their scores; what is not written stays padding."""
    n_rows, width = scores.shape
    n = items.shape[1]
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        maxima = np.empty(min(width, max(8 * n, 256)), np.float32)
        ordered = np.empty(len(maxima), np.int32)
        keys = np.empty(width + 1, np.uint64)  # one more, for a candidate that is not kept
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            _group_maxima(scores[row], maxima)
            count = _collect(scores[row], _lower_bound(maxima, n, ordered), maxima, tie_rank, keys)
            _sort_greatest(keys, count, n)
            for rank in range(min(count, n)):
                item = tie_order[np.uint64(0xFFFFFFFF) - (keys[rank] & np.uint64(0xFFFFFFFF))]
                items[row, rank] = item
                values[row, rank] = scores[row, item]


@numba.njit(cache=True)
def _group_maxima(row: Any, maxima: Any) -> None:
    """Group g holds the entries g, g + n_groups, g + 2 n_groups, ...: the inner loop is a vector maximum."""
    maxima[:] = -np.inf
    for start in range(0, len(row), len(maxima)):
        part = row[start : start + len(maxima)]
        for group in range(len(part)):
            maxima[group] = part[group] if part[group] > maxima[group] else maxima[group]


@numba.njit(cache=True)
def _collect(row: Any, bound: Any, maxima: Any, tie_rank: Any, keys: Any) -> int:
    """Gather the scores that reach the bound as integers, the better the greater; return how many.

    A key is the score's bit pattern, turned so that it orders like the score, above the inverted tie rank.
    """
    count = 0
    for group in range(len(maxima)):
        if maxima[group] >= bound and maxima[group] > -np.inf:
            for item in range(group, len(row), len(maxima)):
                keys[count] = item  # kept only if counted: a branch here would be guessed wrong too often
                count += (row[item] >= bound) & (row[item] > -np.inf)
    for at in range(count):
        item = keys[at]
        score = np.float32(row[item] + np.float32(0))  # −0 becomes 0: they are equal
        ordered = score.view(np.uint32) ^ np.uint32(0xFFFFFFFF if score < 0 else 0x80000000)
        tie = np.uint64(0xFFFFFFFF) - np.uint64(tie_rank[item])
        keys[at] = (np.uint64(ordered) << np.uint64(32)) | tie
    return count


@numba.njit(cache=True)
def _lower_bound(maxima: Any, n: int, ordered: Any) -> Any:
    """The n-th greatest group maximum or a little less; −inf if there are fewer than n.

    Bisects the bit patterns, turned so that they order like the floats: at most 32 counts, without a branch.
    """
    bits = maxima.view(np.int32)
    for group in range(len(bits)):
        ordered[group] = bits[group] ^ ((bits[group] >> 31) & np.int32(0x7FFFFFFF))
    low, high = _MINUS_INFINITY, 2**31  # at least n maxima reach low, fewer reach high
    if len(ordered) < n:
        return np.float32(-np.inf)
    while high - low > 1:
        middle = (low + high) >> 1
        least = np.int32(middle)
        count = np.int32(0)
        for group in range(len(ordered)):
            count += np.int32(ordered[group] >= least)
        if count < n:
            high = middle
        else:
            low = middle
            if count <= n + n // 8:
                break
    return np.int32(low ^ ((low >> 31) & 0x7FFFFFFF)).view(np.float32)


@numba.njit(cache=True)
def _sort_greatest(values: Any, count: int, n: int) -> None:
    """Bring the n greatest of the first `count` values to the front, greatest first."""
    size = min(count, n)
    _heap_greatest(values, count, size)
    for end in range(size - 1, 0, -1):
        values[0], values[end] = values[end], values[0]
        _sift_down(values, 0, end)


@numba.njit(cache=True)
def _heap_greatest(values: Any, count: int, n: int) -> None:
    """Make values[:n] a heap of the n greatest of values[:count], the least of them at its root."""
    for at in range(n // 2 - 1, -1, -1):
        _sift_down(values, at, n)
    for at in range(n, count):
        if values[at] > values[0]:
            values[0] = values[at]
            _sift_down(values, 0, n)


@numba.njit(cache=True)
def _sift_down(heap: Any, at: int, size: int) -> None:
    """Restore the heap heap[:size] below a root that may be too great."""
    value = heap[at]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value
