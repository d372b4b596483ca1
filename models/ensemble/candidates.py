"""What several models propose to the same users, as one pool: who ranked each item where, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, IntArray, TopN


class Candidates(NamedTuple):
    """Every item that at least one member lists for a user, by row, then item.

    Attributes:
        row: (n,) int64, which of the lists the candidate belongs to.
        item: (n,) int64.
        scores: (members, n) float32, each member's score, standardised within its own list: mean 0 and deviation 1.
            An item that the member does not list gets what it gave its last one.
        ranks: (members, n) float32, from 0; the length of the lists for an item that the member does not list.
    """

    row: NDArray[np.int64]
    item: NDArray[np.int64]
    scores: FloatArray
    ranks: FloatArray


def pooled(lists: Sequence[TopN], n_items: int) -> Candidates:
    """The union of the members' lists for the same users, each (n_users, n).

    Scores of two models cannot be compared, and neither can those of one model fitted on more data; ranks and scores
    standardised per user can, so that weights learned on one snapshot hold for the next.

    Args:
        lists: one per member; entries with item −1 or a score that is not finite are padding.
        n_items: items are indices below it.
    """
    shape = lists[0].items.shape
    rows = np.broadcast_to(np.arange(shape[0], dtype=np.int64)[:, None], shape)
    ranks = np.broadcast_to(np.arange(shape[1], dtype=np.float32), shape)
    there = [(top.items >= 0) & np.isfinite(top.scores) for top in lists]
    keys = [rows[real] * n_items + top.items[real] for top, real in zip(lists, there, strict=True)]
    found, places = np.unique(np.concatenate(keys), return_inverse=True)
    row, item = np.divmod(found, max(n_items, 1))
    pool = Candidates(
        row,
        item,
        np.empty((len(lists), len(found)), np.float32),
        np.empty((len(lists), len(found)), np.float32),
    )
    ends = np.cumsum([len(key) for key in keys])[:-1]
    for member, place in enumerate(np.split(places, ends)):
        standardised = _standardised(lists[member].scores, there[member])
        lowest = np.min(standardised, axis=1, initial=np.inf, where=there[member])
        pool.scores[member] = np.where(np.isfinite(lowest), lowest, 0)[row]
        pool.scores[member, place] = standardised[there[member]]
        pool.ranks[member] = shape[1]
        pool.ranks[member, place] = ranks[there[member]]
    return pool


def _standardised(scores: FloatArray, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each row less the mean of its real scores, over their deviation; 0 where all are equal."""
    values = np.where(there, scores, 0).astype(np.float64)
    count = np.maximum(there.sum(axis=1, keepdims=True), 1)
    mean = values.sum(axis=1, keepdims=True) / count
    apart = np.where(there, values - mean, 0)
    deviation = np.sqrt((apart**2).sum(axis=1, keepdims=True) / count)
    level = deviation <= 1e-6 * np.abs(mean)  # float32 cannot tell such scores apart
    standardised: NDArray[np.float64] = np.divide(
        apart, deviation, out=np.zeros_like(apart), where=~level & (deviation > 0)
    )
    return standardised


def best(pool: Candidates, scores: FloatArray, n_rows: int, n: int, tie_order: NDArray[np.int32]) -> TopN:
    """The n candidates of each row with the greatest `scores`, (n_candidates,); ties in the order of `tie_order`."""
    tie_rank = np.empty(len(tie_order), np.int64)
    tie_rank[tie_order] = np.arange(len(tie_order))
    order = np.lexsort((tie_rank[pool.item], -scores, pool.row))
    row = pool.row[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < n
    top = TopN(np.full((n_rows, n), -1, np.int32), np.full((n_rows, n), np.nan, np.float32))
    top.items[row[kept], rank[kept]] = pool.item[order][kept]
    top.scores[row[kept], rank[kept]] = scores[order][kept]
    return top


def with_listed(
    exclude: sparse.csr_array | None, users: IntArray, items: NDArray[np.int32], shape: tuple[int, int]
) -> sparse.csr_array:
    """What is excluded for `users` and, of each, the row of `items`, (len(users), n); nothing for anybody else."""
    row, rank = np.nonzero(items >= 0)
    user, item = users[row], items[row, rank]
    if exclude is not None:
        before = exclude[users].tocoo()
        user, item = np.append(user, users[before.row]), np.append(item, before.col)
    return sparse.csr_array((np.ones(len(user), np.float32), (user, item)), shape)
