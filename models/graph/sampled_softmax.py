"""Stochastic gradient descent of a sampled ranking loss on embeddings, as if they were free parameters.

Positives are assigned by their user to a fixed number of shards. Each shard changes its own users and its own copy of
the items; at the end of a pass the changes of all copies are added. Shards therefore run in parallel without locks and
races, and the result depends on the seed alone, not on the number of threads.

The kernels call nothing outside this module, because numba's cache notices changes only in a kernel's own file.
"""

from __future__ import annotations

from typing import Any, Literal

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_launch

Loss = Literal["softmax", "bpr"]

N_SHARDS = 4

MOST_TRIES = 20
"""Times that BPR draws a negative before it leaves the comparison out: the user likes nearly everything."""


class ShardedDescent:
    """Gradient descent over parts of the positives of one matrix.

    Args:
        matrix: (n_users, n_items), canonical; every stored entry is a positive, whatever its value.
        loss: `softmax`, −log of the positive's share in the softmax over itself and the negatives; or `bpr`,
            −log σ(positive − negative), the mean over the negatives (Rendle et al. 2009).
        negatives: items drawn for each positive, uniformly from the items with at least one user. BPR draws again
            while the user likes the item; softmax does not, because it estimates a sum over all items.
        negative_weight: number of items that each negative counts as in the softmax.
        seed: seed of the assignment to shards and of every draw.
        degree_exponent: of `user_shares`, which multiply the step of a positive.
    """

    def __init__(
        self,
        matrix: sparse.csr_array,
        *,
        loss: Loss,
        negatives: int,
        negative_weight: float,
        seed: int,
        degree_exponent: float = 0.0,
    ) -> None:
        self._bpr = loss == "bpr"
        self._negatives = negatives
        self._log_weight = np.float32(np.log(negative_weight))
        self._rng = np.random.default_rng(seed)
        self._known = np.unique(matrix.indices).astype(np.int64)
        self._users = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        self._items = matrix.indices.astype(np.int64)
        self._row_starts, self._likes = matrix.indptr, matrix.indices
        self._shares = user_shares(matrix, degree_exponent)
        self._shards = self._deal(np.diff(matrix.indptr))
        self._copies = np.empty((N_SHARDS, 0, 0), np.float32)

    def _deal(self, degree: NDArray[np.integer[Any]]) -> list[NDArray[np.int64]]:
        """Return the positives of each shard: all positives of random users, in shards of about equal size."""
        users = self._rng.permutation(len(degree))
        shard = np.empty(len(degree), np.int64)
        shard[users] = np.cumsum(degree[users]) * N_SHARDS // (degree.sum() + 1)
        return [np.flatnonzero(shard[self._users] == s) for s in range(N_SHARDS)]

    def shuffled(self, parts: int) -> list[list[NDArray[np.int64]]]:
        """Return all positives in a new random order, as [part][shard]; each part has its share of every shard."""
        cut = [np.array_split(self._rng.permutation(shard), parts) for shard in self._shards]
        return [list(part) for part in zip(*cut, strict=True)]

    def descend(
        self, users: FloatArray, items: FloatArray, positives: list[NDArray[np.int64]], step: float
    ) -> None:
        """Train once on `positives`, one part of `shuffled`, and change the embeddings in place.

        Args:
            users: (n_users, f) float32.
            items: (n_items, f) float32.
            positives: for each shard, the indices of its positives in the order of training.
            step: mean learning rate; `user_shares` scale it for each user.
        """
        if self._copies.shape[1:] != items.shape:
            self._copies = np.empty((N_SHARDS, *items.shape), np.float32)
        at = np.concatenate(positives)
        bounds = np.cumsum([0, *(len(shard) for shard in positives)])
        seeds = self._rng.integers(1, 2**63, size=N_SHARDS, dtype=np.uint64)
        with one_launch:
            _descend(
                users, items, self._copies, self._users[at], self._items[at], bounds, self._known, seeds,
                self._row_starts, self._likes, self._negatives, self._log_weight,
                np.float32(step) * self._shares, self._bpr,
            )  # fmt: skip
            _merge(items, self._copies)


def user_shares(matrix: sparse.csr_array, degree_exponent: float) -> FloatArray:
    """Return (number of items)^-degree_exponent for each user, scaled to a mean of 1 over all positives.

    Args:
        matrix: (n_users, n_items), the positives.
        degree_exponent: 0 gives every positive the same weight, 1 every user.

    Returns:
        (n_users,) float32.
    """
    degree = np.diff(matrix.indptr)
    shares = np.maximum(degree, 1.0) ** -degree_exponent
    mean = float(shares @ degree) / matrix.nnz if matrix.nnz else 1.0
    return (shares / mean).astype(np.float32)


@numba.njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _descend(
    users: Any,
    items: Any,
    copies: Any,
    positive_users: Any,
    positive_items: Any,
    bounds: Any,
    known: Any,
    seeds: Any,
    row_starts: Any,
    likes: Any,
    negatives: int,
    log_weight: Any,
    steps: Any,
    bpr: bool,
) -> None:
    """Train all shards in parallel: for every positive draw negatives, score them, take a gradient step.

    An item that is drawn twice for one positive is changed twice, one change after the other.
    Fast math: the last bits depend on the processor; divergence is looked for after training.
    """
    width = users.shape[1]
    for shard in numba.prange(len(bounds) - 1):
        mine = copies[shard]
        mine[:] = items
        state = seeds[shard]
        drawn = np.empty(negatives + 1, np.int64)  # the positive first
        pull = np.empty(negatives + 1, np.float32)
        change = np.empty(width, np.float32)
        for at in range(bounds[shard], bounds[shard + 1]):
            owner = positive_users[at]
            user, step = users[owner], steps[owner]
            own = likes[row_starts[owner] : row_starts[owner + bpr]]  # none for softmax
            drawn[0] = positive_items[at]
            state, count = _draw(state, known, own, negatives, drawn)
            for n in range(count):
                pull[n] = _dot(user, mine[drawn[n]])
            if bpr:
                _bpr_gradient(pull[:count], negatives)
            else:
                _softmax_gradient(pull, log_weight)
            change[:] = 0
            for n in range(count):
                item, weight = mine[drawn[n]], step * pull[n]
                for f in range(width):
                    change[f] += weight * item[f]
                    item[f] -= weight * user[f]
            for f in range(width):
                user[f] -= change[f]


@numba.njit(cache=True)
def _draw(state: Any, known: Any, own: Any, negatives: int, drawn: Any) -> Any:
    """Write up to `negatives` items that `own` lacks behind the first of `drawn`; return the state and the end."""
    end = 1
    for _ in range(negatives):
        for _ in range(MOST_TRIES):
            state ^= state << np.uint64(13)  # xorshift64 (Marsaglia 2003)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            item = known[np.int64(((state >> np.uint64(32)) * np.uint64(len(known))) >> np.uint64(32))]
            if not _contains(own, item):
                drawn[end] = item
                end += 1
                break
    return state, end


@numba.njit(cache=True)
def _contains(row: Any, item: int) -> bool:
    """Return whether a sorted row contains the item."""
    at = np.searchsorted(row, item)
    return bool(at < len(row) and row[at] == item)


@numba.njit(parallel=True, cache=True)
def _merge(items: Any, copies: Any) -> None:
    """Add the changes of all shards to the items, shard by shard."""
    for row in numba.prange(len(items)):
        for f in range(items.shape[1]):
            old = items[row, f]
            total = old
            for shard in range(len(copies)):
                total += copies[shard, row, f] - old
            items[row, f] = total


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _dot(a: Any, b: Any) -> Any:
    """Return the inner product of two vectors, in float32."""
    total = np.float32(0)
    for f in range(len(a)):
        total += a[f] * b[f]
    return total


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _softmax_gradient(scores: Any, log_weight: Any) -> None:
    """Replace scores (the positive's first) by the gradient: softmax shares, minus 1 for the positive."""
    greatest = scores[0]
    for n in range(1, len(scores)):
        scores[n] += log_weight
        greatest = max(greatest, scores[n])
    total = np.float32(0)
    for n in range(len(scores)):
        scores[n] = _exp(scores[n] - greatest)
        total += scores[n]
    for n in range(len(scores)):
        scores[n] /= total
    scores[0] -= np.float32(1)


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _bpr_gradient(scores: Any, negatives: int) -> None:
    """Replace scores (the positive's first) by the gradient: σ(s_n − s_0) / `negatives`; some may be missing."""
    positive, total = scores[0], np.float32(0)
    for n in range(1, len(scores)):
        scores[n] = np.float32(1) / (np.float32(1) + _exp(positive - scores[n])) / np.float32(negatives)
        total += scores[n]
    scores[0] = -total


@numba.njit(cache=True, fastmath=True, inline="always")
def _exp(x: Any) -> Any:
    """Return e^x with a relative error of at most 3e-7, without a branch, so that loops over it are vectorized.

    2^k times a polynomial, as in the Cephes library; x is clipped to [−87, 88].
    """
    x = min(max(x, np.float32(-87)), np.float32(88))
    k = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * r + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    y = y * r * r + r + np.float32(1)
    return y * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
