"""Accuracy metrics of ranked lists for each user: binary relevance, all items ranked (no sampled candidates)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

METRICS = ("ndcg", "recall", "recall_min", "precision", "map", "mrr", "hit_rate")


def ranking_metrics(
    items: NDArray[np.integer[Any]], relevant: sparse.csr_array, ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Compute every metric of `METRICS` at every k, for every row.

    R is the set of the row's relevant items, and hits are the relevant items among the first k of the list:

    - `recall` = hits / |R|, `recall_min` = hits / min(k, |R|), `precision` = hits / k, `hit_rate` = any hit;
    - `ndcg` = Σ over hits of 1 / log2(rank + 1), divided by its maximum, which has min(k, |R|) hits in front
      (Järvelin & Kekäläinen 2002);
    - `map` = Σ over hits of precision at the hit's rank, divided by |R|, as trec_eval's map_cut;
    - `mrr` = 1 / rank of the first hit, or 0.

    Args:
        items: (n_rows, n) integer item indices, best first, without duplicates; −1 pads short lists.
        relevant: (n_rows, n_items); the items stored in row r are relevant for list r.
        ks: list lengths, each at least 1. Lists shorter than k count as padded.

    Returns:
        Metric name, such as `ndcg@10`, → (n_rows,) float64 from 0 to 1; NaN in rows without a relevant item.

    Raises:
        ValueError: `items` and `relevant` differ in their number of rows, or a k is less than 1.
    """
    if items.shape[0] != relevant.shape[0]:
        raise ValueError(
            f"{items.shape[0]} lists cannot be judged by {relevant.shape[0]} rows of relevant items"
        )
    lengths = ascending(ks)
    wanted = relevant if relevant.has_sorted_indices else relevant.sorted_indices()
    discounts = 1 / np.log2(np.arange(2, lengths[-1] + 2))
    ideal = np.concatenate([[0], np.cumsum(discounts)])
    found = np.empty((len(lengths), len(METRICS), len(items)))
    _judge(
        np.ascontiguousarray(items, np.int32), wanted.indptr, wanted.indices, lengths, discounts, ideal, found
    )
    at = {int(k): number for number, k in enumerate(lengths)}
    return {f"{metric}@{k}": found[at[k], number] for k in ks for number, metric in enumerate(METRICS)}


def ascending(ks: Sequence[int]) -> NDArray[np.int64]:
    """Return the distinct list lengths in ascending order, int64.

    Raises:
        ValueError: a length is less than 1.
    """
    if min(ks) < 1:
        raise ValueError(f"every k must be at least 1, not {min(ks)}")
    return np.unique(np.asarray(ks, np.int64))


@numba.njit(nogil=True, cache=True)
def _judge(items, indptr, indices, ks, discounts, ideal, found):  # type: ignore[no-untyped-def]
    """Fill `found` (n_ks, n_metrics, n_rows) in one pass over each list, with a result at every k."""
    n_rows, n = items.shape
    for row in range(n_rows):
        wanted = indices[indptr[row] : indptr[row + 1]]
        n_relevant = len(wanted)
        if n_relevant == 0:
            found[:, :, row] = np.nan
            continue
        hits, gain, precisions, first, rank = 0, 0.0, 0.0, 0.0, 0
        for number in range(len(ks)):
            k = ks[number]
            while rank < min(k, n):
                item = items[row, rank]
                rank += 1
                if item >= 0 and _holds(wanted, item):
                    hits += 1
                    gain += discounts[rank - 1]
                    precisions += hits / rank
                    if hits == 1:
                        first = 1 / rank
            possible = min(k, n_relevant)
            found[number, 0, row] = gain / ideal[possible]
            found[number, 1, row] = hits / n_relevant
            found[number, 2, row] = hits / possible
            found[number, 3, row] = hits / k
            found[number, 4, row] = precisions / n_relevant
            found[number, 5, row] = first
            found[number, 6, row] = 1.0 if hits else 0.0


@numba.njit(cache=True)
def _holds(ordered, value):  # type: ignore[no-untyped-def]
    """Whether a sorted array contains the value."""
    place = np.searchsorted(ordered, value)
    return place < len(ordered) and ordered[place] == value
