"""Plain versions of what the blend's kernels compute, for comparison bit by bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.base import FloatArray, IntArray, TopN
from models.ensemble.blend import Blend
from models.ensemble.candidates import CandidatePool


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


def weighted_sum(blend: Blend, pool: CandidatePool, users: IntArray) -> FloatArray:
    """Sum the weighted features column by column.

    Args:
        blend: fitted, with weights.
        pool: the candidates.
        users: (b,) user indices; the rows of the pool are places in it.
    """
    own = [blend.config.weights.get(feature, 0.0) for feature in blend.feature_names]
    weights = np.vstack([blend.fold_weights_, own])
    fold = blend.fold_[users][pool.row]
    total = np.zeros(len(pool.row))
    for weight, column in zip(weights.T, blend.feature_columns(pool, users), strict=True):
        if weight.any():
            total += weight[fold] * column
    return total.astype(np.float32)


def mean_cosines(
    row: NDArray[np.int64],
    item: NDArray[np.int64],
    latest: NDArray[np.int32],
    counts: Sequence[int],
    vectors: FloatArray,
) -> FloatArray:
    """Compute `similarity_to_latest` one candidate at a time, adding factor by factor in float32."""
    found = np.zeros((len(counts), len(row)), np.float32)
    for which, count in enumerate(counts):
        for at, (user, candidate) in enumerate(zip(row, item, strict=True)):
            mine = [i for i in latest[user, :count] if i >= 0]
            total, product = np.zeros(vectors.shape[1], np.float32), np.float32(0)
            for liked in mine:
                total += vectors[liked]
            for factor in range(vectors.shape[1]):
                product += total[factor] * vectors[candidate, factor]
            found[which, at] = np.float32(product / max(len(mine), 1))
    return found
