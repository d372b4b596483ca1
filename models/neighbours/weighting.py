"""Weights of the entries, by which one that says much about its vector counts for more.

Rows are the vectors to be compared (items for item-KNN, users for user-KNN), columns are what they are described by:
documents and terms, in the words of the papers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Weighting = Literal["auto", "none", "tfidf", "bm25", "degree"]


def tfidf(vectors: sparse.csr_array) -> sparse.csr_array:
    """Entries times log(1 + N / n) for a column that n of the N rows have (Salton & Buckley 1988, table 1, weight f).

    The 1 keeps columns that every row has from vanishing. implicit takes log(N / (1 + n)), which such columns turn
    negative, and the root of the entries.
    """
    n_rows = vectors.shape[0]
    return _scaled(vectors, vectors.data * np.log1p(n_rows / _degrees(vectors))[vectors.indices])


def bm25(vectors: sparse.csr_array, *, k1: float, b: float) -> sparse.csr_array:
    """Okapi BM25: t (k1 + 1) / (t + k1 (1 − b + b · length / mean length)) · log(1 + (N − n + .5) / (n + .5)).

    Robertson & Zaragoza 2009, equation 3.15; the 1 inside the logarithm, as in Lucene, keeps columns that more than
    half of the rows have above 0. t is an entry, length a row's sum.

    Args:
        vectors: (N, n_columns) float32, entries not negative.
        k1: how late repeated entries saturate; 0 makes all entries equal.
        b: from 0 to 1, how much long rows are damped.

    Raises:
        ValueError: an entry is negative.
    """
    if vectors.data.min(initial=0) < 0:
        raise ValueError(
            "the weighting bm25 is of numbers of times, and the matrix holds negative entries: choose another "
            "weighting, such as degree, or another matrix"
        )
    n_rows = vectors.shape[0]
    lengths = np.asarray(vectors.sum(axis=1), np.float64)
    mean = lengths.mean() if n_rows else 0
    norm = k1 * (1 - b + b * (lengths / mean if mean > 0 else lengths))
    degrees = _degrees(vectors)
    rarity = np.log1p((n_rows - degrees + 0.5) / (degrees + 0.5))
    saturated = np.zeros(vectors.nnz)
    divisor = vectors.data + np.repeat(norm, np.diff(vectors.indptr))
    np.divide(vectors.data * (k1 + 1), divisor, out=saturated, where=divisor > 0)
    return _scaled(vectors, saturated * rarity[vectors.indices])


def degree(vectors: sparse.csr_array, *, row_exponent: float, column_exponent: float) -> sparse.csr_array:
    """Entries over (entries of the row)^row_exponent · (entries of the column)^column_exponent.

    What those who do much have in common says less. With .5 on both sides this is the normalised adjacency of graph
    convolutions and of GF-CF (Shen et al. 2021).
    """
    rows = np.maximum(np.diff(vectors.indptr), 1) ** -row_exponent
    columns = np.maximum(_degrees(vectors), 1) ** -column_exponent
    weights = np.repeat(rows, np.diff(vectors.indptr)) * columns[vectors.indices]
    return _scaled(vectors, vectors.data * weights)


def _degrees(vectors: sparse.csr_array) -> NDArray[np.int64]:
    return np.maximum(np.bincount(vectors.indices, minlength=vectors.shape[1]), 1)


def _scaled(vectors: sparse.csr_array, data: NDArray[np.floating]) -> sparse.csr_array:
    return sparse.csr_array((data.astype(np.float32), vectors.indices, vectors.indptr), shape=vectors.shape)
