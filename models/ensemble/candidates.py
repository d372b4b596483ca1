"""Pool of the candidates that several models list for the same users, with each model's rank and standardised score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, IntArray, TopN


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
        lists: one per member, each (n_users, n); entries with item −1 or a score that is not finite are padding.
        n_items: number of items; item indices lie below it.

    Returns:
        The pool; empty where all lists are.
    """
    shape = lists[0].items.shape
    rows = np.broadcast_to(np.arange(shape[0], dtype=np.int64)[:, None], shape)
    ranks = np.broadcast_to(np.arange(shape[1], dtype=np.float32), shape)
    is_listed = [(top.items >= 0) & np.isfinite(top.scores) for top in lists]
    keys = [rows[real] * n_items + top.items[real] for top, real in zip(lists, is_listed, strict=True)]
    found, places = np.unique(np.concatenate(keys), return_inverse=True)
    row, item = np.divmod(found, max(n_items, 1))
    pool = CandidatePool(
        row,
        item,
        np.empty((len(lists), len(found)), np.float32),
        np.empty((len(lists), len(found)), np.float32),
    )
    ends = np.cumsum([len(key) for key in keys])[:-1]
    for member, place in enumerate(np.split(places, ends)):
        standardised = _standardise(lists[member].scores, is_listed[member])
        lowest = np.min(standardised, axis=1, initial=np.inf, where=is_listed[member])
        pool.scores[member] = np.where(np.isfinite(lowest), lowest, 0)[row]
        pool.scores[member, place] = standardised[is_listed[member]]
        pool.ranks[member] = shape[1]
        pool.ranks[member, place] = ranks[is_listed[member]]
    return pool


def _standardise(scores: FloatArray, is_listed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Subtract the mean of each row's listed scores and divide by their deviation; 0 where all are equal."""
    values = np.where(is_listed, scores, 0).astype(np.float64)
    count = np.maximum(is_listed.sum(axis=1, keepdims=True), 1)
    mean = values.sum(axis=1, keepdims=True) / count
    centred = np.where(is_listed, values - mean, 0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    is_level = deviation <= 1e-6 * np.abs(mean)  # float32 cannot tell such scores apart
    standardised: NDArray[np.float64] = np.divide(
        centred, deviation, out=np.zeros_like(centred), where=~is_level & (deviation > 0)
    )
    return standardised


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
    order = np.lexsort((tie_rank[pool.item], -scores, pool.row))
    row = pool.row[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    kept = rank < n
    top = TopN(np.full((n_rows, n), -1, np.int32), np.full((n_rows, n), np.nan, np.float32))
    top.items[row[kept], rank[kept]] = pool.item[order][kept]
    top.scores[row[kept], rank[kept]] = scores[order][kept]
    return top


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
