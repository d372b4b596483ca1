"""How good ranked lists are, user by user: binary relevance, no sampling of candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

METRICS = ("ndcg", "recall", "recall_min", "precision", "map", "mrr", "hit_rate")


def ranking_metrics(
    items: NDArray[np.integer[Any]], relevant: sparse.csr_array, ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Every metric of `METRICS` at every k, for every row.

    With R the row's relevant items and hits those of them among the first k of the list:

    - `recall` = hits / |R|, `recall_min` = hits / min(k, |R|), `precision` = hits / k, `hit_rate` = any hit;
    - `ndcg` = Σ over hits of 1 / log2(rank + 1), over the greatest possible, with min(k, |R|) hits in front
      (Järvelin & Kekäläinen 2002);
    - `map` = Σ over hits of precision at the hit's rank, over |R|, as trec_eval's map_cut;
    - `mrr` = 1 / rank of the first hit, or 0.

    Args:
        items: (n_rows, n) ranked item indices, best first, none twice; −1 pads short lists.
        relevant: (n_rows, n_items), the items stored in row r are relevant to list r.
        ks: list lengths, each at least 1. Lists shorter than k count as padded.

    Returns:
        Arrays (n_rows,) by names such as `ndcg@10`; NaN in rows without a relevant item.

    Raises:
        ValueError: the two inputs differ in their number of rows, or a k is less than 1.
    """
    if items.shape[0] != relevant.shape[0]:
        raise ValueError(
            f"{items.shape[0]} lists cannot be judged by {relevant.shape[0]} rows of relevant items"
        )
    if min(ks) < 1:
        raise ValueError(f"every k must be at least 1, not {min(ks)}")
    n_relevant = np.diff(relevant.indptr).astype(np.float64)
    n_relevant[n_relevant == 0] = np.nan
    rows, ranks = _hits(items[:, : max(ks)], relevant)
    nth = _ordinals(rows)  # the first, second, ... hit of its row

    def total(weights: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        inside = ranks <= k
        sums = np.bincount(rows[inside], weights[inside], minlength=len(items))
        return np.where(np.isnan(n_relevant), np.nan, sums)

    found = {}
    for k in ks:
        hits = total(np.ones(len(ranks)), k)
        possible = np.fmin(n_relevant, k)
        found[f"ndcg@{k}"] = total(1 / np.log2(ranks + 1), k) / _ideal_gain(possible)
        found[f"recall@{k}"] = hits / n_relevant
        found[f"recall_min@{k}"] = hits / possible
        found[f"precision@{k}"] = hits / k
        found[f"map@{k}"] = total(nth / ranks, k) / n_relevant
        found[f"mrr@{k}"] = total((nth == 1) / ranks, k)
        found[f"hit_rate@{k}"] = np.fmin(hits, 1) + 0 * n_relevant
    return found


def _hits(
    items: NDArray[np.integer[Any]], relevant: sparse.csr_array
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and rank (from 1) of every listed item that is relevant, by row, then rank."""
    width = max(relevant.shape[1], 1)
    wanted = np.repeat(np.arange(len(items)), np.diff(relevant.indptr)) * width + relevant.indices
    listed = np.arange(len(items))[:, None] * width + items
    rows, columns = np.nonzero(np.isin(listed, wanted) & (items >= 0))
    return rows, columns + 1


def _ordinals(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """1, 2, 3, ... within each run of equal values of a sorted array."""
    at = np.arange(len(rows))
    starts = np.maximum.accumulate(np.where(np.diff(rows, prepend=-1) > 0, at, 0))
    return at - starts + 1


def _ideal_gain(n_hits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The discounted gain of a list that opens with `n_hits` hits; NaN stays."""
    most = int(np.nanmax(n_hits, initial=0))
    gains = np.concatenate([[0], np.cumsum(1 / np.log2(np.arange(2, most + 2)))])
    return np.where(np.isnan(n_hits), np.nan, gains[np.nan_to_num(n_hits).astype(np.int64)])
