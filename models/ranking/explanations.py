"""Explanations of listed items: the item of the user's own history that contributes most ("because you liked …").

A liked item j contributes to a listed item i the term

    term(u, j, i) = weight(u, j) · (similarity[j, i] + left[j] · right[i])

and the reason is the liked item of the greatest term above zero. For a model whose score is the sum of such terms over
the history, this is exact: without that item the score would fall most. For a factor model, left = right are its item
vectors, of length 1: the reason is then the liked item nearest to i in the model's own space.

Where only similarities count, a row of them is spread out once for all users who like its item, so that a listed item
is one look into it: at 25 million ratings that takes an eighth of the time of looking items up in sparse rows.

The kernels call nothing outside this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.numerics.threads import one_launch

_ROWS_PER_CHUNK = 16  # rows that share one scratch space
_STEPS = 4  # entries that can be spread out and removed in the time of looking one item up

Reasons = NDArray[np.int32]
"""(n_users, n) int32, the item index of the reason for each place of a list; −1 where there is none."""


def largest_terms(
    items: NDArray[np.int32],
    weights: sparse.csr_array,
    *,
    similarity: sparse.csr_array | None = None,
    left: FloatArray | None = None,
    right: FloatArray | None = None,
) -> Reasons:
    """Return, for every place, the liked item of the greatest term; an item is no reason for itself.

    Args:
        items: (b, n) int32, the lists; −1 pads.
        weights: (b, n_items) float32, the weight of each liked item; items that are not stored are not liked.
        similarity: (n_items, n_items) float32 in canonical form; row j holds the contributions of j to the other items.
            None is zero.
        left, right: (n_items, f) float32; both or neither. None is zero.

    Returns:
        (b, n) int32, −1 where no term is above zero.
    """
    n_items = weights.shape[1]
    reasons = np.full(items.shape, -1, np.int32)
    if not weights.nnz:
        return reasons
    if similarity is None:
        nothing = np.empty(0, np.int32)
        rows = np.zeros(n_items + 1, np.int32)
        similarity = sparse.csr_array((nothing.astype(np.float32), nothing, rows), shape=(n_items, n_items))
    if left is None or right is None:
        _largest_similarities(items, weights, similarity, reasons)
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


def _largest_similarities(
    items: NDArray[np.int32], weights: sparse.csr_array, similarity: sparse.csr_array, reasons: Reasons
) -> None:
    """Write the reasons of `largest_terms` without factors, each group of users by one thread."""
    n_groups = min(numba.get_num_threads(), len(items))
    ends = np.linspace(0, len(items), n_groups + 1).astype(np.int64)
    by_liked = [sparse.csc_array(weights[start:stop]) for start, stop in pairwise(ends)]
    starts = np.cumsum([0, *(group.nnz for group in by_liked[:-1])])
    with one_launch:
        _by_liked_item(
            items,
            ends,
            np.stack([start + group.indptr for start, group in zip(starts, by_liked, strict=True)]),
            np.concatenate([group.indices for group in by_liked]),
            np.concatenate([group.data for group in by_liked]),
            (similarity.indptr, similarity.indices, similarity.data),
            reasons,
        )


def nearest_by_profile(
    items: NDArray[np.int32], liked: sparse.csr_array, profiles: sparse.csr_array
) -> Reasons:
    """Return, for every place, the liked item whose row of `profiles` has the greatest product with the listed item's.

    Args:
        items: (b, n) int32, the lists; −1 pads.
        liked: (b, n_items); stored items are liked.
        profiles: (n_items, n_features) float32, rows of length 1.

    Returns:
        (b, n) int32, −1 where no product is above zero. An item is no reason for itself.
    """
    reasons = np.full(items.shape, -1, np.int32)
    with one_launch:
        _nearest_by_profile(
            items,
            (liked.indptr, liked.indices),
            (profiles.indptr, profiles.indices, profiles.data),
            profiles.shape[1],
            reasons,
        )
    return reasons


def ones_like(liked: sparse.csr_array) -> sparse.csr_array:
    """Return weights that count every liked item once.

    Args:
        liked: (b, n_items); stored items are liked.

    Returns:
        (b, n_items) float32, 1 for every stored entry, explicit zeros included.
    """
    ones = np.ones(liked.nnz, np.float32)
    return sparse.csr_array((ones, liked.indices, liked.indptr), shape=liked.shape)


@numba.njit(parallel=True, cache=True)
def _largest_terms(items: Any, weights: Any, similarity: Any, left: Any, right: Any, reasons: Any) -> None:
    """Write the reasons, each row by one thread; places without a reason keep their −1."""
    indptr, indices, data = weights
    n_rows, n = items.shape
    n_items, n_factors = right.shape
    for chunk in numba.prange((n_rows + _ROWS_PER_CHUNK - 1) // _ROWS_PER_CHUNK):
        place_of = np.full(n_items, -1, np.int32)
        of_listed = np.empty((n_factors, n), np.float32)  # vectors of the listed items, one line per factor
        terms = np.empty(n, np.float32)
        greatest = np.empty(n, np.float32)
        found = np.empty(n, np.int64)
        for row in range(chunk * _ROWS_PER_CHUNK, min(n_rows, (chunk + 1) * _ROWS_PER_CHUNK)):
            listed = items[row]
            greatest[:] = 0
            for place in range(n):
                for f in range(n_factors):  # padding reads the last item; its term is never used
                    of_listed[f, place] = right[listed[place], f]
                if listed[place] >= 0:
                    place_of[listed[place]] = place
            for at in range(indptr[row], indptr[row + 1]):
                liked, weight = indices[at], data[at]
                _products(left[liked], of_listed, terms)
                _add_similarities(liked, similarity, listed, place_of, found, terms)
                _keep_greatest(liked, weight, terms, listed, greatest, reasons[row])
            place_of[listed] = -1


@numba.njit(parallel=True, cache=True)
def _by_liked_item(
    items: Any, ends: Any, starts: Any, rows: Any, weights: Any, similarity: Any, reasons: Any
) -> None:
    """Write the reasons of the rows from ends[g] to ends[g + 1] for each group g, item by item of what they like."""
    indptr, indices, data = similarity
    n, n_items = items.shape[1], len(indptr) - 1
    for group in numba.prange(len(starts)):
        greatest = np.zeros((ends[group + 1] - ends[group], n), np.float32)
        spread = np.zeros(n_items, np.float32)
        terms, found = np.empty(n, np.float32), np.empty(n, np.int64)
        for liked in range(n_items):
            entries = slice(indptr[liked], indptr[liked + 1])
            n_users = starts[group, liked + 1] - starts[group, liked]
            is_spread = n_users * n * _STEPS > len(indices[entries])
            if is_spread:
                spread[indices[entries]] = data[entries]
            for user in range(starts[group, liked], starts[group, liked + 1]):
                row = ends[group] + rows[user]
                if is_spread:
                    for place in range(n):  # padding reads the last item; its term is never used
                        terms[place] = spread[items[row, place]]
                else:
                    _find_similarities(indices[entries], data[entries], items[row], found, terms)
                _keep_greatest(liked, weights[user], terms, items[row], greatest[rows[user]], reasons[row])
            if is_spread:
                spread[indices[entries]] = 0


@numba.njit(cache=True)
def _find_similarities(ordered: Any, data: Any, listed: Any, found: Any, terms: Any) -> None:
    """Write the entries of a row of similarities for the listed items; 0 for those that it does not hold."""
    _look_up(ordered, listed, found)
    for place in range(len(listed)):
        terms[place] = data[found[place]] if ordered[found[place]] == listed[place] else 0


@numba.njit(cache=True)
def _keep_greatest(liked: Any, weight: Any, terms: Any, listed: Any, greatest: Any, reasons: Any) -> None:
    """Write the liked item as the reason where its weighted term is greater than those before."""
    for place in range(len(listed)):
        term = weight * terms[place]
        if term > greatest[place] and listed[place] >= 0 and listed[place] != liked:
            greatest[place] = term
            reasons[place] = liked


@numba.njit(cache=True)
def _products(vector: Any, of_listed: Any, terms: Any) -> None:
    """Write the products of one liked item with all listed ones; the inner loop is vectorised (SIMD)."""
    terms[:] = 0
    for f in range(len(of_listed)):
        factor = vector[f]
        line = of_listed[f]
        for place in range(len(terms)):
            terms[place] += factor * line[place]


@numba.njit(cache=True)
def _add_similarities(
    liked: Any, similarity: Any, listed: Any, place_of: Any, found: Any, terms: Any
) -> None:
    """Add the entries of row `liked` for the listed items: scan a short row, look each item up in a long one."""
    indptr, indices, data = similarity
    start, stop = indptr[liked], indptr[liked + 1]
    if stop - start <= 16 * len(listed):
        for at in range(start, stop):
            place = place_of[indices[at]]
            if place >= 0:
                terms[place] += data[at]
        return
    _look_up(indices[start:stop], listed, found)
    for place in range(len(listed)):
        if indices[start + found[place]] == listed[place]:
            terms[place] += data[start + found[place]]


@numba.njit(cache=True)
def _look_up(ordered: Any, wanted: Any, found: Any) -> None:
    """Write the place of each wanted value in a sorted array; any place for a value that it does not hold.

    All binary searches go on in step and without a branch, so that their cache misses overlap.
    """
    found[:] = 0
    size = len(ordered)
    while size > 1:
        half = size >> 1
        for at in range(len(wanted)):
            is_above = ordered[found[at] + half - 1] < wanted[at]
            found[at] += half * is_above
        size -= half


@numba.njit(parallel=True, cache=True)
def _nearest_by_profile(items: Any, liked: Any, profiles: Any, n_features: Any, reasons: Any) -> None:
    """Write the reasons, each row by one thread; a liked item's profile is made dense once for all places."""
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
