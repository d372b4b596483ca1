"""Neighbourhoods: the k greatest similarities of every row, as one sparse matrix of bounded size."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
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
from models.ranking.topk import select_in_order

logger = logging.getLogger(__name__)

_ROWS = 128  # rows selected from at a time


def find_neighbours(
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
    """Find each row's nearest other rows by the weighting and similarity of `config`.

    Logs a warning if no row has a neighbour though rows have places in common.

    Args:
        vectors: (n, n_places) float32.
        config: the weighting and the similarity.
        k, memory_mb, model, with_transpose: as for `k_within_memory`.
        rows_are_users: whether the rows are users, not items.
        tie_order: as for `keep_greatest`.

    Returns:
        (n, n) float32, row i holding the similarities of vector i to its neighbours; column indices sorted.
    """
    blocks = similarity_blocks(
        _weighted(vectors, config, rows_are_users=rows_are_users),
        replace(config.measure, exponent=1),
        rows_are_users=rows_are_users,
    )
    possible = possible_neighbours(vectors)
    k = k_within_memory(possible, k, memory_mb=memory_mb, model=model, with_transpose=with_transpose)
    found = keep_greatest(blocks, possible, k=k, tie_order=tie_order)
    raise_to(found.data, config.exponent)
    if found.nnz == 0 and possible.any():
        logger.warning(
            "%s: by %s nothing has neighbours: %s.", model, config.similarity, _reason(vectors, config)
        )
    return found


def neighbours_of_new_users(
    likes: sparse.csr_array,
    vectors: sparse.csr_array,
    config: NeighbourConfig,
    *,
    k: int,
    tie_order: NDArray[np.int32],
) -> sparse.csr_array:
    """Find the nearest trained users of users who were not trained on; the new ones do not count for each other.

    Args:
        likes: (m, n_items) float32, the rows of the new users.
        vectors: (n, n_items) float32, those of the trained users.
        config: the weighting and the similarity.
        k: neighbours kept per user; 0 keeps all.
        tie_order: (n,) permutation; of equal similarities the user who comes first in it is kept.

    Returns:
        (m, n) float32, row i holding the similarities of new user i to the neighbours; column indices sorted.
    """
    n = vectors.shape[0]
    both = sparse.csr_array(sparse.vstack([vectors, likes], format="csr"))
    weighted = _weighted(both, config, rows_are_users=True, counted=n)
    blocks = similarity_blocks(weighted, replace(config.measure, exponent=1), rows_are_users=True, first=n)
    with_trained = ((start - n, np.ascontiguousarray(block[:, :n])) for start, block in blocks)
    possible = np.full(likes.shape[0], n, np.int64)
    found = keep_greatest(with_trained, possible, k=min(k or n, n), tie_order=tie_order)
    raise_to(found.data, config.exponent)
    return found


def raise_to(similarities: FloatArray, exponent: float) -> None:
    """Raise similarities to a power, in place.

    The power keeps their order, so that it need not be computed for the many that are not among the greatest.

    Args:
        similarities: (n,) float32, above 0.
        exponent: above 0.
    """
    if exponent != 1:
        with one_launch:
            _raise_to(similarities, exponent)


@numba.njit(parallel=True, cache=True)
def _raise_to(similarities: Any, exponent: float) -> None:
    for at in numba.prange(len(similarities)):
        similarities[at] = np.float64(similarities[at]) ** exponent


def _reason(vectors: sparse.csr_array, config: NeighbourConfig) -> str:
    """Explain why no row has neighbours, though some rows have places in common."""
    least, greatest = vectors.data.min(), vectors.data.max()
    if least < greatest:
        return f"no similarity of entries from {least:g} to {greatest:g} is above 0"
    same = f"all entries are {least:g}"
    if config.matrix != "rating" and config.similarity in ("pearson", "adjusted_cosine"):
        return f"{same}; it is made for matrix = 'rating'"
    return same


def _weighted(
    vectors: sparse.csr_array, config: NeighbourConfig, *, rows_are_users: bool, counted: int | None = None
) -> sparse.csr_array:
    match config.weights:
        case "tfidf":
            return weighting.tfidf(vectors, counted)
        case "bm25":
            return weighting.bm25(vectors, k1=config.bm25_k1, b=config.bm25_b, counted=counted)
        case "degree":
            exponents = config.user_exponent, config.item_exponent
            row, column = exponents if rows_are_users else exponents[::-1]
            return weighting.degree(vectors, row_exponent=row, column_exponent=column, counted=counted)
        case _:
            return vectors


def keep_greatest(
    blocks: Iterator[tuple[int, FloatArray]],
    possible: NDArray[np.int64],
    *,
    k: int,
    tie_order: NDArray[np.int32],
) -> sparse.csr_array:
    """Keep each vector's k greatest similarities.

    Args:
        blocks: similarities as `similarity_blocks` yields them, (b, n) float32, −inf for pairs that are no neighbours.
        possible: (m,) int64, upper bound of each vector's number of neighbours; see `possible_neighbours`.
        k: neighbours kept per vector, at least 1; a vector with fewer keeps all.
        tie_order: (n,) permutation; of equal similarities the vector that comes first in it is kept.

    Returns:
        (m, n) float32, row i holding the neighbours of vector i; column indices sorted.
    """
    m = len(possible)
    capacity = int(np.minimum(possible, k).sum())
    # Allocated pages that are never written cost nothing, and the arrays are cut to size at the end.
    # One type for indices and ends: scipy would copy arrays of two types.
    index_type = _index_type(capacity)
    indices, data = np.empty(capacity, index_type), np.empty(capacity, np.float32)
    ends = np.zeros(m + 1, index_type)
    for start, block in _few_rows(blocks):
        starts = ends[start : start + len(block)]
        counts = np.empty(len(block), np.int64)
        with one_launch:
            _count(block, counts)
        ends[start + 1 : start + 1 + len(block)] = ends[start] + np.cumsum(np.minimum(counts, k))
        with one_launch:
            _copy(block, np.flatnonzero(counts <= k), starts, indices, data)
        many = np.flatnonzero(counts > k)  # only these need a selection, which takes longer than copying
        if len(many):
            select_in_order(block, many, k, tie_order, starts, indices, data)
    indices.resize(ends[-1], refcheck=False)
    data.resize(ends[-1], refcheck=False)
    return sparse.csr_array((data, indices, ends), shape=(m, len(tie_order)))


def _few_rows(blocks: Iterator[tuple[int, FloatArray]]) -> Iterator[tuple[int, FloatArray]]:
    """Split blocks into smaller ones, because selecting takes several times the memory of the block."""
    for start, block in blocks:
        for first in range(0, len(block), _ROWS):
            yield start + first, block[first : first + _ROWS]


def possible_neighbours(vectors: sparse.csr_array) -> NDArray[np.int64]:
    """Return an upper bound of the number of other rows that each row has a place in common with.

    Args:
        vectors: (n, n_places); only the positions of the entries are read.

    Returns:
        (n,) int64, from 0 to n − 1.
    """
    others = np.bincount(vectors.indices, minlength=vectors.shape[1]) - 1
    rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    common = np.bincount(rows, others[vectors.indices], minlength=vectors.shape[0])
    return np.minimum(common, max(vectors.shape[0] - 1, 0)).astype(np.int64)


def size_mb(possible: NDArray[np.int64], k: int) -> float:
    """Return an upper bound of the memory of k neighbours per vector.

    Args:
        possible: (n,) int64, as for `keep_greatest`.
        k: neighbours per vector.

    Returns:
        Size in MB.
    """
    return stored_mb(int(np.minimum(possible, k).sum()))


def stored_mb(n_neighbours: int) -> float:
    """Return the MB of a matrix of n neighbours: 4 bytes per similarity, and 4 per index, or 8 from 2³¹ entries on."""
    return n_neighbours * (4 + np.dtype(_index_type(n_neighbours)).itemsize) / 1e6


def _index_type(n_neighbours: int) -> type[np.int32 | np.int64]:
    """Return the index type that scipy uses for a matrix of so many entries."""
    return np.int32 if n_neighbours < 2**31 else np.int64


def k_within_memory(
    possible: NDArray[np.int64], k: int, *, memory_mb: float, model: str, with_transpose: bool = False
) -> int:
    """Return the number of neighbours per vector that fit into `memory_mb`; log a warning if it is less than `k`.

    Args:
        possible: (n,) int64, as for `keep_greatest`.
        k: neighbours wanted per vector; 0 wants all.
        memory_mb: memory limit of the neighbours in MB.
        model: name of the model, for the warning.
        with_transpose: whether the transpose must fit beside the neighbours, because one is computed from the other.

    Returns:
        At least 1.
    """
    wanted = min(k or len(possible), len(possible))
    fitting = largest_k(possible, wanted, memory_mb / 2 if with_transpose else memory_mb)
    if fitting < wanted:
        logger.warning(
            "%s keeps only the %d strongest neighbours: %s could take %.1f MB, and memory_mb is %g%s.",
            model, fitting, "all" if wanted == len(possible) else wanted, size_mb(possible, wanted), memory_mb,
            ", for them and their transpose" if with_transpose else "",
        )  # fmt: skip
    return fitting


def largest_k(possible: NDArray[np.int64], k: int, memory_mb: float) -> int:
    """Return the largest number of neighbours per vector whose matrix surely fits into a memory limit.

    Args:
        possible: (n,) int64, as for `keep_greatest`.
        k: upper limit of the result.
        memory_mb: memory limit in MB.

    Returns:
        From 1 to k; 1 even if it does not fit.
    """
    return max(1, bisect_right(range(1, k + 1), memory_mb, key=lambda tried: size_mb(possible, tried)))


@numba.njit(parallel=True, cache=True)
def _count(block: Any, counts: Any) -> None:
    """Count the entries above −inf of each row."""
    for row in numba.prange(len(block)):
        count = 0
        for column in range(block.shape[1]):
            count += block[row, column] > -np.inf
        counts[row] = count


@numba.njit(parallel=True, cache=True)
def _copy(block: Any, rows: Any, starts: Any, columns: Any, values: Any) -> None:
    """Copy the entries above −inf of the given rows."""
    for nth in numba.prange(len(rows)):
        row = rows[nth]
        at = starts[row]
        for column in range(block.shape[1]):
            if block[row, column] > -np.inf:
                columns[at], values[at] = column, block[row, column]
                at += 1
