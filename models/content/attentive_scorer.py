"""Scores of all items for blocks of users whose histories are weighed by the item that is scored.

The attention and the similarity of an item i and an item j of a history do not depend on the user. So one table of both
is made for the items of all histories of a block, a tile of the items i at a time; numerators and denominators of all
users are then sparse products with it. No array of users × items × history is ever made.

Bits depend neither on the number of threads, nor on the other users of a block, nor on the size of the tiles.

The kernels call nothing outside this module: numba's cache notices changes of a kernel's own file only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import FloatArray
from models.numerics.sparse_product import multiply
from models.numerics.threads import one_launch
from models.ranking.explanations import Reasons

_MOST_LOGIT = 8.0  # that of `attentive_network`, which imports torch


class ItemAttention(NamedTuple):
    """The learned state that scores are made of.

    Attributes:
        scored: (n_items, f) float32, q: vectors of items that are scored.
        met: (n_items, f) float32, p: vectors of items in histories.
        weights: (f,) float32, w: the logarithm of the attention is w · (q_i ∘ p_j), at most 8 in size.
        exponent: β, from 0 to 1.
        bias: (n_items,) float32.
    """

    scored: FloatArray
    met: FloatArray
    weights: FloatArray
    exponent: float
    bias: FloatArray


def scores(parts: ItemAttention, histories: sparse.csr_array, block_entries: int) -> FloatArray:
    """Return Σ_j a_ij q_i·p_j / (Σ_j a_ij)^β + b_i for all items i, over the items j of each history.

    Args:
        parts: the learned state.
        histories: (b, n_items) float32, 1 for every item of a history; users without one get their biases.
        block_entries: pairs (j, i) to hold at a time, 8 bytes each; at least one tile of 16 items i.

    Returns:
        (b, n_items) float32.
    """
    items, columns = np.unique(histories.indices, return_inverse=True)
    shape = histories.shape[0], len(items)
    rows = sparse.csr_array((histories.data, columns.astype(np.int32), histories.indptr), shape=shape)
    n_items = len(parts.scored)
    found = np.empty((shape[0], n_items), np.float32)
    met, wanted = np.ascontiguousarray(parts.met[items]), np.ascontiguousarray(parts.scored.T)
    width = min(max(16, block_entries // max(len(items), 1)), max(n_items, 1))
    for start in range(0, n_items, width):
        tile = slice(start, min(start + width, n_items))
        attention, terms = np.empty((2, len(items), tile.stop - start), np.float32)
        with one_launch:
            _table(met, wanted[:, tile], parts.weights, attention, terms)
        total = multiply(rows, attention)
        sums = multiply(rows, terms)
        np.power(total, np.float32(parts.exponent), out=total)
        found[:, tile] = np.divide(sums, total, out=np.zeros_like(sums), where=total > 0)
    found += parts.bias
    return found


def reasons(parts: ItemAttention, items: NDArray[np.int32], liked: sparse.csr_array) -> Reasons:
    """Return for every place of a list the liked item j of the greatest term a_ij q_i·p_j: exact.

    Args:
        parts: the learned state.
        items: (b, n) int32, the lists; −1 pads.
        liked: (b, n_items); stored items are liked.

    Returns:
        (b, n) int32, −1 where no term is above 0. An item is no reason for itself.
    """
    found = np.full(items.shape, -1, np.int32)
    with one_launch:
        _reasons(items, liked.indptr, liked.indices, parts.scored, parts.met, parts.weights, found)
    return found


@numba.njit(parallel=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _table(met: Any, wanted: Any, weights: Any, attention: Any, terms: Any) -> None:
    """Write a_ij and a_ij q_i·p_j to row j and column i; the inner loops run over columns and are vectorised (SIMD)."""
    for j in numba.prange(len(met)):
        logit, product = attention[j], terms[j]
        logit[:] = 0
        product[:] = 0
        for f in range(len(wanted)):
            line, plain = wanted[f], met[j, f]
            weighted = plain * weights[f]
            for i in range(len(line)):
                product[i] += plain * line[i]
                logit[i] += weighted * line[i]
        for i in range(len(logit)):
            logit[i] = _exp(logit[i])
            product[i] *= logit[i]


@numba.njit(parallel=True, cache=True, error_model="numpy")
def _reasons(items: Any, indptr: Any, indices: Any, scored: Any, met: Any, weights: Any, found: Any) -> None:
    """Write the reasons, each row by one thread; places without a reason keep their −1."""
    for row in numba.prange(len(items)):
        for place in range(items.shape[1]):
            item, greatest = items[row, place], np.float32(0)
            if item < 0:
                continue
            for at in range(indptr[row], indptr[row + 1]):
                mine = indices[at]
                product, logit = np.float32(0), np.float32(0)
                for f in range(len(weights)):
                    part = scored[item, f] * met[mine, f]
                    product += part
                    logit += part * weights[f]
                term = product * _exp(logit)
                if mine != item and term > greatest:
                    greatest = term
                    found[row, place] = mine


@numba.njit(cache=True, fastmath={"contract"}, error_model="numpy", inline="always")
def _exp(x: Any) -> Any:
    """Return e^x for x limited to −8 … 8, to within 1e-6 of it; vectorised, unlike the library's.

    A copy of that in `models.graph.sampled_softmax`: numba's cache notices changes only in a kernel's own file.
    """
    x = min(max(x, np.float32(-_MOST_LOGIT)), np.float32(_MOST_LOGIT))
    k = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - k * np.float32(0.693359375) + k * np.float32(2.12194440e-4)
    y = np.float32(1.9875691500e-4)
    y = y * r + np.float32(1.3981999507e-3)
    y = y * r + np.float32(8.3334519073e-3)
    y = y * r + np.float32(4.1665795894e-2)
    y = y * r + np.float32(1.6666665459e-1)
    y = y * r + np.float32(5.0000001201e-1)
    y = y * r * r + r + np.float32(1)
    return y * np.int32((np.int32(k) + np.int32(127)) << np.int32(23)).view(np.float32)
