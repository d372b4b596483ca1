"""One block of an ALS fit: some users and some items, their entries and vectors.

It needs no other block while it computes. What it must know of others comes as sums that the fit hands out (degrees,
Gramians), and as pieces that blocks send each other: its items' entries once, and in every half-iteration the vectors
that its entries name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.factors.als_weights import confidences, divided_by_degree, starting_rows
from models.factors.prior_least_squares import solve_rows
from models.numerics.outliers import greatest_of_rows, scaled_down
from models.numerics.threads import one_blas_thread

USERS, ITEMS = 0, 1
_WHOLE = 0.5  # a block from which so many of its rows are needed sends all: machines with several blocks get them once

Named = NDArray[np.int32] | None
"""Rows of a block that another needs, ascending; None for all."""


@dataclass
class _Side:
    """The users or the items of a block.

    Attributes:
        first: the row of the first of them.
        entries: (m, n_named) float32, the confidences. The columns are the rows that blocks send, in their order.
        vectors: (m, f) float32.
        named: for each block, its rows of the other side that the entries name.
        asked: for each block, those of these rows that it needs.
    """

    first: int
    entries: sparse.csr_array
    vectors: FloatArray
    named: list[Named] = field(default_factory=list)
    asked: list[Named] = field(default_factory=list)


class ALSBlock:
    """Users and items of one block. The methods are called in the order in which they stand here."""

    def __init__(self, rows: sparse.csr_array, number: int) -> None:
        """Take the users' rows of the training matrix: (m, n_items) float32, without explicit zeros."""
        self._rows, self._number = rows, number
        self._greatest = np.empty(0)
        self._sides: dict[int, _Side] = {}

    # -- weights: as `entry_weights` makes them from the whole matrix ---------------------------------

    def degrees(self) -> NDArray[np.int64]:
        """Return how many of the users have an entry of each item, (n_items,)."""
        return np.bincount(self._rows.indices, minlength=self._rows.shape[1])

    def divide(self, degrees: NDArray[np.int64], exponent: float) -> NDArray[np.float64]:
        """Divide the entries by the items' degrees^exponent; return the greatest of each row, (m,)."""
        self._rows = divided_by_degree(self._rows, degrees, exponent)
        self._greatest = greatest_of_rows(self._rows)
        return self._greatest

    def limit(self, most: float) -> float:
        """Scale rows above a limit down; return the sum of all magnitudes."""
        self._rows = scaled_down(self._rows, self._greatest, most)
        return float(np.abs(self._rows.data).sum())

    def weigh(self, scale: float, alpha: float) -> float:
        """Make confidences of the entries times `scale`; return the sum of the squared weights."""
        self._rows.data = (self._rows.data * scale).astype(np.float32)
        squares = float(np.square(self._rows.data, dtype=np.float64).sum())
        self._rows = confidences(self._rows, alpha)
        return squares

    # -- the items' entries, and who needs which rows -------------------------------------------------

    def entries_by_item(self, cuts: NDArray[np.int64]) -> list[tuple[NDArray[Any], ...]]:
        """Return the entries of each block's items: indptr, indices of these users and data, item by item.

        Args:
            cuts: (n_blocks + 1,) the first item of each block, and the number of items.
        """
        turned = sparse.csr_array(self._rows.T)
        return [
            (turned.indptr[low : high + 1] - turned.indptr[low], turned.indices[at:end], turned.data[at:end])
            for low, high in pairwise(cuts.tolist())
            for at, end in [(int(turned.indptr[low]), int(turned.indptr[high]))]
        ]

    def begin(
        self,
        pieces: Iterable[tuple[NDArray[Any], ...]],
        cuts: Sequence[NDArray[np.int64]],
        factors: int,
        seed: int,
    ) -> None:
        """Take the items' entries, draw the vectors to start from, and find out which rows are needed.

        Args:
            pieces: what the blocks' `entries_by_item` returned for this one, in their order.
            cuts: (n_blocks + 1,) the first user of each block, and the number of users; the same of items.
            factors: length of the vectors.
            seed: of the vectors.
        """
        by_item = joined([*pieces], cuts[USERS])
        for side, entries in ((USERS, self._rows), (ITEMS, by_item)):
            first, stop = cuts[side][self._number : self._number + 2].tolist()
            columns, named = named_rows(entries.indices, cuts[1 - side])
            width = sum(_n_rows(each, cuts[1 - side], block) for block, each in enumerate(named))
            kept = sparse.csr_array((entries.data, columns, entries.indptr), (entries.shape[0], width))
            vectors = starting_rows(side, first, stop - first, factors, seed)
            self._sides[side] = _Side(first, kept, vectors, named)
        del self._rows

    def needs(self) -> list[tuple[Named, Named]]:
        """Return, for each block, its users and its items whose vectors are needed here."""
        return [*zip(self._sides[ITEMS].named, self._sides[USERS].named, strict=True)]

    def note_needs(self, needs: Iterable[tuple[Named, Named]]) -> None:
        """Take what the blocks' `needs` returned for this one, in their order."""
        for asked in needs:
            for side, rows in zip((USERS, ITEMS), asked, strict=True):
                self._sides[side].asked.append(None if rows is None else np.array(rows))

    # -- half-iterations ------------------------------------------------------------------------------

    def gram(self, side: int) -> FloatArray:
        """Return Σ y yᵀ of the vectors of a side, (f, f)."""
        vectors = self._sides[side].vectors
        with one_blas_thread():
            found: FloatArray = vectors.T @ vectors
        return found

    def vectors_for(self, side: int) -> Iterator[FloatArray]:
        """Yield the vectors of a side that each block needs, in its order of rows."""
        vectors = self._sides[side].vectors
        return (vectors if rows is None else vectors[rows] for rows in self._sides[side].asked)

    def solve(self, pieces: Iterable[FloatArray], side: int, gram: FloatArray, ridge: float) -> None:
        """Solve for the vectors of a side.

        Args:
            pieces: what the blocks' `vectors_for` the other side returned for this one, in their order.
            side: `USERS` or `ITEMS`.
            gram: (f, f), the sum of all blocks' Gramians of the other side.
            ridge: λ.
        """
        own = self._sides[side]
        others, at = np.empty((own.entries.shape[1], own.vectors.shape[1]), np.float32), 0
        for piece in pieces:
            others[at : at + len(piece)] = piece
            at += len(piece)
        own.vectors = solve_rows(own.entries, others, own.vectors, ridge=ridge, gram=gram)

    # -- the result -----------------------------------------------------------------------------------

    def write(self, paths: Sequence[Path]) -> None:
        """Write the vectors of users and items into their rows of two existing files of raw float32."""
        for side, path in enumerate(paths):
            own = self._sides[side]
            with path.open("r+b") as file:
                file.seek(own.first * own.vectors.shape[1] * own.vectors.itemsize)
                own.vectors.tofile(file)


def joined(pieces: Sequence[tuple[NDArray[Any], ...]], starts: NDArray[np.int64]) -> sparse.csr_array:
    """Return matrices of the same rows beside each other, (m, n); the order of columns stays ascending.

    Args:
        pieces: indptr, indices and data of each.
        starts: (n_pieces + 1,) the first column of each, and n.
    """
    counts = [np.diff(indptr) for indptr, _, _ in pieces]
    indptr = np.concatenate([[0], np.cumsum(np.sum(counts, axis=0, dtype=np.int64))])
    dtype = np.int32 if max(indptr[-1], starts[-1]) <= np.iinfo(np.int32).max else np.int64
    indices, data = np.empty(indptr[-1], dtype), np.empty(indptr[-1], np.float32)
    filled = indptr[:-1].copy()
    for (begins, columns, values), n_each, start in zip(pieces, counts, starts, strict=False):
        places = np.repeat(filled - begins[:-1], n_each) + np.arange(len(columns))
        indices[places], data[places] = columns + start, values
        filled += n_each
    return sparse.csr_array((data, indices, indptr.astype(dtype)), (len(indptr) - 1, int(starts[-1])))


def named_rows(
    indices: NDArray[Any], cuts: NDArray[np.int64]
) -> tuple[NDArray[np.int32] | NDArray[np.int64], list[Named]]:
    """Return which rows of each block some entries name, and the entries' places among these.

    Args:
        indices: (nnz,) rows that entries name.
        cuts: (n_blocks + 1,) the first row of each block, and the number of rows.

    Returns:
        (nnz,) for each entry the place of its row among the named rows of all blocks; and the named rows of each
        block, counted from its first. If at least half of its rows are named, all of them are.
    """
    is_named = np.zeros(int(cuts[-1]), bool)
    is_named[indices] = True
    named: list[Named] = []
    for low, high in pairwise(cuts.tolist()):
        found = np.flatnonzero(is_named[low:high])
        whole = len(found) >= _WHOLE * (high - low)
        if whole:
            is_named[low:high] = True
        named.append(None if whole else found.astype(np.int32))
    places = np.cumsum(is_named, dtype=indices.dtype) - indices.dtype.type(1)
    return places[indices], named


def _n_rows(named: Named, cuts: NDArray[np.int64], block: int) -> int:
    return int(cuts[block + 1] - cuts[block]) if named is None else len(named)
