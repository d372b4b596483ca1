"""Similarities between the columns of a user × item matrix, of which each item keeps its k best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import TopN
from models.scoring.item_item_scorer import product_blocks
from models.scoring.selection import Selector


def cosine_neighbours(
    matrix: sparse.csr_array, *, k: int, shrink: float, tie_order: NDArray[np.int32]
) -> sparse.csr_array:
    """Each item's k nearest other items by shrunk cosine, a·b / (|a|·|b| + shrink · mean square of an entry).

    Shrinking distrusts what rests on little: it lowers the similarity of rare items much more than that of
    common ones. Works in blocks and never holds items × items at once: beyond `matrix`, its transpose and the result
    it needs about 100 MB. Time grows with the sum of the users' squared numbers of items.

    Args:
        matrix: (n_users, n_items) float32.
        k: neighbours kept per item; fewer where fewer share a user with it.
        shrink: in users, whatever the scale of the entries; 0 is the plain cosine.
        tie_order: (n_items,) permutation that decides between equal similarities.

    Returns:
        (n_items, n_items) float32, at most k entries a row, none on the diagonal.
    """
    n_items = matrix.shape[1]
    items = np.arange(n_items)
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=0), np.float32))
    damping = shrink * float(norms @ norms) / max(matrix.nnz, 1)
    itself = sparse.csr_array(sparse.eye_array(n_items, dtype=np.float32, format="csr"))
    selector = Selector(items, min(k, n_items), tie_order, exclude=itself)
    for start, products in product_blocks(sparse.csr_array(matrix.T), matrix, items):
        scale = norms[start : start + len(products), None] * norms + damping
        np.divide(products, scale, out=products, where=scale > 0)
        selector.select(start, products)
    return _as_matrix(selector.top, n_items)


def _as_matrix(top: TopN, n_columns: int) -> sparse.csr_array:
    """Lists as a sparse matrix, a row per list."""
    kept = top.items >= 0
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    rows = sparse.csr_array((top.scores[kept], top.items[kept], indptr), shape=(len(top.items), n_columns))
    rows.sort_indices()
    return rows
