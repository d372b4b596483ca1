"""Stochastic gradient descent of the sampled softmax with negatives that several positives of a user share.

`models.graph.sampled_softmax` draws negatives for every positive, so that reading and changing their vectors is nearly
all that it does. Here the positives of a user are trained in groups, all at once, against one draw: of 16 positives and
64 negatives 5 vectors are read for a positive in place of 65. The expected gradient is the same. Groups make sense
where users have many positives, that is with much data. Eight groups in a row, of other users as a rule, meet the same
negatives: their vectors are read from memory once for all of them.

With the score s_n of a negative, its weight w (number of items that it counts as) and Z = w Σ_n exp(s_n), the loss of a
group is Σ_j −log(exp(s_j) / (exp(s_j) + Z)) over its positives j. With q_j = Z / (exp(s_j) + Z), its derivative is −q_j
for the score of a positive, and (Σ_j q_j) · w exp(s_n) / Z for that of a negative.

Shards and their copies of the items are those of `sampled_softmax`. The kernels call nothing outside this module,
because numba's cache notices changes only in a kernel's own file.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.graph.sampled_softmax import N_SHARDS, user_shares
from models.numerics.threads import one_launch

_GROUPS_A_DRAW = 8  # groups that meet the same negatives, one after the other


class GroupedDescent:
    """Gradient descent over groups of the positives of one matrix.

    Args:
        matrix: (n_users, n_items), canonical; every stored entry is a positive, whatever its value.
        group: greatest number of positives of a user that share their negatives, at least 1.
        negatives: items drawn for eight groups, uniformly from the items with at least one user.
        negative_weight: number of items that each negative counts as.
        seed: seed of the assignment to shards and of every draw.
        degree_exponent: of `user_shares`, which multiply the step of a group.
    """

    def __init__(
        self,
        matrix: sparse.csr_array,
        *,
        group: int,
        negatives: int,
        negative_weight: float,
        seed: int,
        degree_exponent: float = 0.0,
    ) -> None:
        self._negatives = negatives
        self._log_weight = np.float32(np.log(negative_weight))
        self._rng = np.random.default_rng(seed)
        self._known = np.unique(matrix.indices).astype(np.int32)
        self._row_starts = matrix.indptr
        self._items = matrix.indices.astype(np.int32)  # a copy: each epoch shuffles the rows
        self._shares = user_shares(matrix, degree_exponent)
        self._owners, self._starts = groups_of(matrix.indptr, group)
        self._shards = self._deal(np.diff(matrix.indptr))
        self._copies = np.empty((N_SHARDS, 0, 0), np.float32)

    def _deal(self, degree: NDArray[np.integer[Any]]) -> list[NDArray[np.int64]]:
        """Return the groups of each shard: all groups of random users, in shards of about equally many positives."""
        users = self._rng.permutation(len(degree))
        shard = np.empty(len(degree), np.int64)
        shard[users] = np.cumsum(degree[users], dtype=np.int64) * N_SHARDS // (degree.sum(dtype=np.int64) + 1)
        of_group = shard[self._owners]
        return [np.flatnonzero(of_group == s) for s in range(N_SHARDS)]

    def shuffled(self, parts: int) -> list[list[NDArray[np.int64]]]:
        """Divide every user's positives into new random groups, and return the groups in a random order.

        Args:
            parts: number of parts, each with its share of every shard.

        Returns:
            [part][shard] → indices of groups. They are valid until the next call.
        """
        seed = self._rng.integers(1, 2**63, dtype=np.uint64)
        with one_launch:
            _shuffle_rows(self._row_starts, self._items, seed)
        cut = [np.array_split(self._rng.permutation(shard), parts) for shard in self._shards]
        return [list(part) for part in zip(*cut, strict=True)]

    def descend(
        self, users: FloatArray, items: FloatArray, groups: list[NDArray[np.int64]], step: float
    ) -> None:
        """Train once on `groups`, one part of `shuffled`, and change the embeddings in place.

        Args:
            users: (n_users, f) float32.
            items: (n_items, f) float32.
            groups: for each shard, the indices of its groups in the order of training.
            step: mean learning rate; `user_shares` scale it for each user.
        """
        if self._copies.shape[1:] != items.shape:
            self._copies = np.empty((N_SHARDS, *items.shape), np.float32)
        order = np.concatenate(groups)
        bounds = np.cumsum([0, *(len(shard) for shard in groups)])
        seeds = self._rng.integers(1, 2**63, size=N_SHARDS, dtype=np.uint64)
        with one_launch:
            _descend(
                users, items, self._copies, self._owners, self._starts, self._items, order, bounds, self._known,
                seeds, self._negatives, self._log_weight, np.float32(step) * self._shares,
            )  # fmt: skip
            _merge(items, self._copies)


def groups_of(indptr: NDArray[np.integer[Any]], group: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Divide each row into as few groups of about equal size as possible.

    Args:
        indptr: (n_rows + 1,), where each row begins and ends.
        group: greatest number of entries in a group.

    Returns:
        (n_groups,) int32, the row of each group, and (n_groups + 1,) int64, where each group begins and ends.
    """
    degree = np.diff(indptr).astype(np.int64)
    counts = -(-degree // group)
    owners = np.repeat(np.arange(len(degree), dtype=np.int32), counts)
    place = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = indptr[owners] + place * degree[owners] // np.maximum(counts[owners], 1)
    return owners, np.append(starts, indptr[-1]).astype(np.int64)


@numba.njit(parallel=True, cache=True)
def _shuffle_rows(row_starts: Any, items: Any, seed: Any) -> None:
    """Put the items of every row into a new random order (Fisher-Yates), each row with a generator of its own."""
    for row in numba.prange(len(row_starts) - 1):
        state = seed ^ (np.uint64(row + 1) * np.uint64(0xD1342543DE82EF95))
        state = state if state != 0 else seed
        first = row_starts[row]
        for last in range(row_starts[row + 1] - first - 1, 0, -1):
            state ^= state << np.uint64(13)  # xorshift64 (Marsaglia 2003)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            other = np.int64(((state >> np.uint64(32)) * np.uint64(last + 1)) >> np.uint64(32))
            items[first + last], items[first + other] = items[first + other], items[first + last]


@numba.njit(parallel=True, cache=True, fastmath=True, error_model="numpy")
def _descend(
    users: Any,
    items: Any,
    copies: Any,
    owners: Any,
    starts: Any,
    positive_items: Any,
    order: Any,
    bounds: Any,
    known: Any,
    seeds: Any,
    negatives: int,
    log_weight: Any,
    steps: Any,
) -> None:
    """Train all shards in parallel: score the items of every group and its negatives, take one gradient step.

    Negatives are drawn for every eighth group: their vectors stay in the cache of a core from one group to the next.
    The user's step is that of the vectors before the group. Fast math: the last bits depend on the processor;
    divergence is looked for after training.
    """
    width = users.shape[1]
    for shard in numba.prange(len(bounds) - 1):
        mine = copies[shard]
        mine[:] = items
        state = seeds[shard]
        longest = 0
        for at in range(bounds[shard], bounds[shard + 1]):
            longest = max(longest, starts[order[at] + 1] - starts[order[at]])
        drawn = np.empty(negatives + longest, np.int64)  # the negatives first
        pull = np.empty(negatives + longest, np.float32)
        change = np.empty(width, np.float32)
        for at in range(bounds[shard], bounds[shard + 1]):
            group = order[at]
            owner, first = owners[group], starts[group]
            user, step, size = users[owner], steps[owner], starts[group + 1] - first
            if (at - bounds[shard]) % _GROUPS_A_DRAW == 0:
                state = _draw(state, known, drawn[:negatives])
            for n in range(size):
                drawn[negatives + n] = positive_items[first + n]
            met, slopes = drawn[: negatives + size], pull[: negatives + size]
            _score(user, mine, met, slopes)
            _gradient(slopes, negatives, log_weight)
            slopes *= step
            _sum(mine, met, slopes, change)
            for n in range(len(met)):
                item, weight = mine[met[n]], slopes[n]
                for f in range(width):
                    item[f] -= weight * user[f]
            for f in range(width):
                user[f] -= change[f]


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _score(user: Any, items: Any, met: Any, scores: Any) -> None:
    """Write the inner products of a user with the items `met`, eight at once: their vectors come from memory."""
    at = 0
    while at + 8 <= len(met):
        a, b, c, d = items[met[at]], items[met[at + 1]], items[met[at + 2]], items[met[at + 3]]
        e, g, h, i = items[met[at + 4]], items[met[at + 5]], items[met[at + 6]], items[met[at + 7]]
        of_a = of_b = of_c = of_d = of_e = of_g = of_h = of_i = np.float32(0)
        for f in range(len(user)):
            own = user[f]
            of_a += own * a[f]
            of_b += own * b[f]
            of_c += own * c[f]
            of_d += own * d[f]
            of_e += own * e[f]
            of_g += own * g[f]
            of_h += own * h[f]
            of_i += own * i[f]
        scores[at], scores[at + 1], scores[at + 2], scores[at + 3] = of_a, of_b, of_c, of_d
        scores[at + 4], scores[at + 5], scores[at + 6], scores[at + 7] = of_e, of_g, of_h, of_i
        at += 8
    while at < len(met):
        scores[at] = _dot(user, items[met[at]])
        at += 1


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _sum(items: Any, met: Any, weights: Any, total: Any) -> None:
    """Write the weighted sum of the items `met` to `total`, four at once: it is read and written a quarter as often."""
    total[:] = 0
    at = 0
    while at + 4 <= len(met):
        a, b, c, d = items[met[at]], items[met[at + 1]], items[met[at + 2]], items[met[at + 3]]
        of_a, of_b, of_c, of_d = weights[at], weights[at + 1], weights[at + 2], weights[at + 3]
        for f in range(len(total)):
            total[f] += of_a * a[f] + of_b * b[f] + of_c * c[f] + of_d * d[f]
        at += 4
    while at < len(met):
        item, weight = items[met[at]], weights[at]
        for f in range(len(total)):
            total[f] += weight * item[f]
        at += 1


@numba.njit(cache=True)
def _draw(state: Any, known: Any, drawn: Any) -> Any:
    """Fill `drawn` with known items; return the state of the generator, xorshift64 (Marsaglia 2003)."""
    for n in range(len(drawn)):
        state ^= state << np.uint64(13)
        state ^= state >> np.uint64(7)
        state ^= state << np.uint64(17)
        drawn[n] = known[np.int64(((state >> np.uint64(32)) * np.uint64(len(known))) >> np.uint64(32))]
    return state


@numba.njit(cache=True, fastmath=True, error_model="numpy")
def _gradient(scores: Any, negatives: int, log_weight: Any) -> None:
    """Replace scores (of `negatives` first, then of positives) by the derivatives that the module describes."""
    for n in range(negatives):
        scores[n] += log_weight
    greatest = scores[0]
    for n in range(1, len(scores)):
        greatest = max(greatest, scores[n])
    rivals = np.float32(0)
    for n in range(len(scores)):
        scores[n] = _exp(scores[n] - greatest)
    for n in range(negatives):
        rivals += scores[n]
    total = np.float32(0)  # of the derivatives of the positives, without their sign
    for n in range(negatives, len(scores)):
        rest = rivals / (scores[n] + rivals)
        scores[n] = -rest
        total += rest
    share = total / rivals
    for n in range(negatives):
        scores[n] *= share


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
