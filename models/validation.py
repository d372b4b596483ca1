"""Checks of a recommender's arguments, before numba kernels read them without any check of index or shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse


def as_indices(what: str, values: ArrayLike) -> NDArray[np.integer[Any]]:
    """Return `values` as an (n,) array of integers of any range; an empty input becomes an empty int64 array.

    Args:
        what: the argument's name, for the error.
        values: indices, in any form that numpy can read.

    Raises:
        ValueError: `values` are not integers, or not one-dimensional.
    """
    indices = np.asarray(values)
    if indices.ndim != 1:
        raise ValueError(f"{what} must be an array of one dimension, not of shape {indices.shape}")
    if indices.size == 0:
        return np.empty(0, np.int64)
    if not np.issubdtype(indices.dtype, np.integer):
        raise ValueError(f"{what} must be integers, not {indices.dtype}")
    return indices


def split_known(
    what: str, values: ArrayLike, known: NDArray[np.bool_]
) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
    """Return `values` as indices, and a mask of those that are known.

    Args:
        what: the argument's name, for the error.
        values: (n,) integers of any range.
        known: (m,) mask over all indices; an index outside 0 … m − 1 is unknown.

    Returns:
        (n,) integers and (n,) bool.

    Raises:
        ValueError: see `as_indices`.
    """
    indices = as_indices(what, values)
    is_known = (indices >= 0) & (indices < len(known))
    is_known[is_known] = known[indices[is_known]]
    return indices, is_known


def as_mask(what: str, values: ArrayLike, n: int) -> NDArray[np.bool_]:
    """Return `values` as an (n,) bool array.

    Args:
        what: the argument's name, for the error.
        values: the mask.
        n: its required length.

    Raises:
        ValueError: `values` has another dtype or shape, for example because it holds indices instead of a mask.
    """
    mask = np.asarray(values)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        raise ValueError(
            f"{what} must be a mask of dtype bool and shape ({n},), not of {mask.dtype} and {mask.shape}"
        )
    return mask


def as_lists(what: str, values: ArrayLike, n_rows: int, n_items: int) -> NDArray[np.int32]:
    """Return `values` as (n_rows, n) int32 item indices, in which −1 pads.

    Args:
        what: the argument's name, for the error.
        values: integers.
        n_rows: the required number of lists.
        n_items: number of items.

    Raises:
        ValueError: `values` have another dtype or shape, or are out of range.
    """
    lists = np.asarray(values)
    if lists.ndim != 2 or len(lists) != n_rows or not np.issubdtype(lists.dtype, np.integer):
        raise ValueError(
            f"{what} must be integers of shape ({n_rows}, n), not {lists.dtype} of {lists.shape}"
        )
    if lists.size and not -1 <= lists.min() <= lists.max() < n_items:
        raise ValueError(f"{what} must lie between -1 and {n_items - 1}")
    return lists.astype(np.int32, copy=False)


def as_rows(what: str, matrix: sparse.csr_array, shape: tuple[int, int]) -> sparse.csr_array:
    """Return `matrix` as CSR; no copy if it already is.

    Args:
        what: the argument's name, for the error.
        matrix: a sparse matrix of any format.
        shape: its required shape.

    Raises:
        ValueError: `matrix` has another shape, for example because it is transposed.
    """
    if matrix.shape != shape:
        raise ValueError(f"{what} must have shape {shape}, not {matrix.shape}")
    return sparse.csr_array(matrix)
