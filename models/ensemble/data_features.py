"""Features of a blend that come from the data, not from its members: of items, and of a user's latest likes."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from models.base import FloatArray
from models.interactions import Interactions
from models.new_users import NewUsers
from models.numerics.threads import one_launch

NEWEST_SHARES = (0.02, 0.1, 0.3)
"""Shares of all interactions, the newest ones, over which an item's trends are measured."""
LATEST_COUNTS = (3, 10, 30)
"""Numbers of latest likes that a candidate is compared with."""
ITEM_FEATURES = (
    "popularity",
    "liked_share",
    "mean_rating",
    "novelty",
    *(f"trend_{s:.0%}" for s in NEWEST_SHARES),
)
_PRIOR_COUNT = 5.0  # average interactions added to an item's own before a share or mean is taken
_NOVELTY_FLOOR = 0.01  # no item counts as newer than the newest hundredth of all interactions


def item_features(data: Interactions) -> FloatArray:
    """Compute the features `ITEM_FEATURES` of every item.

    - popularity: log(1 + interactions);
    - liked_share: share of its interactions that show liking; mean_rating: mean of its ratings; both shrunk to the mean
      of all items;
    - novelty: −log of (0.01 + the share of all interactions that happened since its first one);
    - trend_2% …: log of its interactions among the newest 2 %, relative to the number expected from its popularity.
      Time is counted in interactions, not in days: features are comparable on data of any age and pace.

    Args:
        data: the snapshot; its genres and tags (`Interactions.item_features`) are not read.

    Returns:
        (len(ITEM_FEATURES), n_items) float32, in that order; all finite.
    """
    n = data.n_items
    seen = np.bincount(data.seen.indices, minlength=n)
    liked = np.bincount(data.positive.indices, minlength=n)
    rated = np.bincount(data.rating.indices, minlength=n)
    stars = np.bincount(data.rating.indices, data.rating.data, minlength=n)
    times = data.timestamp.data
    in_order = np.sort(times)
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, data.timestamp.indices, times)
    before = np.searchsorted(in_order, first) / max(len(times), 1)
    features = [
        np.log1p(seen),
        _shrunk_mean(liked, seen),
        _shrunk_mean(stars, rated),
        -np.log(1 + _NOVELTY_FLOOR - before),
    ]
    for share in NEWEST_SHARES:
        since = in_order[int((1 - share) * (len(times) - 1))] if len(times) else 0
        newest = np.bincount(data.timestamp.indices[times >= since], minlength=n)
        features.append(np.log((newest + 1) / (share * seen + 1)))
    return np.asarray(features, np.float32)


def _shrunk_mean(sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return sums / counts, shrunk towards the mean of all items."""
    mean = sums.sum() / max(counts.sum(), 1)
    shrunk: NDArray[np.float64] = (sums + _PRIOR_COUNT * mean) / (counts + _PRIOR_COUNT)
    return shrunk


def latest_likes(data: Interactions) -> NDArray[np.int32]:
    """Return the items that each user liked last: (n_users, max(LATEST_COUNTS)) int32, newest first; −1 pads.

    A like without a time has the time 0; of likes of one time the lowest index comes first.
    """
    latest = np.full((data.n_users, max(LATEST_COUNTS)), -1, np.int32)
    likes, times = data.positive, data.timestamp
    with one_launch:
        _write_latest((likes.indptr, likes.indices), (times.indptr, times.indices, times.data), latest)
    return latest


@numba.njit(parallel=True, cache=True)
def _write_latest(likes: Any, timestamps: Any, latest: Any) -> None:
    """Write each user's latest likes; both matrices have sorted rows, which are walked in step."""
    starts, items = likes
    time_starts, time_items, times = timestamps
    for user in numba.prange(len(latest)):
        first, last = starts[user], starts[user + 1]
        ages = np.zeros(last - first, np.int64)
        at, end = time_starts[user], time_starts[user + 1]
        for place in range(first, last):
            while at < end and time_items[at] < items[place]:
                at += 1
            if at < end and time_items[at] == items[place]:
                ages[place - first] = -times[at]
        order = np.argsort(ages, kind="mergesort")  # stable
        for rank in range(min(len(order), latest.shape[1])):
            latest[user, rank] = items[first + order[rank]]


def latest_of(new: NewUsers) -> NDArray[np.int32]:
    """Return the newest items of each history, in the form of `latest_likes`."""
    n = max(LATEST_COUNTS)
    at = new.starts[1:, None] - 1 - np.arange(n)
    at[at < new.starts[:-1, None]] = -1
    latest: NDArray[np.int32] = np.append(new.items, -1)[at].astype(np.int32)
    return latest


def similarity_to_latest(
    row: NDArray[np.int64], item: NDArray[np.int64], latest: NDArray[np.int32], vectors: FloatArray
) -> FloatArray:
    """Return each candidate's mean cosine to the items that its user liked last.

    Args:
        row: (n,) int64, sorted; the row of `latest` that each candidate belongs to.
        item: (n,) int64, the candidates.
        latest: (n_rows, max(LATEST_COUNTS)) int32 items, newest first; −1 pads.
        vectors: (n_items, f) float32 of length 1, or 0 for items without one.

    Returns:
        (len(LATEST_COUNTS), n) float32 from −1 to 1, a row per number of latest likes; 0 for users without likes.
    """
    ends = np.searchsorted(row, np.arange(len(latest)), side="right")
    found = np.zeros((len(LATEST_COUNTS), len(row)), np.float32)
    with one_launch:
        _mean_cosines(ends, item, latest, np.asarray(LATEST_COUNTS), np.ascontiguousarray(vectors), found)
    return found


@numba.njit(parallel=True, cache=True)
def _mean_cosines(ends: Any, item: Any, latest: Any, counts: Any, vectors: Any, found: Any) -> None:
    """Write the mean cosines into `found`: product with the sum of the latest vectors, over the number of vectors."""
    n_factors = vectors.shape[1]
    for user in numba.prange(len(ends)):
        first, last = ends[user - 1] if user else 0, ends[user]
        if first == last:
            continue
        sums = np.zeros((n_factors, len(counts)), np.float32)  # a column per number of latest likes
        total = np.zeros(n_factors, np.float32)
        divisors = np.empty(len(counts), np.int64)
        taken = 0
        for which in range(len(counts)):
            while taken < counts[which] and latest[user, taken] >= 0:
                total += vectors[latest[user, taken]]
                taken += 1
            sums[:, which] = total
            divisors[which] = max(taken, 1)
        # Each product is a chain of additions that wait for each other: twelve at a time keep the processor busy.
        at = first
        while at < last:
            if at + 4 <= last and len(counts) == 3:
                _four_products(sums, item, at, vectors, found)
                step = 4
            else:
                _one_product(sums, item, at, vectors, found)
                step = 1
            for place in range(at, at + step):
                for which in range(len(counts)):
                    found[which, place] = found[which, place] / divisors[which]
            at += step


@numba.njit(cache=True)
def _one_product(sums: Any, item: Any, at: int, vectors: Any, found: Any) -> None:
    """Write the products of one candidate's vector with each column of `sums`."""
    for which in range(sums.shape[1]):
        product = np.float32(0)
        for factor in range(len(sums)):
            product += sums[factor, which] * vectors[item[at], factor]
        found[which, at] = product


@numba.njit(cache=True)
def _four_products(sums: Any, item: Any, at: int, vectors: Any, found: Any) -> None:
    """Do the same for four candidates and three columns, with the same bits."""
    a, b, c, d = vectors[item[at]], vectors[item[at + 1]], vectors[item[at + 2]], vectors[item[at + 3]]
    a0 = a1 = a2 = b0 = b1 = b2 = c0 = c1 = c2 = d0 = d1 = d2 = np.float32(0)
    for factor in range(len(sums)):
        x, y, z = sums[factor, 0], sums[factor, 1], sums[factor, 2]
        va, vb, vc, vd = a[factor], b[factor], c[factor], d[factor]
        a0, a1, a2 = a0 + x * va, a1 + y * va, a2 + z * va
        b0, b1, b2 = b0 + x * vb, b1 + y * vb, b2 + z * vb
        c0, c1, c2 = c0 + x * vc, c1 + y * vc, c2 + z * vc
        d0, d1, d2 = d0 + x * vd, d1 + y * vd, d2 + z * vd
    for which, products in enumerate(((a0, b0, c0, d0), (a1, b1, c1, d1), (a2, b2, c2, d2))):
        for place in range(4):
            found[which, at + place] = products[place]
