"""Features of candidates from what items are: how alike a candidate is to what the user liked and did lately."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.content.tf_idf import unit_rows
from models.numerics.threads import one_launch


def mean_profiles(weights: sparse.csr_array, profiles: sparse.csr_array) -> sparse.csr_array:
    """Return the weighted mean profile of each row's items, of unit length: (b, n_features) float32.

    Args:
        weights: (b, n_items) float32, 0 for items that do not count.
        profiles: (n_items, n_features) float32.
    """
    return unit_rows(sparse.csr_array(weights @ profiles))


def profile_cosines(
    row: NDArray[np.int64], item: NDArray[np.int64], of_rows: sparse.csr_array, of_items: sparse.csr_array
) -> FloatArray:
    """Return the cosine of each candidate's profile and its row's, (n,) float32 from 0 to 1; 0 without features.

    Args:
        row: (n,) int64, sorted; the row of `of_rows` that each candidate belongs to.
        item: (n,) int64, the candidates.
        of_rows: (n_rows, n_features) float32, rows of unit length.
        of_items: (n_items, n_features) float32, rows of unit length.
    """
    ends = np.searchsorted(row, np.arange(of_rows.shape[0]), side="right")
    found = np.zeros(len(row), np.float32)
    left, right = ((part.indptr, part.indices, part.data) for part in (of_rows, of_items))
    with one_launch:
        _cosines(ends, item, left, right, of_rows.shape[1], found)
    return found


@numba.njit(parallel=True, cache=True)
def _cosines(ends: Any, item: Any, of_rows: Any, of_items: Any, n_features: int, found: Any) -> None:
    """Write the products into `found`: each row's profile is spread out once and met with its candidates' entries."""
    row_starts, row_columns, row_values = of_rows
    item_starts, item_columns, item_values = of_items
    for row in numba.prange(len(ends)):
        first = ends[row - 1] if row else 0
        if first == ends[row]:
            continue
        profile = np.zeros(n_features, np.float32)
        for at in range(row_starts[row], row_starts[row + 1]):
            profile[row_columns[at]] = row_values[at]
        for candidate in range(first, ends[row]):
            total = np.float32(0)
            for at in range(item_starts[item[candidate]], item_starts[item[candidate] + 1]):
                total += profile[item_columns[at]] * item_values[at]
            found[candidate] = total
