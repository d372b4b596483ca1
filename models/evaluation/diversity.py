"""Intra-list diversity: the mean cosine distance of the items of a list (Smyth & McClave 2001; Ziegler et al. 2005).

With v the unit vectors of the list's items, the sum of the cosines of all pairs is (|Σ v|² − Σ |v|²) / 2, so that no
pair has to be computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray, IntArray
from models.evaluation.hits import ascending
from models.neighbours import weighting
from models.numerics.truncated_svd import right_singular

_RANK = 64  # of `taste_vectors`


def intra_list_diversity(
    items: IntArray, vectors: sparse.csr_array | FloatArray, ks: Sequence[int]
) -> dict[int, NDArray[np.float64]]:
    """Return the mean cosine distance of all pairs among the first k of every list.

    Args:
        items: (n_rows, n) ranked item indices; −1 pads short lists.
        vectors: (n_items, n_dimensions), sparse or dense. An item whose vector is zero is left out of the pairs.
        ks: list lengths, each at least 1.

    Returns:
        k → (n_rows,) float64 from 0 to 2; NaN if fewer than two of the items have a vector.

    Raises:
        ValueError: a k is less than 1.
    """
    lengths = ascending(ks)
    lists = np.ascontiguousarray(items, np.int32)
    found = np.empty((len(lengths), len(lists)))
    if isinstance(vectors, sparse.csr_array):
        norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1), np.float64))
        unit = vectors.data / np.repeat(np.where(norms > 0, norms, 1), np.diff(vectors.indptr))
        total = np.zeros(vectors.shape[1])
        _of_sparse(
            lists, vectors.indptr, vectors.indices, unit.astype(np.float32), norms > 0, lengths, total, found
        )
    else:
        norms = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
        directions = (vectors / np.where(norms > 0, norms, 1)[:, None]).astype(np.float32)
        _of_dense(lists, directions, norms > 0, lengths, found)
    return {int(k): row for k, row in zip(lengths, found, strict=True)}


def taste_vectors(positive: sparse.csr_array, *, seed: int) -> FloatArray:
    """Return item vectors learned from the likes, by which items that the same users like are similar.

    They are the item factors of PureSVD (Cremonesi, Koren & Turrin 2010), of likes that are normalized on both sides as
    in graph convolutions, so that neither the most active users nor the most popular items dominate. They are not taken
    from a model on the shelf, so that no model is judged by its own similarity, and nights with different shelves can
    be compared.

    Args:
        positive: (n_users, n_items), the likes.
        seed: seed of the decomposition.

    Returns:
        (n_items, up to 64) float32; zeros for items without a like.
    """
    normalised = weighting.degree(positive, row_exponent=0.5, column_exponent=0.5)
    values, directions = right_singular(normalised, _RANK, seed=seed)
    vectors: FloatArray = directions * values
    vectors[np.bincount(positive.indices, minlength=positive.shape[1]) == 0] = (
        0  # they may hold rounding errors
    )
    return vectors


@numba.njit(nogil=True, cache=True)
def _of_dense(items, directions, has_vector, ks, found):  # type: ignore[no-untyped-def]
    """Fill `found` (n_ks, n_rows) from dense unit vectors, which are summed in float64."""
    total = np.empty(directions.shape[1])
    for row in range(len(items)):
        total[:] = 0
        counted, place = 0, 0
        for number in range(len(ks)):
            while place < min(ks[number], items.shape[1]):
                item = items[row, place]
                place += 1
                if item >= 0 and has_vector[item]:
                    counted += 1
                    for d in range(len(total)):
                        total[d] += directions[item, d]
            squared = 0.0
            for d in range(len(total)):
                squared += total[d] * total[d]
            found[number, row] = _distance(squared, counted)


@numba.njit(nogil=True, cache=True)
def _of_sparse(items, indptr, indices, data, has_vector, ks, total, found):  # type: ignore[no-untyped-def]
    """Fill `found` (n_ks, n_rows) from sparse unit vectors; |Σ v|² is updated with every entry added.

    `total` (n_dimensions,) is scratch memory: zero before the call, and reset to zero after every list.
    """
    for row in range(len(items)):
        counted, place, squared = 0, 0, 0.0
        for number in range(len(ks)):
            while place < min(ks[number], items.shape[1]):
                item = items[row, place]
                place += 1
                if item >= 0 and has_vector[item]:
                    counted += 1
                    for entry in range(indptr[item], indptr[item + 1]):
                        at, value = indices[entry], np.float64(data[entry])
                        squared += value * (2 * total[at] + value)
                        total[at] += value
            found[number, row] = _distance(squared, counted)
        for item in items[row, :place]:
            if item >= 0:
                for entry in range(indptr[item], indptr[item + 1]):
                    total[indices[entry]] = 0


@numba.njit(cache=True)
def _distance(squared, n):  # type: ignore[no-untyped-def]
    """Return 1 − the mean cosine of n unit vectors whose sum has the given squared length."""
    if n < 2:
        return np.nan
    return min(max(1 - (squared - n) / (n * (n - 1)), 0.0), 2.0)
