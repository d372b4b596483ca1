"""Random walks on a weighted graph: which nodes a walk from a node visits most, its importance neighbourhood.

Ying et al. 2018, "Graph convolutional neural networks for web-scale recommender systems", section 3.1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.numerics.threads import one_launch

_PARTS = 64  # of the nodes; each keeps a count for every node of the graph
_ONE = 65_536  # chances are whole numbers of 1 / 65,536


class Walks(NamedTuple):
    """How nodes are walked from.

    Attributes:
        walkers: that start at each node.
        steps: of each walker.
        restart: chance to be back at the start before a step.
    """

    walkers: int
    steps: int
    restart: float


class Neighbourhoods(NamedTuple):
    """The nodes visited most by the walks from each node, the most visited first; never the node itself.

    Attributes:
        nodes: (n, most) int32; −1 pads.
        visits: (n, most) int32 counts; 0 where `nodes` is −1. Of equally visited nodes the one of lower index is first.
    """

    nodes: NDArray[np.int32]
    visits: NDArray[np.int32]

    def importance(self, first: int) -> sparse.csr_array:
        """Return the share of each of the `first` nodes in the visits to all of these: (n, n) float32, rows sum to 1.

        The row of a node without neighbours is empty.
        """
        visits = self.visits[:, :first].astype(np.float32)
        row, place = np.nonzero(visits)
        shares = (visits / np.maximum(visits.sum(axis=1, keepdims=True), 1))[row, place]
        n = len(visits)
        found = sparse.csr_array((shares, (row, self.nodes[row, place])), shape=(n, n))
        found.sort_indices()
        return found


def neighbourhoods(graph: sparse.csr_array, walks: Walks, most: int, seed: int) -> Neighbourhoods:
    """Walk from every node and return the most visited nodes. The bits do not depend on the number of threads.

    Args:
        graph: (n, n), entries above 0; a walker takes an edge of its row with a chance in proportion to its weight. At
            a node without edges it waits until it restarts.
        walks: how many, how long.
        most: nodes kept for each node, at least 1.
        seed: draws the walks; every node has a random stream of its own.
    """
    return walked(graph.indptr.astype(np.int64), alias_table(graph), walks, most, seed)


def walked(
    indptr: NDArray[np.int64], table: NDArray[np.int32], walks: Walks, most: int, seed: int
) -> Neighbourhoods:
    """Return the same as `neighbourhoods` from the graph's index of rows, (n + 1,), and its `alias_table`."""
    n = len(indptr) - 1
    nodes, visits = np.full((n, most), -1, np.int32), np.zeros((n, most), np.int32)
    restart = round(walks.restart * _ONE)
    with one_launch:
        _walk(indptr, table, walks.walkers, walks.steps, restart, np.uint64(seed), nodes, visits)
    return Neighbourhoods(nodes, visits)


def alias_table(graph: sparse.csr_array) -> NDArray[np.int32]:
    """Return a table by which a step is drawn in constant time (Walker 1977; Vose 1991).

    Args:
        graph: (n, n), entries above 0.

    Returns:
        (nnz, 4) int32, 16 bytes side by side for each edge, so that a step reads one cache line: the node that the edge
        leads to, the node that another edge of the row leads to, the chance of the first in 1 / 65,536, and 0.
    """
    table = np.zeros((graph.nnz, 4), np.int32)
    with one_launch:
        _fill(graph.indptr, graph.indices, graph.data.astype(np.float64), table)
    return table


@numba.njit(parallel=True, cache=True)
def _fill(indptr: Any, indices: Any, weights: Any, table: Any) -> None:
    """Pair edges rarer than the mean of their row with more frequent ones, so that each place has the same chance."""
    for row in numba.prange(len(indptr) - 1):
        start, end = indptr[row], indptr[row + 1]
        n = end - start
        if n == 0:
            continue
        share = weights[start:end] * (n / weights[start:end].sum())
        rare, frequent = np.empty(n, np.int64), np.empty(n, np.int64)
        n_rare = n_frequent = 0
        for at in range(n):
            table[start + at, 0] = table[start + at, 1] = indices[start + at]
            table[start + at, 2] = _ONE
            if share[at] < 1:
                rare[n_rare] = at
                n_rare += 1
            else:
                frequent[n_frequent] = at
                n_frequent += 1
        while n_rare and n_frequent:
            n_rare -= 1
            low, high = rare[n_rare], frequent[n_frequent - 1]
            table[start + low, 1] = indices[start + high]
            table[start + low, 2] = int(share[low] * _ONE + 0.5)
            share[high] -= 1 - share[low]
            if share[high] < 1:
                n_frequent -= 1
                rare[n_rare] = high
                n_rare += 1


@numba.njit(parallel=True, cache=True)
def _walk(
    indptr: Any, table: Any, walkers: Any, steps: Any, restart: Any, seed: Any, nodes: Any, visits: Any
) -> None:
    """Write the most visited nodes of every node.

    The walkers of a node take their steps by turns: the memory reads of one do not wait for those of another.
    """
    n = len(indptr) - 1
    for part in numba.prange(_PARTS):
        counts = np.zeros(n, np.int32)
        visited = np.empty(walkers * steps + 1, np.int32)
        at = np.empty(walkers, np.int32)
        for start in range(n * part // _PARTS, n * (part + 1) // _PARTS):
            if indptr[start] == indptr[start + 1]:
                continue
            state = _mixed(seed + _mixed(np.uint64(start)))
            at[:] = start
            n_visited = 0
            for _ in range(steps):
                for walker in range(walkers):
                    state += np.uint64(0x9E3779B97F4A7C15)
                    drawn = _mixed(state)
                    here = start if np.int64(drawn & np.uint64(0xFFFF)) < restart else at[walker]
                    first = indptr[here]
                    degree = indptr[here + 1] - first
                    if degree == 0:  # it waits
                        at[walker] = here
                        continue
                    edge = first + np.int64(((drawn >> np.uint64(32)) * np.uint64(degree)) >> np.uint64(32))
                    is_alias = np.int64((drawn >> np.uint64(16)) & np.uint64(0xFFFF)) >= table[edge, 2]
                    there = table[edge, 1] if is_alias else table[edge, 0]
                    at[walker] = there
                    visited[n_visited] = (
                        there  # overwritten by the next unless it is new: cheaper than a branch
                    )
                    n_visited += counts[there] == 0
                    counts[there] += 1
            counts[start] = 0
            _most_visited(counts, visited[:n_visited], nodes[start], visits[start])


@numba.njit(cache=True)
def _most_visited(counts: Any, visited: Any, nodes: Any, visits: Any) -> None:
    """Write the visited nodes of the greatest counts in falling order, and set all counts to 0."""
    kept = 0
    for node in visited:
        count = counts[node]
        counts[node] = 0
        if kept == len(nodes):
            last = kept - 1
            if count < visits[last] or (count == visits[last] and node > nodes[last]):
                continue
        elif count:
            kept += 1
        if count == 0:  # the start
            continue
        place = kept - 1
        while place and (
            count > visits[place - 1] or (count == visits[place - 1] and node < nodes[place - 1])
        ):
            nodes[place], visits[place] = nodes[place - 1], visits[place - 1]
            place -= 1
        nodes[place], visits[place] = node, count


@numba.njit(cache=True, inline="always")
def _mixed(x: Any) -> Any:
    """Return 64 well mixed bits of 64 bits (splitmix64: Steele et al. 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
