"""Similarities of users or of items, computed for a block of vectors against all vectors at a time.

The vectors are the rows of a sparse matrix: items described by their users, or users by their items; a *place* is a
column. With sums over n places, and x and y the entries of the two vectors:

| `similarity`        | of two vectors                                                               | shrinking |
|---------------------|------------------------------------------------------------------------------|-----------|
| `dot`               | Σxy                                                                          | counted   |
| `cosine`            | Σxy / √(Σx² Σy²)                                                             | added     |
| `adjusted_cosine`   | the cosine after subtracting every user's mean entry (Sarwar et al. 2001)    | added     |
| `asymmetric_cosine` | Σxy / ((Σx²)^α (Σy²)^(1−α)), x being scored by its neighbour y (Aiolli 2013) | added     |
| `jaccard`           | common places / places that either has, whatever the entries                 | added     |
| `pearson`           | (Σxy − ΣxΣy/n) / √((Σx² − (Σx)²/n) (Σy² − (Σy)²/n))                          | counted   |
| `euclidean`         | 1 / (1 + √Σ(x − y)²)                                                         | counted   |

Shrinking lowers similarities that rest on few entries. *Added*: the denominator grows by `shrink` times the mean square
of an entry (`jaccard`: by `shrink`), so that the scale of the entries does not matter. *Counted*: with c common places
the similarity is multiplied by c / (c + shrink) (Bell & Koren 2007).

Meaning of a missing entry:

| `missing` | the places summed over                   | a missing entry            |
|-----------|------------------------------------------|----------------------------|
| `ignored` | those that both vectors have (co-rated)  | is not looked at           |
| `zero`    | all                                      | is 0                       |
| `mean`    | all                                      | is the mean of its user    |
| `auto`    | `ignored` for `pearson`, `euclidean` and `adjusted_cosine`, which compare ratings; else `zero`  ||

`dot` and `jaccard` are the same for `ignored` and `zero`; `jaccard` ignores `mean`. For `adjusted_cosine` `mean` is the
same as `zero`, because it subtracts the means. A user without entries has the mean 0.

Vectors without a common place are never neighbours, nor are pairs whose similarity is not above 0. In a matrix of ones
the entries have no variance: `pearson` and `adjusted_cosine` find no neighbours there, and `cosine` with `ignored` is 1
for all pairs. Use them with the matrix `rating`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.neighbours.weighting import with_entries
from models.numerics.threads import one_launch
from models.ranking.item_item_scorer import check_products, product_blocks
from models.ranking.topk import block_rows

Similarity = Literal[
    "dot", "cosine", "adjusted_cosine", "asymmetric_cosine", "jaccard", "pearson", "euclidean"
]
Missing = Literal["auto", "ignored", "zero", "mean"]
Doubles = NDArray[np.float64]

_COUNTED = ("dot", "pearson", "euclidean")  # shrunk by the number of common places
_DOT, _COSINE, _PEARSON, _EUCLIDEAN = range(4)
_FORMULAS = {"dot": _DOT, "pearson": _PEARSON, "euclidean": _EUCLIDEAN}
_ROWS_PER_CHUNK = 8  # rows that share one scratch space


@dataclass(frozen=True)
class Measure:
    """A similarity and its parameters: the fields of `NeighbourConfig` of the same names, described there."""

    similarity: Similarity = "cosine"
    missing: Missing = "auto"
    asymmetry: float = 0.5
    shrink: float = 0.0
    exponent: float = 1.0

    @property
    def absent(self) -> Missing:
        """Return the meaning of a missing entry, with `auto` resolved; of two equivalent ones the faster."""
        if self.similarity == "jaccard":
            return "zero"
        if self.similarity == "dot" and self.missing in ("auto", "ignored"):
            return "zero"
        if self.similarity == "adjusted_cosine" and self.missing == "mean":
            return "zero"
        if self.missing != "auto":
            return self.missing
        return "ignored" if self.similarity in ("adjusted_cosine", "pearson", "euclidean") else "zero"

    @property
    def alpha(self) -> float:
        """Return the power of the scored vector's Σx² in the denominator."""
        return self.asymmetry if self.similarity == "asymmetric_cosine" else 0.5


def similarity_blocks(
    vectors: sparse.csr_array, measure: Measure, *, rows_are_users: bool, first: int = 0
) -> Iterator[tuple[int, FloatArray]]:
    """Compute every vector's similarity to all, to the power of `measure.exponent`, a block of vectors at a time.

    Holds one block of scores and, for formulas other than a product over a scale, six doubles per vector and thread.
    Time grows with the sum of the squares of the numbers of entries in a column.

    Args:
        vectors: (n, n_places) float32.
        measure: the similarity.
        rows_are_users: whether the vectors are users, not items; decides which entries a user's mean is of.
        first: where above 0, only the vectors from this one on are compared, each with all; the scale of `shrink` is
            that of the vectors before.

    Yields:
        The index of the block's first vector, and the block, (b, n) float32, which the next block overwrites: −inf for
        pairs that are no neighbours and for a vector and itself. No bit depends on the number of threads.

    Raises:
        DivergedError: the entries are so large that their products overflow float32.
    """
    if measure.similarity == "jaccard":
        vectors = with_entries(vectors, np.ones(vectors.nnz))
    if measure.similarity == "adjusted_cosine":
        vectors = with_entries(vectors, deviations(vectors, rows_are_users)[0])
    if measure.absent == "zero" and (measure.similarity not in _COUNTED or _is_plain_dot(measure)):
        return _scaled_products(vectors, measure, first)
    return _sums_of_pairs(vectors, measure, rows_are_users, first)


def deviations(vectors: sparse.csr_array, rows_are_users: bool) -> tuple[Doubles, Doubles]:
    """Subtract the mean entry of its user from each stored entry.

    Args:
        vectors: (n, n_places) float32.
        rows_are_users: whether users are the rows, not the columns.

    Returns:
        The deviations, (nnz,) float64, and the means, (n_users,) float64.
    """
    n_rows, n_places = vectors.shape
    users = np.repeat(np.arange(n_rows), np.diff(vectors.indptr)) if rows_are_users else vectors.indices
    n_users = n_rows if rows_are_users else n_places
    counts = np.bincount(users, minlength=n_users)
    means = np.bincount(users, vectors.data, minlength=n_users) / np.maximum(counts, 1)
    entries = vectors.data.astype(np.float64)
    apart = entries - means[users]
    apart[np.abs(apart) <= 1e-6 * np.abs(entries)] = 0  # rounding errors of zero
    return apart, means


def _is_plain_dot(measure: Measure) -> bool:
    return measure.similarity == "dot" and measure.shrink == 0


def _row_sums(vectors: sparse.csr_array, data: NDArray[Any]) -> Doubles:
    rows = np.repeat(np.arange(vectors.shape[0]), np.diff(vectors.indptr))
    return np.bincount(rows, data, minlength=vectors.shape[0]).astype(np.float64, copy=False)


def _mean_square(vectors: sparse.csr_array) -> float:
    return float(np.einsum("i,i->", vectors.data, vectors.data, dtype=np.float64)) / max(vectors.nnz, 1)


# -- a product over a scale ---------------------------------------------------------------------------------


def _scaled_products(
    vectors: sparse.csr_array, measure: Measure, first: int
) -> Iterator[tuple[int, FloatArray]]:
    """Compute Σxy over a scale that is known for each vector: one sparse product, and one pass over the scores."""
    n = vectors.shape[0]
    check_products(vectors)
    squares = _row_sums(vectors, vectors.data.astype(np.float64) ** 2)
    added = measure.shrink * _mean_square(vectors[: first or None])
    if measure.similarity == "jaccard":
        scale = squares, squares, added, True
    elif measure.similarity == "dot":
        scale = np.ones(n), np.ones(n), 0.0, False
    else:
        scale = squares**measure.alpha, squares ** (1 - measure.alpha), added, False
    for start, products in product_blocks(vectors, sparse.csr_array(vectors.T), np.arange(first, n)):
        with one_launch:
            _scale(products, first + start, scale)
            if measure.exponent != 1:
                _raise(products, measure.exponent)
        yield first + start, products


@numba.njit(parallel=True, cache=True, error_model="numpy")
def _scale(products: Any, start: int, scale: Any) -> None:
    """Turn products into similarities, in place. Without branches, so that the loops over columns are vectorized."""
    left, right, added, is_union = scale
    nothing = np.float32(-np.inf)
    for row in numba.prange(len(products)):
        products[row, start + row] = nothing
        own, line = left[start + row], products[row]
        if is_union:
            for column in range(len(line)):
                value = line[column] / (own + right[column] - line[column] + added)
                line[column] = np.float32(value) if line[column] > 0 else nothing
        else:
            for column in range(len(line)):
                value = line[column] / (own * right[column] + added)
                line[column] = np.float32(value) if line[column] > 0 else nothing


@numba.njit(parallel=True, cache=True)
def _raise(similarities: Any, exponent: float) -> None:
    """Raise what is above 0 to a power, in place."""
    for row in numba.prange(len(similarities)):
        for column in range(similarities.shape[1]):
            if similarities[row, column] > 0:
                similarities[row, column] = np.float64(similarities[row, column]) ** exponent


# -- all other formulas --------------------------------------------------------------------------------------


class _AllPlaces(NamedTuple):
    """Terms that turn sums over common places into sums over all places.

    With m the value of missing entries, t a vector's `tilt` and l its `level`, Σxy over all places is Σ(x − m)(y − m)
    over the common places, plus t[x] + t[y] + ground · l[x] · l[y].

    Attributes:
        n_places: number of places; 0 if sums are over the common places, and the rest is not used.
        totals, squares: (n,) Σx and Σx² over all places.
    """

    n_places: int
    totals: Doubles
    squares: Doubles
    tilt: Doubles
    level: Doubles
    ground: float


def _sums_of_pairs(
    vectors: sparse.csr_array, measure: Measure, rows_are_users: bool, first: int
) -> Iterator[tuple[int, FloatArray]]:
    """Compute similarities from the sums n, Σx, Σy, Σx², Σy², Σxy of every pair."""
    n = vectors.shape[0]
    counted = measure.similarity in _COUNTED
    added = 0.0 if counted else measure.shrink * _mean_square(vectors[: first or None])
    formula = (
        _FORMULAS.get(measure.similarity, _COSINE), measure.alpha, added,
        measure.shrink if counted else 0.0, measure.exponent,
    )  # fmt: skip
    entries, all_places = _filled(vectors, measure.absent, rows_are_users)
    places = sparse.csr_array(sparse.csr_array((entries, vectors.indices, vectors.indptr), vectors.shape).T)
    left = vectors.indptr, vectors.indices, entries
    right = places.indptr, places.indices, places.data
    buffer = np.empty((min(block_rows(n), n - first), n), np.float32)
    for start in range(first, n, max(len(buffer), 1)):
        block = buffer[: n - start]
        with one_launch:
            _compare(start, left, right, all_places, formula, block)
        yield start, block


def _filled(vectors: sparse.csr_array, absent: Missing, rows_are_users: bool) -> tuple[Doubles, _AllPlaces]:
    """Subtract the value of missing entries from the stored ones; return them, and the terms that make up for it."""
    n, n_places = vectors.shape
    entries, none = vectors.data.astype(np.float64), np.zeros(n)
    if absent == "ignored":
        return entries, _AllPlaces(0, none, none, none, none, 0.0)
    if absent == "zero":
        totals, squares = _row_sums(vectors, entries), _row_sums(vectors, entries**2)
        return entries, _AllPlaces(n_places, totals, squares, none, none, 0.0)
    entries, means = deviations(vectors, rows_are_users)
    totals, squares = _row_sums(vectors, entries), _row_sums(vectors, entries**2)
    if rows_are_users:
        return entries, _AllPlaces(
            n_places, totals + n_places * means, squares + n_places * means**2, none, means, float(n_places)
        )
    tilt, ground = _row_sums(vectors, entries * means[vectors.indices]), float(means @ means)
    return entries, _AllPlaces(
        n_places, totals + means.sum(), squares + 2 * tilt + ground, tilt, np.ones(n), ground
    )


@numba.njit(parallel=True, cache=True)
def _compare(start: int, left: Any, right: Any, all_places: Any, formula: Any, block: Any) -> None:
    """Write the similarities of each row with all vectors: first the sums, then the formula; each row by one thread."""
    left_indptr, left_indices, left_entries = left
    right_indptr, right_indices, right_entries = right
    n_places, totals, squares, tilt, level, ground = all_places
    n_rows, width = block.shape
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        sums = np.empty((width, 6))
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            own = start + row
            sums[:] = 0
            for at in range(left_indptr[own], left_indptr[own + 1]):
                place, x = left_indices[at], left_entries[at]
                for to in range(right_indptr[place], right_indptr[place + 1]):
                    y = right_entries[to]
                    pair = sums[right_indices[to]]
                    pair[0] += 1
                    pair[1] += x
                    pair[2] += y
                    pair[3] += x * x
                    pair[4] += y * y
                    pair[5] += x * y
            for other in range(width):
                block[row, other] = -np.inf
                common, x, y, xx, yy, xy = sums[other]
                if common == 0 or other == own:
                    continue
                n = common
                if n_places > 0:
                    n, x, y, xx, yy = n_places, totals[own], totals[other], squares[own], squares[other]
                    xy += tilt[own] + tilt[other] + ground * level[own] * level[other]
                value = _similarity(formula, common, n, x, y, xx, yy, xy)
                if value > 0:
                    block[row, other] = value


@numba.njit(cache=True)
def _similarity(
    formula: Any, common: float, n: float, x: float, y: float, xx: float, yy: float, xy: float
) -> float:
    """Return one similarity from the sums of a pair; 0 where it is not defined."""
    kind, alpha, added, counted, exponent = formula
    centre = 1 / n if kind == _PEARSON else 0.0
    xy = _centred(xy, x * y * centre, np.sqrt(xx * yy))
    xx = _centred(xx, x * x * centre, xx)
    yy = _centred(yy, y * y * centre, yy)
    if kind == _DOT:
        value = xy
    elif kind == _EUCLIDEAN:
        value = 1 / (1 + np.sqrt(max(xx + yy - 2 * xy, 0.0)))
    else:
        scale = xx**alpha * yy ** (1 - alpha)
        value = xy / (scale + added) if scale > 0 else 0.0
    value *= common / (common + counted)
    return value**exponent if value > 0 else 0.0


@numba.njit(cache=True)
def _centred(products: float, of_centres: float, greatest: float) -> float:
    """Return products − of_centres; 0 if it is a rounding error relative to `greatest`, an upper bound of both."""
    left = products - of_centres
    return left if abs(left) > 1e-12 * greatest else 0.0
