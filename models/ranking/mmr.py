"""Rerank candidates by maximal marginal relevance (MMR), with a cap per genre, pinned items and places for new items.

MMR (Carbonell & Goldstein 1998) fills a list from the top; the next item i is the one of greatest

    (1 − diversity) · relevance(i) − diversity · max over the items above of similarity(i, j)

so that an item must be better than the others, or different from the items above. The first item has none above, and is
chosen by its relevance. A cosine can be negative, and the maximum with it: the term then speaks for the item. The
kernel is greedy and exact: for every place it considers every remaining candidate.

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
"""Number of places, from the top, to which the cap per genre applies."""

ORDINARY, NEW = -1, -2
"""Kinds of places without a pinned candidate: for any item, and for new items."""

_ROWS_PER_CHUNK = 16  # rows that share one scratch space


class RerankCandidates(NamedTuple):
    """Candidates for the lists of a block of users; columns hold pinned items, then ordinary ones, then new ones.

    Attributes:
        items: (n_users, c) int32; −1 pads. An item that occurs several times is listed once.
        relevance: (n_users, c) float32, comparable within a row.
        n_pinned: number of columns of pinned items, the first ones; each has its own place.
        n_new: number of columns of new items, the last ones.
    """

    items: NDArray[np.int32]
    relevance: FloatArray
    n_pinned: int = 0
    n_new: int = 0


def ordinary_places(n: int) -> NDArray[np.int32]:
    """Return n places for any item, (n,) int32."""
    return np.full(n, ORDINARY, np.int32)


def arrange(
    candidates: RerankCandidates,
    places: NDArray[np.int32],
    *,
    diversity: float,
    vectors: FloatArray,
    max_per_genre: int,
    genres: sparse.csr_array,
) -> NDArray[np.int32]:
    """Choose the candidate of each place, from the top of the lists to the end.

    - A pinned candidate takes its place. Where its item is −1 for a user, the place is ordinary.
    - A place for new items takes a new item while there is one. Ordinary places take ordinary items, and new items only
      when the ordinary ones have run out.
    - The first ten places hold at most `max_per_genre` items of each genre. An item counts in all its genres; pinned
      items of the ten count from the start. A new item that would break the cap gives way to an ordinary one. Where all
      remaining candidates would break the cap, the cap is ignored: lists are not cut short.
    - Among the candidates allowed for a place, MMR chooses; of equals the first column.

    Places for which no candidate is left are closed up: rows are filled from the front.

    Args:
        candidates: the candidates of a block of users.
        places: (n,) int32, for each place the column of the candidate that is pinned there, or ORDINARY, or NEW.
        diversity: from 0 (relevance alone) to 1.
        vectors: (n_items, f) float32 of length 1 or 0, whose products are the similarities; not read if diversity is 0.
        max_per_genre: at least 0; 0 is no cap.
        genres: (n_items, n_genres), stored entries are the genres of each item; not read without a cap.

    Returns:
        (n_users, n) int32 columns of the candidates; −1 pads.
    """
    chosen = np.full((len(candidates.items), len(places)), -1, np.int32)
    columns = (candidates.n_pinned, candidates.items.shape[1] - candidates.n_new)
    capped = (max_per_genre, genres.indptr, genres.indices, genres.shape[1])
    with one_launch:
        _arrange(
            candidates.items,
            candidates.relevance,
            columns,
            places,
            np.float32(diversity),
            vectors,
            capped,
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
    """Write the chosen columns of every row, each row by one thread."""
    n_rows, width = items.shape
    n_factors = vectors.shape[1] if diversity > 0 else 0
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        directions = np.empty(
            (n_factors, width), np.float32
        )  # vectors of the row's candidates, one line per factor
        products = np.empty(width, np.float32)
        nearest = np.empty(width, np.float32)  # similarity to the most similar item above
        score = np.empty(width, np.float32)
        available = np.empty(width, np.bool_)
        listed = np.empty(genres[3], np.int64)
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            for column in range(width):
                available[column] = items[row, column] >= 0
                nearest[column] = 0
                score[column] = (1 - diversity) * relevance[row, column]
                for f in range(n_factors):
                    directions[f, column] = vectors[items[row, column], f]
            _reserve(items[row], available, places, columns, listed, genres)
            filled = 0
            for place in range(len(places)):
                best = _choose(places[place], items[row], available, score, columns, listed, filled, genres)
                if best < 0:
                    continue
                chosen[row, filled] = best
                filled += 1
                if best != places[place] and filled <= FIRST_PAGE:
                    _count(listed, items[row, best], genres)
                _remove(items[row], available, items[row, best], 0)
                if n_factors:
                    _products(directions, best, products)
                    _penalise(score, nearest, products, diversity, filled == 1)


@numba.njit(cache=True)
def _reserve(items: Any, available: Any, places: Any, columns: Any, listed: Any, genres: Any) -> None:
    """Prepare the pinned items: no other column may list them, and their genres count from the start."""
    listed[:] = 0
    for place in range(len(places)):
        pinned = places[place]
        if pinned >= 0 and available[pinned]:
            _remove(items, available, items[pinned], columns[0])
            if place < FIRST_PAGE:
                _count(listed, items[pinned], genres)


@numba.njit(cache=True)
def _choose(
    wanted: Any, items: Any, available: Any, score: Any, columns: Any, listed: Any, filled: Any, genres: Any
) -> Any:
    """Return the column for a place or −1: the pinned one, else the best by kind and cap, by cap, by kind, of any."""
    if wanted >= 0 and available[wanted]:
        return wanted
    ordinary, new, end = columns[0], columns[1], len(items)
    best = -1
    if wanted == NEW:
        best = _best(new, end, items, available, score, listed, filled < FIRST_PAGE, genres)
    if best < 0:
        best = _best(ordinary, new, items, available, score, listed, filled < FIRST_PAGE, genres)
    if best < 0 and wanted == NEW:
        best = _best(new, end, items, available, score, listed, False, genres)
    if best < 0:
        best = _best(ordinary, new, items, available, score, listed, False, genres)
    if best < 0:
        best = _best(new, end, items, available, score, listed, False, genres)
    return best


@numba.njit(cache=True)
def _best(
    start: Any, stop: Any, items: Any, available: Any, score: Any, listed: Any, is_capped: Any, genres: Any
) -> Any:
    """Return the column of greatest score in [start, stop), skipping full genres if `is_capped`; −1 without any."""
    cap, indptr, indices, _ = genres
    best = -1
    for column in range(start, stop):
        if available[column] and (best < 0 or score[column] > score[best]):
            full = False
            if is_capped and cap > 0:
                for at in range(indptr[items[column]], indptr[items[column] + 1]):
                    full = full or listed[indices[at]] >= cap
            if not full:
                best = column
    return best


@numba.njit(cache=True)
def _remove(items: Any, available: Any, item: Any, start: Any) -> None:
    """Make the item unavailable in all columns from `start` on: it is listed, or pinned to another place."""
    for column in range(start, len(items)):
        if items[column] == item:
            available[column] = False


@numba.njit(cache=True)
def _count(listed: Any, item: Any, genres: Any) -> None:
    """Count a listed item in each of its genres."""
    cap, indptr, indices, _ = genres
    if cap > 0:
        for at in range(indptr[item], indptr[item + 1]):
            listed[indices[at]] += 1


@numba.njit(cache=True)
def _penalise(score: Any, nearest: Any, products: Any, diversity: Any, is_first: Any) -> None:
    """Lower the scores of candidates that resemble the item just listed more than any item above it.

    The first item of a list has none above it: its similarity counts in full, a negative one too.
    """
    for column in range(len(score)):
        further = products[column] - nearest[column]
        if further > 0 or is_first:
            nearest[column] = products[column]
            score[column] -= diversity * further


@numba.njit(cache=True, fastmath={"contract"})
def _products(directions: Any, column: Any, products: Any) -> None:
    """Write the products of one candidate with all, factor by factor, so that the inner loop is vectorised (SIMD).

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
