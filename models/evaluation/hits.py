"""Walk ranked lists once and count their hits at every length: what the ranking metrics of `metrics.py` are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import IntArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Hits:
    """The hits of lists cut at one length. A hit is a listed item that is relevant to its row.

    Rows are those with at least one relevant item.

    Attributes:
        k: the length at which the lists are cut.
        n_relevant: (n_rows,) int64, the row's relevant items, at least 1.
        n_hits: (n_rows,) int64, hits among the first k.
        gain: (n_rows,) float64, the sum over hits of 1 / log2(rank + 1).
        ideal_gain: (n_rows,) float64, that sum for a list with min(k, n_relevant) hits in front; above 0.
        precision_sum: (n_rows,) float64, the sum over hits of the precision at the hit's rank.
        reciprocal_rank: (n_rows,) float64, 1 / rank of the first hit, 0 without one.
        is_hit: (n_rows, min(k, n)) bool, whether there is a hit at each rank: enough for any other metric.
    """

    k: int
    n_relevant: NDArray[np.int64]
    n_hits: NDArray[np.int64]
    gain: Floats
    ideal_gain: Floats
    precision_sum: Floats
    reciprocal_rank: Floats
    is_hit: NDArray[np.bool_]


def count_hits(
    items: IntArray, relevant: sparse.csr_array, ks: Sequence[int]
) -> tuple[NDArray[np.bool_], dict[int, Hits]]:
    """Count the hits of every list at every length.

    Args:
        items: (n_rows, n) ranked item indices, best first, none twice; −1 pads short lists.
        relevant: (n_rows, n_items), the items stored in row r are relevant to list r.
        ks: list lengths, each at least 1. Lists shorter than k count as padded.

    Returns:
        Which rows have a relevant item, (n_rows,) bool, and the hits of those rows by k.

    Raises:
        ValueError: the two inputs differ in their number of rows, or a k is less than 1.
    """
    if items.shape[0] != relevant.shape[0]:
        raise ValueError(
            f"{items.shape[0]} lists cannot be judged by {relevant.shape[0]} rows of relevant items"
        )
    lengths = ascending(ks)
    wanted = relevant if relevant.has_sorted_indices else relevant.sorted_indices()
    rows = np.flatnonzero(np.diff(wanted.indptr))
    discounts = 1 / np.log2(np.arange(2, lengths[-1] + 2))
    ideal = np.concatenate([[0], np.cumsum(discounts)])
    shape = len(lengths), len(rows)
    n_hits, is_hit = np.empty(shape, np.int64), np.zeros((len(rows), items.shape[1]), np.bool_)
    gain, precision_sum, reciprocal_rank = np.empty(shape), np.empty(shape), np.empty(shape)
    _walk(
        np.ascontiguousarray(items, np.int32), wanted.indptr, wanted.indices, rows, lengths, discounts,
        n_hits, gain, precision_sum, reciprocal_rank, is_hit,
    )  # fmt: skip
    n_relevant = np.diff(wanted.indptr)[rows].astype(np.int64)
    by_k = {
        int(k): Hits(
            int(k), n_relevant, n_hits[at], gain[at], ideal[np.minimum(k, n_relevant)], precision_sum[at],
            reciprocal_rank[at], is_hit[:, :k],
        )
        for at, k in enumerate(lengths)
    }  # fmt: skip
    return np.diff(wanted.indptr) > 0, by_k


def ascending(ks: Sequence[int]) -> NDArray[np.int64]:
    """Return the list lengths in ascending order, each once.

    Raises:
        ValueError: one of them is less than 1.
    """
    if min(ks) < 1:
        raise ValueError(f"every k must be at least 1, not {min(ks)}")
    return np.unique(np.asarray(ks, np.int64))


@numba.njit(nogil=True, cache=True)
def _walk(  # type: ignore[no-untyped-def]
    items, indptr, indices, rows, ks, discounts, n_hits, gain, precision_sum, reciprocal_rank, is_hit
):
    """Fill the arrays (n_ks, n_rows) and `is_hit` (n_rows, n); lists are walked once, for all lengths."""
    n = items.shape[1]
    for place in range(len(rows)):
        row = rows[place]
        wanted = indices[indptr[row] : indptr[row + 1]]
        hits, gained, precisions, first, rank = 0, 0.0, 0.0, 0.0, 0
        for number in range(len(ks)):
            while rank < min(ks[number], n):
                item = items[row, rank]
                rank += 1
                if item >= 0 and _holds(wanted, item):
                    is_hit[place, rank - 1] = True
                    hits += 1
                    gained += discounts[rank - 1]
                    precisions += hits / rank
                    if hits == 1:
                        first = 1 / rank
            n_hits[number, place] = hits
            gain[number, place] = gained
            precision_sum[number, place] = precisions
            reciprocal_rank[number, place] = first


@numba.njit(cache=True)
def _holds(ordered, value):  # type: ignore[no-untyped-def]
    """Return whether a sorted array holds the value."""
    place = np.searchsorted(ordered, value)
    return place < len(ordered) and ordered[place] == value
