"""Of blocks of similarities, the k greatest of every row, as one sparse matrix of bounded size."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.neighbours import weighting
from models.neighbours.config import NeighbourConfig
from models.neighbours.similarity import similarity_blocks
from models.numerics.threads import one_launch
from models.ranking.topk import Selector

logger = logging.getLogger(__name__)

_ROWS = 128  # whose greatest are chosen at once


def neighbours(
    vectors: sparse.csr_array,
    config: NeighbourConfig,
    *,
    k: int,
    rows_are_users: bool,
    memory_mb: float,
    tie_order: NDArray[np.int32],
    model: str,
    with_transpose: bool = False,
) -> sparse.csr_array:
    """Each row's nearest other rows by what `config` says: `nearest` of the similarities of the weighted rows.

    Args:
        vectors: (n, n_places) float32.
        config: which similarity of which weights.
        k, memory_mb, model, with_transpose: as for `bounded_k`.
        rows_are_users: or items.
        tie_order: as for `nearest`.
    """
    blocks = similarity_blocks(
        _weighted(vectors, config, rows_are_users), config.measure, rows_are_users=rows_are_users
    )
    possible = reach(vectors)
    k = bounded_k(possible, k, memory_mb=memory_mb, model=model, with_transpose=with_transpose)
    found = nearest(blocks, possible, k=k, tie_order=tie_order)
    if found.nnz == 0 and possible.any():
        logger.warning(
            "%s: by %s nothing has neighbours: %s.", model, config.similarity, _reason(vectors, config)
        )
    return found


def _reason(vectors: sparse.csr_array, config: NeighbourConfig) -> str:
    """Why nothing has neighbours, though some rows have places in common."""
    least, greatest = vectors.data.min(), vectors.data.max()
    if least < greatest:
        return f"no similarity of entries from {least:g} to {greatest:g} is above 0"
    same = f"all entries are {least:g}"
    if config.matrix != "rating" and config.similarity in ("pearson", "adjusted_cosine"):
        return f"{same}; it is made for matrix = 'rating'"
    return same


def _weighted(vectors: sparse.csr_array, config: NeighbourConfig, rows_are_users: bool) -> sparse.csr_array:
    match config.weights:
        case "tfidf":
            return weighting.tfidf(vectors)
        case "bm25":
            return weighting.bm25(vectors, k1=config.bm25_k1, b=config.bm25_b)
        case "degree":
            exponents = config.user_exponent, config.item_exponent
            row, column = exponents if rows_are_users else exponents[::-1]
            return weighting.degree(vectors, row_exponent=row, column_exponent=column)
        case _:
            return vectors


def nearest(
    blocks: Iterator[tuple[int, FloatArray]],
    reach: NDArray[np.int64],
    *,
    k: int,
    tie_order: NDArray[np.int32],
) -> sparse.csr_array:
    """Each vector's k greatest similarities.

    Args:
        blocks: similarities as `similarity_blocks` yields them, (b, n) float32, −inf for what is no neighbour.
        reach: (n,) at most so many neighbours each vector can have; see `reach`.
        k: neighbours kept per vector, at least 1; fewer where there are fewer.
        tie_order: (n,) permutation that decides between equal similarities.

    Returns:
        (n, n) float32, row i holding the neighbours of vector i; column indices sorted.
    """
    n = len(reach)
    capacity = int(np.minimum(reach, k).sum())
    # Memory that is reserved but never written to costs nothing; what is left over is given back at the end.
    # scipy gives the indices the type of the ends: of two types it would copy them.
    index_type = _index_type(capacity)
    indices, data = np.empty(capacity, index_type), np.empty(capacity, np.float32)
    ends = np.zeros(n + 1, index_type)
    for start, block in _few_rows(blocks):
        counts, columns, values = _greatest(block, k, tie_order)
        ends[start + 1 : start + 1 + len(block)] = ends[start] + np.cumsum(counts)
        filled = slice(ends[start], ends[start + len(block)])
        indices[filled], data[filled] = columns, values
    indices.resize(ends[-1], refcheck=False)
    data.resize(ends[-1], refcheck=False)
    return sparse.csr_array((data, indices, ends), shape=(n, n))


def _few_rows(blocks: Iterator[tuple[int, FloatArray]]) -> Iterator[tuple[int, FloatArray]]:
    """The same rows in smaller blocks, because choosing takes several times the memory of what is chosen."""
    for start, block in blocks:
        for first in range(0, len(block), _ROWS):
            yield start + first, block[first : first + _ROWS]


def reach(vectors: sparse.csr_array) -> NDArray[np.int64]:
    """How many others each row can have a place in common with, at most: (n_rows,); quick, not exact."""
    others = np.bincount(vectors.indices, minlength=vectors.shape[1]) - 1
    rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    met = np.bincount(rows, others[vectors.indices], minlength=vectors.shape[0])
    return np.minimum(met, max(vectors.shape[0] - 1, 0)).astype(np.int64)


def size_mb(reach: NDArray[np.int64], k: int) -> float:
    """MB that k neighbours each take at most, or as many as a vector can have."""
    return stored_mb(int(np.minimum(reach, k).sum()))


def stored_mb(n_neighbours: int) -> float:
    """MB of so many neighbours in one matrix: each a similarity of 4 bytes and an index of 4, from 2³¹ on of 8."""
    return n_neighbours * (4 + np.dtype(_index_type(n_neighbours)).itemsize) / 1e6


def _index_type(n_neighbours: int) -> type[np.int32 | np.int64]:
    """What scipy indexes a matrix of so many entries with."""
    return np.int32 if n_neighbours < 2**31 else np.int64


def bounded_k(
    reach: NDArray[np.int64], k: int, *, memory_mb: float, model: str, with_transpose: bool = False
) -> int:
    """`greatest_k`, with a warning where it is not what was asked for.

    Args:
        reach: as for `nearest`.
        k: neighbours wanted of each; 0 wants all.
        memory_mb: what they may take in MB.
        model: whose they are, for the warning.
        with_transpose: whether their transpose has to fit in beside them, as while the one is made of the other.
    """
    wanted = min(k or len(reach), len(reach))
    fitting = greatest_k(reach, wanted, memory_mb / 2 if with_transpose else memory_mb)
    if fitting < wanted:
        logger.warning(
            "%s keeps only the %d strongest neighbours: %s could take %.1f MB, and memory_mb is %g%s.",
            model, fitting, "all" if wanted == len(reach) else wanted, size_mb(reach, wanted), memory_mb,
            ", for them and their transpose" if with_transpose else "",
        )  # fmt: skip
    return fitting


def greatest_k(reach: NDArray[np.int64], k: int, memory_mb: float) -> int:
    """The greatest number up to k, but at least 1, with which the result of `nearest` cannot take more memory."""
    return max(1, bisect_right(range(1, k + 1), memory_mb, key=lambda tried: size_mb(reach, tried)))


def _greatest(
    block: FloatArray, k: int, tie_order: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32], FloatArray]:
    """The k greatest of every row: how many each has, and all their columns, ascending in each row, and values."""
    counts = np.empty(len(block), np.int64)
    with one_launch:
        _count(block, counts)
    many = np.flatnonzero(counts > k)  # only these need a choice, which takes longer than copying
    few = np.flatnonzero(counts <= k)
    counts[many] = k
    starts = np.cumsum(counts) - counts
    columns, values = np.empty(counts.sum(), np.int32), np.empty(counts.sum(), np.float32)
    with one_launch:
        _copy(block, few, starts, columns, values)
    if len(many):
        selector = Selector(many, k, tie_order)
        selector.select(0, block[many] if len(few) else block)
        order = np.argsort(selector.top.items, axis=1)  # without ties: k of more than k, so nothing pads
        to = starts[many, None] + np.arange(k)
        columns[to] = np.take_along_axis(selector.top.items, order, axis=1)
        values[to] = np.take_along_axis(selector.top.scores, order, axis=1)
    return counts, columns, values


@numba.njit(parallel=True, cache=True)
def _count(block: Any, counts: Any) -> None:
    """How many in each row are more than −inf."""
    for row in numba.prange(len(block)):
        count = 0
        for column in range(block.shape[1]):
            count += block[row, column] > -np.inf
        counts[row] = count


@numba.njit(parallel=True, cache=True)
def _copy(block: Any, rows: Any, starts: Any, columns: Any, values: Any) -> None:
    """All of the given rows that is more than −inf."""
    for nth in numba.prange(len(rows)):
        row = rows[nth]
        at = starts[row]
        for column in range(block.shape[1]):
            if block[row, column] > -np.inf:
                columns[at], values[at] = column, block[row, column]
                at += 1
