"""Put candidates into lists, place by place: maximal marginal relevance, a cap per genre, places that are spoken for.

Maximal marginal relevance (Carbonell & Goldstein 1998) takes the next item i by

    (1 − diversity) · relevance(i) − diversity · max over the items above of similarity(i, j)

so that an item must be better, or something else, to stand beside what is there already. The kernel is greedy and
exact: every place looks at every candidate that is left.

The kernels call nothing outside this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_launch

FIRST_PAGE = 10
"""The places among which a genre is capped."""

ORDINARY, NEW = -1, -2
"""What a place is for, where no pinned candidate stands there."""

_ROWS_PER_CHUNK = 16  # rows that share one scratch space


class Candidates(NamedTuple):
    """What may stand in the lists of one block of users, pinned ones in front, then ordinary ones, then new ones.

    Attributes:
        items: (n_users, c) int32; −1 pads. An item may be there several times: it is listed once.
        relevance: (n_users, c) float32, comparable within a row.
        n_pinned: the first columns, each of which has its place.
        n_new: the last columns, for places that are for new items.
    """

    items: NDArray[np.int32]
    relevance: FloatArray
    n_pinned: int = 0
    n_new: int = 0


def ordinary_places(n: int) -> NDArray[np.int32]:
    """(n,) places that anything may take."""
    return np.full(n, ORDINARY, np.int32)


def arrange(
    candidates: Candidates,
    places: NDArray[np.int32],
    *,
    diversity: float,
    vectors: FloatArray,
    max_per_genre: int,
    genres: sparse.csr_array,
) -> NDArray[np.int32]:
    """Which candidate takes which place.

    - A pinned candidate takes its place. Where it pads, because that user does not get it, the place is ordinary.
    - A place for new items takes a new one, where there is any; the others take ordinary ones, and new ones only
      where the ordinary have run out.
    - Among the first ten places stand at most `max_per_genre` items of each genre; an item counts in all its genres,
      pinned ones too, and those wherever they stand in the ten. A new item that breaks the cap makes room for an
      ordinary one; where all that is left would break it, it yields: lists are not cut short.
    - Among what may stand in a place, maximal marginal relevance chooses; of equals the first column.

    Places that nothing is left for close up: rows are filled from the front.

    Args:
        candidates: a block of them.
        places: (n,) for each place the column of the candidate that is pinned there, or ORDINARY, or NEW.
        diversity: from 0, by relevance alone, to 1.
        vectors: (n_items, f) float32 of length 1 or 0, whose products are the similarities. Not read where diversity
            is 0.
        max_per_genre: 0 is no cap.
        genres: (n_items, n_genres), the genres of each item. Not read where there is no cap.

    Returns:
        (n_users, n) int32 columns of the candidates; −1 pads.
    """
    chosen = np.full((len(candidates.items), len(places)), -1, np.int32)
    columns = (candidates.n_pinned, candidates.items.shape[1] - candidates.n_new)
    kept = (max_per_genre, genres.indptr, genres.indices, genres.shape[1])
    with one_launch:
        _arrange(
            candidates.items,
            candidates.relevance,
            columns,
            places,
            np.float32(diversity),
            vectors,
            kept,
            chosen,
        )
    return chosen


@numba.njit(parallel=True, cache=True)
def _arrange(
    items: Any,
    relevance: Any,
    columns: Any,
    places: Any,
    diversity: Any,
    vectors: Any,
    genres: Any,
    chosen: Any,
) -> None:
    """A row is arranged by one thread."""
    n_rows, width = items.shape
    n_factors = vectors.shape[1] if diversity > 0 else 0
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        directions = np.empty((n_factors, width), np.float32)  # of the row's candidates, a factor a line
        products = np.empty(width, np.float32)
        nearest = np.empty(width, np.float32)  # similarity to the most similar item above
        worth = np.empty(width, np.float32)
        there = np.empty(width, np.bool_)
        listed = np.empty(genres[3], np.int64)
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            for column in range(width):
                there[column] = items[row, column] >= 0
                nearest[column] = 0
                worth[column] = (1 - diversity) * relevance[row, column]
                for f in range(n_factors):
                    directions[f, column] = vectors[items[row, column], f]
            _reserve(items[row], there, places, columns, listed, genres)
            filled = 0
            for place in range(len(places)):
                best = _best_for(places[place], items[row], there, worth, columns, listed, filled, genres)
                if best < 0:
                    continue
                chosen[row, filled] = best
                filled += 1
                if best != places[place] and filled <= FIRST_PAGE:
                    _count(listed, items[row, best], genres)
                _forget_copies(items[row], there, items[row, best], 0)
                if n_factors:
                    _multiply(directions, best, products)
                    _devalue(worth, nearest, products, diversity)


@numba.njit(cache=True)
def _reserve(items: Any, there: Any, places: Any, columns: Any, listed: Any, genres: Any) -> None:
    """What is pinned is certain: nothing else offers it, and its genres count from the start."""
    listed[:] = 0
    for place in range(len(places)):
        pinned = places[place]
        if pinned >= 0 and there[pinned]:
            _forget_copies(items, there, items[pinned], columns[0])
            if place < FIRST_PAGE:
                _count(listed, items[pinned], genres)


@numba.njit(cache=True)
def _best_for(
    wanted: Any, items: Any, there: Any, worth: Any, columns: Any, listed: Any, filled: Any, genres: Any
) -> Any:
    """The column that takes a place: what is pinned there; by kind and cap, by cap, by kind; anything that is left."""
    if wanted >= 0 and there[wanted]:
        return wanted
    ordinary, new, end = columns[0], columns[1], len(items)
    best = -1
    if wanted == NEW:
        best = _best(new, end, items, there, worth, listed, filled < FIRST_PAGE, genres)
    if best < 0:
        best = _best(ordinary, new, items, there, worth, listed, filled < FIRST_PAGE, genres)
    if best < 0 and wanted == NEW:
        best = _best(new, end, items, there, worth, listed, False, genres)
    if best < 0:
        best = _best(ordinary, new, items, there, worth, listed, False, genres)
    if best < 0:
        best = _best(new, end, items, there, worth, listed, False, genres)
    return best


@numba.njit(cache=True)
def _best(
    start: Any, stop: Any, items: Any, there: Any, worth: Any, listed: Any, is_capped: Any, genres: Any
) -> Any:
    """The column of greatest worth from `start` up to `stop`, if capped one whose genres are not full; −1 for none."""
    cap, indptr, indices, _ = genres
    best = -1
    for column in range(start, stop):
        if there[column] and (best < 0 or worth[column] > worth[best]):
            full = False
            if is_capped and cap > 0:
                for at in range(indptr[items[column]], indptr[items[column] + 1]):
                    full = full or listed[indices[at]] >= cap
            if not full:
                best = column
    return best


@numba.njit(cache=True)
def _forget_copies(items: Any, there: Any, item: Any, start: Any) -> None:
    """The item is listed, or its place is certain: no column from `start` on offers it again."""
    for column in range(start, len(items)):
        if items[column] == item:
            there[column] = False


@numba.njit(cache=True)
def _count(listed: Any, item: Any, genres: Any) -> None:
    """One more item of each of its genres."""
    cap, indptr, indices, _ = genres
    if cap > 0:
        for at in range(indptr[item], indptr[item + 1]):
            listed[indices[at]] += 1


@numba.njit(cache=True)
def _devalue(worth: Any, nearest: Any, products: Any, diversity: Any) -> None:
    """Candidates to which the item just listed is the most similar one so far are worth less."""
    for column in range(len(worth)):
        further = products[column] - nearest[column]
        if further > 0:
            nearest[column] = products[column]
            worth[column] -= diversity * further


@numba.njit(cache=True, fastmath={"contract"})
def _multiply(directions: Any, column: Any, products: Any) -> None:
    """The products of one candidate with all: factor by factor, so that the inner loop fills the machine's vectors.

    Four factors in one pass: a product is read and written once for four.
    """
    products[:] = 0
    whole = len(directions) // 4 * 4
    for f in range(0, whole, 4):
        first, second, third, fourth = directions[f], directions[f + 1], directions[f + 2], directions[f + 3]
        a, b, c, d = first[column], second[column], third[column], fourth[column]
        for other in range(len(products)):
            products[other] += a * first[other] + b * second[other] + c * third[other] + d * fourth[other]
    for f in range(whole, len(directions)):
        factor, line = directions[f, column], directions[f]
        for other in range(len(products)):
            products[other] += factor * line[other]
