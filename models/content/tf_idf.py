"""TF-IDF weights of item features.

A module of its own, because metrics of lists use these weights, too: editing the content model must not make their
stored results stale.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse


def tf_idf(counts: sparse.csr_array) -> sparse.csr_array:
    """Weigh features by TF-IDF: ln(1 + count) · ln((n_items + 1) / (items with the feature + 1)), rows of length 1.

    Features of a single item and features of all items are left out: they cannot tell which items are alike. Source:
    Salton & Buckley 1988.

    Args:
        counts: (n_items, n_features) float32, how often each feature was given to each item; not changed.

    Returns:
        (n_items, n_features) float32 without explicit zeros; rows have length 1, or no entry.
    """
    n_items = counts.shape[0]
    spread = np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.where(spread > 1, np.log((n_items + 1) / (spread + 1)), 0).astype(np.float32)
    weighted = counts.copy()
    weighted.data = np.log1p(counts.data) * idf[counts.indices]
    weighted.eliminate_zeros()
    return unit_rows(weighted)


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Divide every row by its length; empty rows stay empty.

    Lengths are float64: in float32, the square of an entry below 1e-23 is 0, and such a row would be divided by 0.

    Args:
        matrix: (n_rows, n_columns) float32 without explicit zeros.

    Returns:
        (n_rows, n_columns) float32, rows of length 1 or without an entry.
    """
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    squares = np.bincount(row, np.square(matrix.data, dtype=np.float64), minlength=matrix.shape[0])
    unit = (matrix.data / np.sqrt(squares)[row]).astype(np.float32)
    return sparse.csr_array((unit, matrix.indices, matrix.indptr), shape=matrix.shape)
