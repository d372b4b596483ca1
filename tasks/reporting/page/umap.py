"""A map of vectors: points in the plane whose near neighbours are those of the vectors (UMAP: McInnes et al. 2018).

Written here rather than taken from umap-learn, whose import and just-in-time compilation take longer than all the
rest of the report: for a few thousand points the neighbours can be found exactly, and what remains is two short
kernels. It follows that library's defaults; it starts from the first two principal components, which keep the large
structure as well as its spectral start does (Kobak & Linderman 2021).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.numerics.symmetric_eigen import leading_eigenvectors
from models.numerics.threads import one_blas_thread
from models.numerics.unit_vectors import unit_vectors

N_NEIGHBOURS = 15
_EPOCHS = 400
_NEGATIVES = 5
_A, _B = 1.577, 0.8951  # 1 / (1 + a·d^2b) falls off as umap-learn's does for min_dist 0.1 and spread 1
_START = 10.0  # half the width of the starting picture
_GENTLE = 4.0  # no single step is longer

Vectors = NDArray[np.floating[Any]]
Points = NDArray[np.float64]


def umap(vectors: Vectors, *, seed: int, n_neighbours: int = N_NEIGHBOURS) -> Points:
    """Points in the plane, (n, 2), that lie near each other where the vectors' angles are small.

    Args:
        vectors: (n, f), finite. All pairs are compared: n² float32 of memory, so a few thousand at most.
        seed: of the order in which points push each other away; the same seed gives the same map.
        n_neighbours: how many neighbours a point is drawn to; fewer show finer structure.

    Raises:
        ValueError: not all vectors are finite.
    """
    given = np.asarray(vectors, np.float32)
    if not np.isfinite(given).all():
        raise ValueError("a map needs finite vectors")
    directions = unit_vectors(given)
    if len(directions) <= 2:
        return np.arange(2.0 * len(directions)).reshape(-1, 2)
    with one_blas_thread():  # its bits would depend on the number of threads
        neighbours, distances = _nearest(directions, min(n_neighbours, len(directions) - 1))
        points = _principal_plane(directions, seed)
    edges = _memberships(neighbours, distances).tocoo()
    epochs_between = (edges.data.max() / edges.data).astype(np.float64)
    _arrange(points, edges.row, edges.col, epochs_between, _EPOCHS, np.uint64(seed * 2 + 1))
    return points


def _nearest(directions: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k nearest others of every row, nearest first, and their cosine distances: both (n, k)."""
    likeness = directions @ directions.T
    np.fill_diagonal(likeness, -np.inf)
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :k]
    return nearest, np.maximum(1 - np.take_along_axis(likeness, nearest, axis=1), 0)


def _principal_plane(directions: NDArray[np.float32], seed: int) -> Points:
    """The first two principal components, as wide as umap-learn starts, and no two points on one spot."""
    centred = directions - directions.mean(axis=0)
    _, axes = leading_eigenvectors(centred.T @ centred, min(2, centred.shape[1]), first="evd")
    plane = np.zeros((len(directions), 2))
    shown = centred @ axes[:, ::-1]
    plane[:, : shown.shape[1]] = shown
    widest = np.abs(plane).max()
    plane *= _START / widest if widest > 0 else 0
    return plane + np.random.default_rng(seed).normal(scale=1e-3, size=plane.shape)


def _memberships(neighbours: NDArray[np.int64], distances: NDArray[np.float32]) -> sparse.csr_array:
    """How strongly two points belong together, (n, n), symmetric, in (0, 1] (section 3.1).

    Each point measures distances in a unit of its own, from its nearest neighbour on, such that its memberships sum
    to log2 k; two points belong together if either of them says so.
    """
    n, k = neighbours.shape
    beyond = np.maximum(distances - distances[:, :1], 0).astype(np.float64)
    unit = _units(beyond, np.log2(k) if k > 1 else 1.0)
    strength = np.exp(-beyond / unit[:, None])
    shape = (n, n)
    said = sparse.csr_array((strength.ravel(), neighbours.ravel(), np.arange(0, n * k + 1, k)), shape=shape)
    either: sparse.csr_array = sparse.csr_array(said + said.T - said * said.T)
    either.sort_indices()
    either.data[either.data < either.data.max() / _EPOCHS] = 0  # would be drawn less than once
    either.eliminate_zeros()
    return either


def _units(beyond: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """The unit of each row, (n,), with which the sum of exp(−distance / unit) is as wanted, by bisection."""
    floor = 1e-3 * max(float(beyond.mean()), 1e-6)
    low, high = np.full(len(beyond), floor), np.full(len(beyond), 1e3 * max(float(beyond.max()), 1e-6))
    for _ in range(64):
        middle = np.sqrt(low * high)
        too_wide = np.exp(-beyond / middle[:, None]).sum(axis=1) > wanted
        high, low = np.where(too_wide, middle, high), np.where(too_wide, low, middle)
    return np.asarray(low)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _arrange(points, heads, tails, epochs_between, epochs, state):  # type: ignore[no-untyped-def]
    """Draw neighbours together and push random others away, in place (section 3.2, algorithm 5)."""
    n = len(points)
    due = epochs_between.copy()
    for epoch in range(epochs):
        step = 1.0 - epoch / epochs
        for edge in range(len(heads)):
            if due[edge] > epoch:
                continue
            due[edge] += epochs_between[edge]
            head, tail = heads[edge], tails[edge]
            dx, dy = points[head, 0] - points[tail, 0], points[head, 1] - points[tail, 1]
            squared = dx * dx + dy * dy
            if squared > 0:
                power = squared**_B
                pull = -2 * _A * _B * power / squared / (1 + _A * power)
                move_x, move_y = _gently(pull * dx) * step, _gently(pull * dy) * step
                points[head, 0] += move_x
                points[head, 1] += move_y
                points[tail, 0] -= move_x
                points[tail, 1] -= move_y
            for _ in range(_NEGATIVES):
                state = _next(state)
                other = int((state >> np.uint64(33)) % np.uint64(n))
                if other == head:
                    continue
                dx, dy = points[head, 0] - points[other, 0], points[head, 1] - points[other, 1]
                squared = dx * dx + dy * dy
                push = 2 * _B / ((0.001 + squared) * (1 + _A * squared**_B))
                points[head, 0] += _gently(push * dx) * step
                points[head, 1] += _gently(push * dy) * step


@numba.njit(cache=True)
def _gently(move):  # type: ignore[no-untyped-def]
    return min(max(move, -_GENTLE), _GENTLE)


@numba.njit(cache=True)
def _next(state):  # type: ignore[no-untyped-def]
    """The next state of a 64-bit xorshift generator (Marsaglia 2003); its high bits are the random ones."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state
