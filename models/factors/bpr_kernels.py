"""Parallel stochastic gradient descent on the BPR loss, with the same result at any number of threads.

Users are divided into G groups once, and items into G random groups in every epoch. In each round, group g of users is
trained with group (g + round) mod G of items, and draws its negatives there too. The G shards of a round share no row
of either matrix, so they need no locks and their order does not matter (distributed SGD: Gemulla et al. 2011, section
4). Items change groups each epoch, so in time any two items can be compared. A shard's rows also fit into the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_launch

_MAX_GROUPS = 32
_ROWS_PER_GROUP = 48  # with fewer, a shard has too few negatives to draw from


class Factors(NamedTuple):
    """The learned arrays; the score of item i for user u is users[u] · items[i] + bias[i].

    Attributes:
        users: (n_users, f) float32.
        items: (n_items, f) float32.
        bias: (n_items,) float32.
    """

    users: FloatArray
    items: FloatArray
    bias: FloatArray


class Trainer:
    """Compares, in every epoch, each positive entry of a matrix with a random other item.

    Args:
        positives: (n_users, n_items), canonical; every stored entry is a positive, whatever its value.
        factors: changed in place.
        rng: source of all randomness.
    """

    def __init__(self, positives: sparse.csr_array, factors: Factors, rng: np.random.Generator) -> None:
        self._indptr, self._indices = positives.indptr, positives.indices
        self._factors = factors
        self._rng = rng
        n_users, n_items = positives.shape
        self._users = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(positives.indptr))
        self._known = np.flatnonzero(np.bincount(positives.indices, minlength=n_items)).astype(np.int32)
        n_groups = max(1, min(_MAX_GROUPS, min(n_users, len(self._known)) // _ROWS_PER_GROUP))
        shares = np.arange(n_groups + 1) / n_groups
        rows = np.searchsorted(positives.indptr, shares * positives.nnz)
        self._entry_bounds = positives.indptr[rows]
        self._item_bounds = np.round(shares * len(self._known)).astype(np.int64)
        self._group_of = np.empty(n_items, np.int32)
        self._dealt = np.empty((2, positives.nnz), np.int32)

    def epoch(self, *, step: float, regularization: float, candidates: int) -> None:
        """Train once on every entry.

        Args:
            step: the learning rate.
            regularization: weight λ in the loss of one comparison, −log σ(…) + λ · (squared vectors and biases).
            candidates: items to draw for a comparison, of which the one with the highest score is taken.
        """
        n_groups = len(self._entry_bounds) - 1
        items = self._rng.permutation(self._known)
        self._group_of[items] = np.repeat(np.arange(n_groups, dtype=np.int32), np.diff(self._item_bounds))
        with one_launch:
            starts = _deal(self._users, self._indices, self._entry_bounds, self._group_of, self._dealt)
        for turn in range(n_groups):
            seed = int(self._rng.integers(2**63))
            with one_launch:
                _round(
                    turn, starts, self._dealt, items, self._item_bounds, self._indptr, self._indices,
                    *self._factors, np.float32(step), np.float32(2 * regularization), candidates, seed,
                )  # fmt: skip


@numba.njit(parallel=True, cache=True)
def _deal(users: Any, items: Any, bounds: Any, group_of: Any, dealt: Any) -> Any:
    """Sort the entries of each user group by item group; return the start of each part, (G, G + 1)."""
    n_groups = len(bounds) - 1
    starts = np.zeros((n_groups, n_groups + 1), np.int64)
    for group in numba.prange(n_groups):
        for at in range(bounds[group], bounds[group + 1]):
            starts[group, group_of[items[at]] + 1] += 1
        starts[group, 0] = bounds[group]
        for other in range(n_groups):
            starts[group, other + 1] += starts[group, other]
        free = starts[group].copy()
        for at in range(bounds[group], bounds[group + 1]):
            to = free[group_of[items[at]]]
            free[group_of[items[at]]] += 1
            dealt[0, to], dealt[1, to] = users[at], items[at]
    return starts


@numba.njit(parallel=True, cache=True, fastmath=True, error_model="numpy")  # unchecked division is faster
def _round(
    turn: int, starts: Any, dealt: Any, pool: Any, pool_bounds: Any, indptr: Any, indices: Any,
    users: Any, items: Any, bias: Any, step: Any, decay: Any, candidates: int, seed: int,
) -> None:  # fmt: skip
    """Train each group of users with one group of items; no two shards change the same row.

    Fast math: the last bits depend on the processor; divergence is looked for after training.
    """
    n_groups = len(starts)
    for group in numba.prange(n_groups):
        other = (group + turn) % n_groups
        state = np.uint64(seed) + np.uint64(group) * np.uint64(0xD1342543DE82EF95)
        low, size = pool_bounds[other], pool_bounds[other + 1] - pool_bounds[other]
        end = starts[group, other + 1]
        rivals, scores = np.empty(candidates, np.int64), np.empty(candidates, np.float32)
        for at in range(starts[group, other], end):
            state, drawn = _draw(state, end - at)  # a random order: swap a later entry into this place
            user, liked = dealt[0, at + drawn], dealt[1, at + drawn]
            dealt[0, at + drawn], dealt[1, at + drawn] = dealt[0, at], dealt[1, at]
            row = indices[indptr[user] : indptr[user + 1]]
            vector = users[user]
            for n in range(candidates):
                state, drawn = _draw(state, size)
                rivals[n] = pool[low + drawn]
            _score(vector, items, bias, rivals, scores)
            best, best_score = -1, np.float32(0)
            for n in range(candidates):
                if (best < 0 or scores[n] > best_score) and not _contains(row, rivals[n]):
                    best, best_score = rivals[n], scores[n]
            if best >= 0:
                _step(vector, items[liked], items[best], bias, liked, best, best_score, step, decay)


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _score(user: Any, items: Any, bias: Any, rivals: Any, scores: Any) -> None:
    """Write the scores of some items, four at once: their vectors come from memory."""
    at = 0
    while at + 4 <= len(rivals):
        a, b, c, d = rivals[at], rivals[at + 1], rivals[at + 2], rivals[at + 3]
        row_a, row_b, row_c, row_d = items[a], items[b], items[c], items[d]
        of_a, of_b, of_c, of_d = bias[a], bias[b], bias[c], bias[d]
        for f in range(len(user)):
            own = user[f]
            of_a += own * row_a[f]
            of_b += own * row_b[f]
            of_c += own * row_c[f]
            of_d += own * row_d[f]
        scores[at], scores[at + 1], scores[at + 2], scores[at + 3] = of_a, of_b, of_c, of_d
        at += 4
    while at < len(rivals):
        row, total = items[rivals[at]], bias[rivals[at]]
        for f in range(len(user)):
            total += user[f] * row[f]
        scores[at] = total
        at += 1


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _step(
    user: Any, liked: Any, other: Any, bias: Any, i: int, j: int, other_score: Any, step: Any, decay: Any
) -> None:
    """Take one gradient step on −log sigmoid(score of liked − score of other) + decay / 2 · squares."""
    margin = bias[i] - other_score
    for f in range(len(user)):
        margin += user[f] * liked[f]
    pull = step / (np.float32(1) + np.exp(margin))
    keep = np.float32(1) - step * decay
    for f in range(len(user)):
        u, p, n = user[f], liked[f], other[f]
        user[f] = keep * u + pull * (p - n)
        liked[f] = keep * p + pull * u
        other[f] = keep * n - pull * u
    bias[i] = keep * bias[i] + pull
    bias[j] = keep * bias[j] - pull


@numba.njit(cache=True)
def _contains(row: Any, item: int) -> bool:
    """Whether a sorted row contains the item."""
    low, high = 0, len(row)
    while low < high:
        middle = (low + high) >> 1
        if row[middle] < item:
            low = middle + 1
        else:
            high = middle
    return low < len(row) and row[low] == item


@numba.njit(cache=True)
def _draw(state: Any, n: int) -> Any:
    """Return the next state of a generator (splitmix64: Steele, Lea & Flood 2014) and an integer below n < 2³²."""
    state += np.uint64(0x9E3779B97F4A7C15)
    mixed = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return state, np.int64(((mixed >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))
