"""UMAP (McInnes et al. 2018): points in the plane whose near neighbours are those of given vectors.

Own code, since importing and compiling umap-learn takes longer than the rest of the report (docs/decisions.md): for a
few thousand points the neighbours can be found exactly, and the rest is one short kernel. It has that library's
defaults, but starts from the first two principal components, which keep the large structure as well as a spectral
start does (Kobak & Linderman 2021).
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
_START = 10.0  # half the width of the starting points
_LONGEST = 4.0  # of a single step, along each axis

Vectors = NDArray[np.floating[Any]]
Points = NDArray[np.float64]


def umap(vectors: Vectors, *, seed: int, n_neighbours: int = N_NEIGHBOURS) -> Points:
    """Return points in the plane that lie near each other if the angle between their vectors is small.

    Args:
        vectors: (n, f), finite; their lengths do not matter. All pairs are compared in n² float32 of memory, so a few
            thousand at most.
        seed: of the start and of the points that push each other away; the same seed gives the same map.
        n_neighbours: number of neighbours that a point is drawn to; fewer show finer structure.

    Returns:
        (n, 2) float64.

    Raises:
        ValueError: a vector is not finite.
    """
    finite = np.asarray(vectors, np.float32)
    if not np.isfinite(finite).all():
        raise ValueError("a map needs finite vectors: at least one entry is NaN or infinite")
    directions = unit_vectors(finite)
    if len(directions) <= 2:
        return np.arange(2.0 * len(directions)).reshape(-1, 2)
    with one_blas_thread():  # several threads round differently
        neighbours, distances = _nearest(directions, min(n_neighbours, len(directions) - 1))
        points = _principal_plane(directions, seed)
    edges = _memberships(neighbours, distances).tocoo()
    epochs_between = (edges.data.max() / edges.data).astype(np.float64)
    _arrange(points, edges.row, edges.col, epochs_between, _EPOCHS, np.uint64(seed * 2 + 1))
    return points


def _nearest(directions: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the k nearest other rows of every row, nearest first, and their cosine distances: both (n, k)."""
    similarity = directions @ directions.T
    np.fill_diagonal(similarity, -np.inf)
    nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :k]
    return nearest, np.maximum(1 - np.take_along_axis(similarity, nearest, axis=1), 0)


def _principal_plane(directions: NDArray[np.float32], seed: int) -> Points:
    """Return the first two principal components, as wide as umap-learn starts, with noise to separate equal points."""
    centred = directions - directions.mean(axis=0)
    _, axes = leading_eigenvectors(centred.T @ centred, min(2, centred.shape[1]), first="evd")
    plane = np.zeros((len(directions), 2))
    projected = centred @ axes[:, ::-1]
    plane[:, : projected.shape[1]] = projected
    widest = np.abs(plane).max()
    plane *= _START / widest if widest > 0 else 0
    return plane + np.random.default_rng(seed).normal(scale=1e-3, size=plane.shape)


def _memberships(neighbours: NDArray[np.int64], distances: NDArray[np.float32]) -> sparse.csr_array:
    """Return the weights of the neighbour graph: (n, n), symmetric, in (0, 1] (section 3.1).

    A point's distances are counted from its nearest neighbour on, in a unit in which its weights sum to log2 k. The two
    directed weights a and b of a pair become a + b − a·b.
    """
    n, k = neighbours.shape
    beyond = np.maximum(distances - distances[:, :1], 0).astype(np.float64)
    unit = _units(beyond, np.log2(k) if k > 1 else 1.0)
    strength = np.exp(-beyond / unit[:, None])
    shape = (n, n)
    directed = sparse.csr_array(
        (strength.ravel(), neighbours.ravel(), np.arange(0, n * k + 1, k)), shape=shape
    )
    weights: sparse.csr_array = sparse.csr_array(directed + directed.T - directed * directed.T)
    weights.sort_indices()
    weights.data[weights.data < weights.data.max() / _EPOCHS] = 0  # they would be drawn less than once
    weights.eliminate_zeros()
    return weights


def _units(beyond: NDArray[np.float64], wanted: float) -> NDArray[np.float64]:
    """Return the unit of each row, (n,), at which the sum of exp(−distance / unit) is `wanted`, by bisection."""
    floor = 1e-3 * max(float(beyond.mean()), 1e-6)
    low, high = np.full(len(beyond), floor), np.full(len(beyond), 1e3 * max(float(beyond.max()), 1e-6))
    for _ in range(64):
        middle = np.sqrt(low * high)
        too_wide = np.exp(-beyond / middle[:, None]).sum(axis=1) > wanted
        high, low = np.where(too_wide, middle, high), np.where(too_wide, low, middle)
    return np.asarray(low)


@numba.njit(
    cache=True, nogil=True, fastmath=True
)  # last bits depend on the processor: the map does, no list does
def _arrange(points, heads, tails, epochs_between, epochs, state):  # type: ignore[no-untyped-def]
    """Pull neighbours together and push random others apart, in place (section 3.2, algorithm 5)."""
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
                move_x, move_y = _clipped(pull * dx) * step, _clipped(pull * dy) * step
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
                points[head, 0] += _clipped(push * dx) * step
                points[head, 1] += _clipped(push * dy) * step


@numba.njit(cache=True)
def _clipped(move):  # type: ignore[no-untyped-def]
    return min(max(move, -_LONGEST), _LONGEST)


@numba.njit(cache=True)
def _next(state):  # type: ignore[no-untyped-def]
    """Return the next state of a 64-bit xorshift generator (Marsaglia 2003); use its high bits."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state
