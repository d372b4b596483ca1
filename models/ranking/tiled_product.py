"""Products with a large sparse matrix, tile by tile: its entries are read once for many rows, not once for each.

The plain product (Gustavson 1978) reads 8 bytes per multiplication and waits for memory once the matrix is larger than
the caches. Here the matrix is stored by tiles of 1,024 columns. The sums of a thousand rows and one tile stay in the
caches, and while they do, each entry of the tile is read once for all rows that need it.

A sum has the same terms in the same order as in the plain product, so the bits are the same.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from scipy import sparse

from models.base import FloatArray, IntArray
from models.numerics.threads import one_launch

_WIDTH = 1024  # columns per tile
_LEAST_ENTRIES = 10_000  # products with smaller matrices take no time to speak of
_LEAST_SEGMENT = 4  # entries of a row in a tile, on average: shorter ones cost more to find than to read
_DENSE = 10  # a segment with more than a tenth of its columns is spread out,
_SHARED = 4  # if so many rows need it


class Tiles:
    """A sparse matrix by tiles of columns; it takes 6 bytes per entry, 4 per row and tile.

    Args:
        matrix: (n_rows, n_columns) float32, canonical.

    Attributes:
        matrix: the matrix itself.
        starts: (n_tiles · n_rows + 1,), where the entries of each tile's rows begin.
        columns: (nnz,) uint16, the column within the tile.
        data: (nnz,) float32.
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        self.matrix = matrix
        n_tiles = -(-matrix.shape[1] // _WIDTH)
        self.starts = np.zeros(n_tiles * matrix.shape[0] + 1, matrix.indptr.dtype)
        self.columns = np.empty(matrix.nnz, np.uint16)
        self.data = np.empty(matrix.nnz, np.float32)
        with one_launch:
            _count(matrix.indptr, matrix.indices, self.starts[1:].reshape(n_tiles, -1))
            np.cumsum(self.starts, out=self.starts)
            starts = self.starts[:-1].reshape(n_tiles, -1)
            _fill(matrix.indptr, matrix.indices, matrix.data, starts, self.columns, self.data)

    @staticmethod
    def suit(matrix: sparse.csr_array) -> bool:
        """Return whether products with the matrix gain from tiles: it is large, and its rows are long."""
        n_segments = matrix.shape[0] * -(-matrix.shape[1] // _WIDTH)
        return bool(matrix.nnz >= _LEAST_ENTRIES and matrix.nnz >= _LEAST_SEGMENT * n_segments)

    def multiply(self, left: sparse.csr_array, rows: IntArray, product: FloatArray) -> None:
        """Write left[rows] · matrix into `product`, (b, n_columns) float32, with −inf for zero.

        Args:
            left: (n, n_rows) float32, canonical.
            rows: (b,) rows of `left`.
            product: overwritten. Each thread holds the sums of all its rows and one tile: 4 MB for 1,024 rows.
        """
        by_inner = _by_inner((left.indptr, left.indices, left.data), rows, self.matrix.shape[0])
        with one_launch:
            _multiply(by_inner, (self.starts, self.columns, self.data), self.matrix.shape[0], product)


@numba.njit(parallel=True, cache=True)
def _count(indptr: Any, indices: Any, counts: Any) -> None:
    """Add up the entries of each row in each tile."""
    for row in numba.prange(len(indptr) - 1):
        for at in range(indptr[row], indptr[row + 1]):
            counts[indices[at] // _WIDTH, row] += 1


@numba.njit(parallel=True, cache=True)
def _fill(indptr: Any, indices: Any, data: Any, starts: Any, columns: Any, values: Any) -> None:
    """Write the entries to where their tiles are; those of a row and tile stay in order."""
    for row in numba.prange(len(indptr) - 1):
        tile, place = -1, 0
        for at in range(indptr[row], indptr[row + 1]):
            if indices[at] // _WIDTH != tile:
                tile = indices[at] // _WIDTH
                place = starts[tile, row]
            columns[place] = indices[at] - tile * _WIDTH
            values[place] = data[at]
            place += 1


@numba.njit(parallel=True, cache=True)
def _multiply(by_inner: Any, tiles: Any, n_inner: int, product: Any) -> None:
    """Write the products of all rows, each tile by one thread: all rows share what it reads and spreads out."""
    inner, ends, places, weights = by_inner
    starts = tiles[0]
    for tile in numba.prange((len(starts) - 1) // n_inner):
        sums = np.zeros((len(product), _WIDTH), np.float32)
        spread = np.zeros(_WIDTH, np.float32)
        for which in range(len(inner)):
            segment = tile * n_inner + inner[which]
            first, last = starts[segment], starts[segment + 1]
            if first < last:
                users = slice(ends[which], ends[which + 1])
                _add_segment(tiles, first, last, places[users], weights[users], spread, sums)
        for row in range(len(product)):
            line = product[row, tile * _WIDTH : (tile + 1) * _WIDTH]
            for column in range(len(line)):
                value = sums[row, column]
                line[column] = value if value != 0 else np.float32(-np.inf)


@numba.njit(cache=True)
def _by_inner(left: Any, rows: Any, n_inner: int) -> Any:
    """Return the entries of rows of `left` by their column: the columns, where each begins, places and weights."""
    indptr, indices, data = left
    counts = np.zeros(n_inner + 1, np.int64)
    for row in rows:
        for at in range(indptr[row], indptr[row + 1]):
            counts[indices[at] + 1] += 1
    inner = np.flatnonzero(counts[1:])
    starts = np.cumsum(counts)
    ends = np.append(starts[inner], starts[-1])
    places, weights = np.empty(starts[-1], np.int64), np.empty(starts[-1], np.float32)
    for place in range(len(rows)):
        for at in range(indptr[rows[place]], indptr[rows[place] + 1]):
            to = starts[indices[at]]
            places[to], weights[to] = place, data[at]
            starts[indices[at]] += 1
    return inner, ends, places, weights


@numba.njit(cache=True)
def _add_segment(
    tiles: Any, first: int, last: int, places: Any, weights: Any, spread: Any, sums: Any
) -> None:
    """Add a segment, times a weight, to the sums of each row that needs it.

    A long one is spread out with zeros first, because vectors of 16 additions then pay (SIMD); adding zero changes no
    sum.
    """
    columns, data = tiles[1][first:last], tiles[2][first:last]
    if len(data) * _DENSE > _WIDTH and len(places) >= _SHARED:
        for at in range(len(data)):
            spread[columns[at]] = data[at]
        for which in range(len(places)):
            line, weight = sums[places[which]], weights[which]
            for column in range(_WIDTH):
                line[column] += weight * spread[column]
        spread[:] = 0
        return
    for which in range(len(places)):
        line, weight = sums[places[which]], weights[which]
        for at in range(len(data)):  # from 0, so that numba need not look for negative indices
            line[columns[at]] += weight * data[at]
