"""What callers hand to a recommender, checked before numba reads it: there a wrong index or shape is no exception."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse


def as_indices(what: str, values: ArrayLike) -> NDArray[np.integer[Any]]:
    """`values` as indices, whatever their range: (n,) integers. Nothing, such as an empty list, is int64.

    Raises:
        ValueError: they are not integers, or not in one dimension.
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
    """`values` as indices, and which of them lie within `known` and are true there: both (n,).

    Raises:
        ValueError: see `as_indices`.
    """
    indices = as_indices(what, values)
    is_known = (indices >= 0) & (indices < len(known))
    is_known[is_known] = known[indices[is_known]]
    return indices, is_known


def as_mask(what: str, values: ArrayLike, n: int) -> NDArray[np.bool_]:
    """`values` as a mask of n places: (n,) bool.

    Raises:
        ValueError: they are of another dtype or shape, such as indices in place of a mask.
    """
    mask = np.asarray(values)
    if mask.dtype != np.bool_ or mask.shape != (n,):
        raise ValueError(
            f"{what} must be a mask of dtype bool and shape ({n},), not of {mask.dtype} and {mask.shape}"
        )
    return mask


def as_rows(what: str, matrix: sparse.csr_array, shape: tuple[int, int]) -> sparse.csr_array:
    """`matrix`, if need be another form of sparse matrix, in CSR form, in which rows are read; that is not copied.

    Raises:
        ValueError: it has another shape, such as that of its transpose.
    """
    if matrix.shape != shape:
        raise ValueError(f"{what} must have shape {shape}, not {matrix.shape}")
    return sparse.csr_array(matrix)
