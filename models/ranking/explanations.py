"""Why an item is on a list: the item in the user's own history that speaks most for it ("because you liked …").

What a liked item j says for a listed item i is one term

    term(u, j, i) = weight(u, j) · (similarity[j, i] + left[j] · right[i])

and the reason is the liked item of the greatest term above zero. For a model whose score is the sum of such terms over
the history, this is exact: it is the part of the score without which the score would fall most. For a model of vectors,
left = right are its item vectors, of length 1: the reason is then the liked item nearest to i in the model's own space.

The kernels call nothing outside this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_launch

_ROWS_PER_CHUNK = 16  # rows that share one scratch space

Reasons = NDArray[np.int32]
"""(n_users, n) int32, for each place of a list the reason; −1 where there is none."""


def largest_terms(
    items: NDArray[np.int32],
    weights: sparse.csr_array,
    *,
    similarity: sparse.csr_array | None = None,
    left: FloatArray | None = None,
    right: FloatArray | None = None,
) -> Reasons:
    """The liked item of the greatest term for every place. An item is no reason for itself.

    Args:
        items: (b, n) the lists; −1 pads.
        weights: (b, n_items) float32, what each liked item counts; what is not stored is not liked.
        similarity: (n_items, n_items) float32 in canonical form; row j holds what j says about the others.
        left, right: (n_items, f) float32.
    """
    n_items = weights.shape[1]
    if similarity is None:
        nothing = np.empty(0, np.int32)
        rows = np.zeros(n_items + 1, np.int32)
        similarity = sparse.csr_array((nothing.astype(np.float32), nothing, rows), shape=(n_items, n_items))
    if left is None or right is None:
        left = right = np.empty((n_items, 0), np.float32)
    reasons = np.full(items.shape, -1, np.int32)
    if not weights.nnz:
        return reasons
    with one_launch:
        _largest_terms(
            items,
            (weights.indptr, weights.indices, weights.data),
            (similarity.indptr, similarity.indices, similarity.data),
            left,
            right,
            reasons,
        )
    return reasons


def nearest_described(
    items: NDArray[np.int32], liked: sparse.csr_array, profiles: sparse.csr_array
) -> Reasons:
    """The liked item whose row of `profiles` has the greatest product with the listed item's.

    Args:
        items: (b, n) the lists; −1 pads.
        liked: (b, n_items); what is stored is liked.
        profiles: (n_items, n_features) float32, rows of length 1.
    """
    reasons = np.full(items.shape, -1, np.int32)
    with one_launch:
        _nearest_described(
            items,
            (liked.indptr, liked.indices),
            (profiles.indptr, profiles.indices, profiles.data),
            profiles.shape[1],
            reasons,
        )
    return reasons


def ones_like(liked: sparse.csr_array) -> sparse.csr_array:
    """Weights that count every liked item once."""
    ones = np.ones(liked.nnz, np.float32)
    return sparse.csr_array((ones, liked.indices, liked.indptr), shape=liked.shape)


@numba.njit(parallel=True, cache=True)
def _largest_terms(items: Any, weights: Any, similarity: Any, left: Any, right: Any, reasons: Any) -> None:
    """Write each place's reason, a row by one thread; what is not written stays −1."""
    indptr, indices, data = weights
    n_rows, n = items.shape
    n_items, n_factors = right.shape
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        place_of = np.full(n_items, -1, np.int32)
        of_listed = np.empty((n_factors, n), np.float32)  # their vectors, a factor a line
        terms = np.empty(n, np.float32)
        greatest = np.empty(n, np.float32)
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            listed = items[row]
            greatest[:] = 0
            for place in range(n):
                for f in range(n_factors):  # padding reads the last item, and is never a term
                    of_listed[f, place] = right[listed[place], f]
                if listed[place] >= 0:
                    place_of[listed[place]] = place
            for at in range(indptr[row], indptr[row + 1]):
                liked, weight = indices[at], data[at]
                _products(left[liked], of_listed, terms)
                _add_similarities(liked, similarity, listed, place_of, terms)
                for place in range(n):
                    term = weight * terms[place]
                    if term > greatest[place] and listed[place] >= 0 and listed[place] != liked:
                        greatest[place] = term
                        reasons[row, place] = liked
            place_of[listed] = -1


@numba.njit(cache=True)
def _products(vector: Any, of_listed: Any, terms: Any) -> None:
    """The products of one liked item with all listed ones; the inner loop fills the machine's vectors."""
    terms[:] = 0
    for f in range(len(of_listed)):
        factor = vector[f]
        line = of_listed[f]
        for place in range(len(terms)):
            terms[place] += factor * line[place]


@numba.njit(cache=True)
def _add_similarities(liked: Any, similarity: Any, listed: Any, place_of: Any, terms: Any) -> None:
    """Add what row `liked` says of the listed items: along a short row, or by looking each item up in a long one."""
    indptr, indices, data = similarity
    start, stop = indptr[liked], indptr[liked + 1]
    if stop - start <= 16 * len(listed):
        for at in range(start, stop):
            place = place_of[indices[at]]
            if place >= 0:
                terms[place] += data[at]
        return
    for place in range(len(listed)):
        if listed[place] >= 0:
            at = start + np.searchsorted(indices[start:stop], listed[place])
            if at < stop and indices[at] == listed[place]:
                terms[place] += data[at]


@numba.njit(parallel=True, cache=True)
def _nearest_described(items: Any, liked: Any, profiles: Any, n_features: Any, reasons: Any) -> None:
    """Write each place's reason, a row by one thread: the profile of every liked item is spread out once for all."""
    liked_indptr, liked_indices = liked
    indptr, indices, data = profiles
    n_rows, n = items.shape
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        profile = np.zeros(n_features, np.float32)  # of one liked item
        greatest = np.empty(n, np.float32)
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            greatest[:] = 0
            for at in range(liked_indptr[row], liked_indptr[row + 1]):
                mine = liked_indices[at]
                for to in range(indptr[mine], indptr[mine + 1]):
                    profile[indices[to]] = data[to]
                for place in range(n):
                    item = items[row, place]
                    if item >= 0 and item != mine:
                        product = np.float32(0)
                        for to in range(indptr[item], indptr[item + 1]):
                            product += profile[indices[to]] * data[to]
                        if product > greatest[place]:
                            greatest[place] = product
                            reasons[row, place] = mine
                for to in range(indptr[mine], indptr[mine + 1]):
                    profile[indices[to]] = 0
