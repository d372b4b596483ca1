"""Weights of the entries of vectors before they are compared: TF-IDF, BM25, or powers of degrees.

Rows are the vectors to be compared (items for item-KNN, users for user-KNN), columns are their features (users for
item-KNN, items for user-KNN): documents and terms, in the words of the papers.

`counted` is the number of rows, the first ones, in which entries of columns are counted; None counts all. So rows that
follow, of users who were not trained on, get the weights that they would have among the others.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Weighting = Literal["auto", "none", "tfidf", "bm25", "degree"]


def tfidf(vectors: sparse.csr_array, counted: int | None = None) -> sparse.csr_array:
    """Multiply entries by log(1 + N / n) for a column that n of the N rows have.

    Source: Salton & Buckley 1988, table 1, weight f. The 1 keeps columns that every row has above 0. The library
    `implicit` takes log(N / (1 + n)), which is negative for such columns, and the root of the entries.

    Args:
        vectors: (N, n_columns) float32.
        counted: see above.

    Returns:
        (N, n_columns) float32, entries where `vectors` has one.
    """
    rows = vectors[:counted]
    return with_entries(
        vectors, vectors.data * np.log1p(rows.shape[0] / column_degrees(rows))[vectors.indices]
    )


def bm25(vectors: sparse.csr_array, *, k1: float, b: float, counted: int | None = None) -> sparse.csr_array:
    """Weigh by Okapi BM25: t (k1 + 1) / (t + k1 (1 − b + b · length / mean length)) · log(1 + (N − n + .5) / (n + .5)).

    t is an entry, length a row's sum, n the number of the N rows that have the column. Source: Robertson & Zaragoza
    2009, equation 3.15; the 1 inside the logarithm, as in Lucene, keeps columns that more than half of the rows have
    above 0.

    Args:
        vectors: (N, n_columns) float32, entries not negative.
        k1: at least 0; large entries saturate the later, the greater it is; 0 makes all entries equal.
        b: from 0 to 1, damping of long rows.
        counted: see above.

    Returns:
        (N, n_columns) float32, entries where `vectors` has one.

    Raises:
        ValueError: an entry is negative.
    """
    if vectors.data.min(initial=0) < 0:
        raise ValueError(
            "the weighting bm25 expects counts, and the matrix holds negative entries: choose another "
            "weighting, such as degree, or another matrix"
        )
    rows = vectors[:counted]
    n_rows = rows.shape[0]
    lengths = np.asarray(vectors.sum(axis=1), np.float64)
    mean = lengths[:n_rows].mean() if n_rows else 0
    norm = k1 * (1 - b + b * (lengths / mean if mean > 0 else lengths))
    degrees = column_degrees(rows)
    rarity = np.log1p((n_rows - degrees + 0.5) / (degrees + 0.5))
    saturated = np.zeros(vectors.nnz)
    divisor = vectors.data + np.repeat(norm, np.diff(vectors.indptr))
    np.divide(vectors.data * (k1 + 1), divisor, out=saturated, where=divisor > 0)
    return with_entries(vectors, saturated * rarity[vectors.indices])


def degree(
    vectors: sparse.csr_array, *, row_exponent: float, column_exponent: float, counted: int | None = None
) -> sparse.csr_array:
    """Divide entries by (entries of the row)^row_exponent · (entries of the column)^column_exponent.

    So rows and columns of many entries count for less. With .5 for both this is the normalised adjacency of graph
    convolutions and of GF-CF (Shen et al. 2021).

    Args:
        vectors: (n_rows, n_columns) float32.
        row_exponent, column_exponent: 0 leaves the entries as they are; below 0 undoes the division.
        counted: see above.

    Returns:
        (n_rows, n_columns) float32, entries where `vectors` has one.
    """
    rows = np.maximum(np.diff(vectors.indptr), 1) ** -row_exponent
    columns = column_degrees(vectors[:counted]) ** -column_exponent
    weights = np.repeat(rows, np.diff(vectors.indptr)) * columns[vectors.indices]
    return with_entries(vectors, vectors.data * weights)


def column_degrees(vectors: sparse.csr_array) -> NDArray[np.int64]:
    """Count the entries of each column.

    Args:
        vectors: (n_rows, n_columns); explicit zeros count.

    Returns:
        (n_columns,) int64, at least 1, so that it can be a divisor.
    """
    return np.maximum(np.bincount(vectors.indices, minlength=vectors.shape[1]), 1)


def with_entries(vectors: sparse.csr_array, data: NDArray[np.floating]) -> sparse.csr_array:
    """Return a matrix with the positions of `vectors` and other entries.

    Args:
        vectors: (n_rows, n_columns).
        data: (nnz,), in the order of `vectors.data`.

    Returns:
        (n_rows, n_columns) float32; shares the index arrays of `vectors`.
    """
    return sparse.csr_array((data.astype(np.float32), vectors.indices, vectors.indptr), shape=vectors.shape)
