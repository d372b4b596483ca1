"""Number of entries that two sparse matrices share, whose rows and columns have other numbers in each."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import IntArray
from models.numerics.threads import one_launch

_ROWS_PER_CHUNK = 1024  # rows that share one scratch space


def count_shared(matrix: sparse.csr_array, other: sparse.csr_array, rows: IntArray, columns: IntArray) -> int:
    """Count the entries of `matrix` that `other` stores, too, whatever their values.

    A row of `other` is marked, and the entries of the same row of `matrix` look whether theirs is: no entry is sorted
    or searched for.

    Args:
        matrix: (m, n), canonical.
        other: canonical, of another shape.
        rows: (m,) the row of `other` that is the same as each row of `matrix`; −1 for none.
        columns: (n,) the same for columns.
    """
    counts = np.zeros(-(-matrix.shape[0] // _ROWS_PER_CHUNK), np.int64)
    with one_launch:
        _count(
            (matrix.indptr, matrix.indices),
            (other.indptr, other.indices),
            rows,
            columns,
            other.shape[1],
            counts,
        )
    return int(counts.sum())


@numba.njit(parallel=True, cache=True)
def _count(
    matrix: Any, other: Any, same_row: Any, same_column: Any, width: int, counts: NDArray[np.int64]
) -> None:
    """Write the count of each chunk of rows."""
    starts, columns = matrix
    other_starts, other_columns = other
    for chunk in numba.prange(len(counts)):
        marked = np.full(width, -1, np.int64)  # the last row whose entry was seen in each column
        low = chunk * _ROWS_PER_CHUNK
        for row in range(low, min(low + _ROWS_PER_CHUNK, len(same_row))):
            if same_row[row] < 0:
                continue
            for column in other_columns[other_starts[same_row[row]] : other_starts[same_row[row] + 1]]:
                marked[column] = row
            for column in columns[starts[row] : starts[row + 1]]:
                place = same_column[column]
                if place >= 0:
                    counts[chunk] += marked[place] == row
