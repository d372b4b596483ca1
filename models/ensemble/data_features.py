"""What the data itself says of an item and of a user's latest taste: features beside the members' opinions."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.interactions import Interactions
from models.numerics.threads import one_launch

NEWEST_SHARES = (0.02, 0.1, 0.3)
"""An item's trend is its part in so large a share of all interactions, the newest ones."""
LATEST = (3, 10, 30)
"""A user's latest taste is that of so many of the items that they liked last."""
ITEM_FACTS = (
    "popularity",
    "liked_share",
    "mean_rating",
    "novelty",
    *(f"trend_{s:.0%}" for s in NEWEST_SHARES),
)
_CAUTION = 5.0  # shares and means are those of so many average interactions more
_NEWEST = 0.01  # beyond the newest hundredth of all interactions no item is called newer


def item_facts(data: Interactions) -> FloatArray:
    """(len(ITEM_FACTS), n_items) float32, in that order.

    - popularity: log(1 + interactions);
    - liked_share: the share of its interactions that show liking; mean_rating: of its ratings; both shrunk to the mean;
    - novelty: −log of the share of all interactions that happened since its first one (and a hundredth);
    - trend_2% …: log of its interactions among the newest 2 %, over what its popularity lets expect. The unit of time
      is what happened, not a day: the same on data of any age and pace.
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
    facts = [
        np.log1p(seen),
        _shrunk(liked, seen),
        _shrunk(stars, rated),
        -np.log(1 + _NEWEST - before),
    ]
    for share in NEWEST_SHARES:
        since = in_order[int((1 - share) * (len(times) - 1))] if len(times) else 0
        newest = np.bincount(data.timestamp.indices[times >= since], minlength=n)
        facts.append(np.log((newest + 1) / (share * seen + 1)))
    return np.asarray(facts, np.float32)


def _shrunk(sums: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.float64]:
    """sums / counts, drawn towards the mean of all."""
    mean = sums.sum() / max(counts.sum(), 1)
    shrunk: NDArray[np.float64] = (sums + _CAUTION * mean) / (counts + _CAUTION)
    return shrunk


def latest_likes(data: Interactions) -> NDArray[np.int32]:
    """(n_users, max(LATEST)) the items that each user liked last, newest first; −1 pads."""
    n = max(LATEST)
    likes: sparse.csr_array = data.positive
    user = np.repeat(np.arange(data.n_users, dtype=np.int64), np.diff(likes.indptr))
    order = np.lexsort((likes.indices, -_times_of(likes, user, data.timestamp), user))
    rank = np.arange(len(user)) - np.repeat(likes.indptr[:-1], np.diff(likes.indptr))
    latest = np.full((data.n_users, n), -1, np.int32)
    kept = rank < n
    latest[user[kept], rank[kept]] = likes.indices[order][kept]
    return latest


def _times_of(
    likes: sparse.csr_array, user: NDArray[np.int64], timestamp: sparse.csr_array
) -> NDArray[np.int64]:
    """The timestamp of each entry of `likes`; 0 for a like that was never seen."""
    n_items = timestamp.shape[1]
    rows = np.repeat(np.arange(timestamp.shape[0], dtype=np.int64), np.diff(timestamp.indptr))
    known, wanted = rows * n_items + timestamp.indices, user * n_items + likes.indices
    place = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
    if not len(known):
        return np.zeros(len(wanted), np.int64)
    times: NDArray[np.int64] = np.where(known[place] == wanted, timestamp.data[place], 0)
    return times


def nearness(
    row: NDArray[np.int64], item: NDArray[np.int64], latest: NDArray[np.int32], vectors: FloatArray
) -> FloatArray:
    """(len(LATEST), n) float32: the mean cosine of each candidate to the items that its user liked last.

    Args:
        row: (n,) the row of `latest` that each candidate belongs to, sorted.
        item: (n,) the candidates.
        latest: (n_rows, max(LATEST)) items, newest first; −1 pads.
        vectors: (n_items, f) of length 1, or 0 for items without one.
    """
    ends = np.searchsorted(row, np.arange(len(latest)), side="right")
    found = np.zeros((len(LATEST), len(row)), np.float32)
    with one_launch:
        _mean_cosines(ends, item, latest, np.asarray(LATEST), np.ascontiguousarray(vectors), found)
    return found


@numba.njit(parallel=True, cache=True)
def _mean_cosines(ends: Any, item: Any, latest: Any, counts: Any, vectors: Any, found: Any) -> None:
    """The product of a candidate with the mean of the first few vectors is the mean of its cosines."""
    n_factors = vectors.shape[1]
    for user in numba.prange(len(ends)):
        total = np.zeros(n_factors, np.float32)
        taken = 0
        for which in range(len(counts)):
            while taken < counts[which] and latest[user, taken] >= 0:
                total += vectors[latest[user, taken]]
                taken += 1
            for at in range(ends[user - 1] if user else 0, ends[user]):
                product = np.float32(0)
                for factor in range(n_factors):
                    product += total[factor] * vectors[item[at], factor]
                found[which, at] = product / max(taken, 1)
