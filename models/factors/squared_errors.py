"""The squared errors of some users' ratings and their gradient: nearly all that training `mf` computes.

On the CPU by kernels that touch every rating twice, eight times as fast as autograd's gathering and scattering; on a
GPU by torch's own operations, which also are the oracle of the kernels' tests. Imports torch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.numerics.threads import one_launch

_MANY = 32_768  # ratings: of fewer, handing them out to threads costs more than it saves
_PARTS = 64  # of about equal work: enough that no thread waits long for the others


class Rows(NamedTuple):
    """Rows of a sparse matrix on the device: where each begins and ends, the columns and values of all.

    Attributes:
        indptr: (n_rows + 1,) int64.
        columns: (n,) int64.
        values: (n,) float32.
    """

    indptr: torch.Tensor
    columns: torch.Tensor
    values: torch.Tensor


def squared_errors(
    vectors: torch.Tensor,
    items: torch.Tensor,
    user_bias: torch.Tensor,
    item_bias: torch.Tensor,
    ratings: Rows,
) -> torch.Tensor:
    """Σ (vectors[u] · items[i] + user_bias[u] + item_bias[i] − rating)² over all ratings: a scalar with its gradient.

    On the CPU every sum has one order: its bits do not depend on the number of threads.

    Args:
        vectors: (n_rows, f) float32, of the users whose ratings these are.
        items: (n_items, f) float32.
        user_bias: (n_rows,) float32.
        item_bias: (n_items,) float32.
        ratings: (n_rows, n_items).
    """
    if items.device.type != "cpu":
        return plain_squared_errors(vectors, items, user_bias, item_bias, ratings)
    total: torch.Tensor = _SquaredErrors.apply(vectors, items, user_bias, item_bias, *ratings)  # type: ignore[no-untyped-call]
    return total


def plain_squared_errors(
    vectors: torch.Tensor,
    items: torch.Tensor,
    user_bias: torch.Tensor,
    item_bias: torch.Tensor,
    ratings: Rows,
) -> torch.Tensor:
    """The same by torch's operations, on any device."""
    row = torch.repeat_interleave(ratings.indptr.diff())
    products = gather(vectors, row) * gather(items, ratings.columns)
    predicted = products.sum(1) + gather(user_bias, row) + gather(item_bias, ratings.columns)
    return (predicted - ratings.values).square().sum()


def gather(table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Some rows of a table or entries of a vector; plain indexing adds gradients up in an order left to chance."""
    if table.ndim == 1:
        return functional.embedding(ids, table[:, None])[:, 0]
    return functional.embedding(ids, table)


class _SquaredErrors(torch.autograd.Function):
    """The kernels as an operation of torch. The gradient comes with the errors, and is kept until it is asked for."""

    @staticmethod
    def forward(ctx: Any, *arguments: torch.Tensor) -> torch.Tensor:
        vectors, items, user_bias, item_bias, indptr, columns, values = (
            tensor.detach().contiguous().numpy() for tensor in arguments
        )
        slopes = tuple(np.empty_like(table) for table in (vectors, items, user_bias, item_bias))
        of_vectors, of_items, of_user_bias, of_item_bias = slopes
        errors = np.empty_like(values)
        by_user = (
            indptr,
            columns,
            values,
            vectors,
            items,
            user_bias,
            item_bias,
            errors,
            of_vectors,
            of_user_bias,
        )
        by_item = (*_transposed(indptr, columns, len(items)), errors, vectors, of_items, of_item_bias)
        if len(values) < _MANY:
            _user_rows(0, len(vectors), *by_user)
            _item_rows(0, len(items), *by_item)
        else:
            with one_launch:
                _all_user_rows(_cuts(indptr), *by_user)
                _all_item_rows(_cuts(by_item[0]), *by_item)
        ctx.slopes = [torch.from_numpy(slope) for slope in slopes]
        return torch.tensor(np.square(errors).sum())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        factor = float(outer)
        return *(slope if factor == 1 else slope * factor for slope in ctx.slopes), None, None, None


def _cuts(indptr: Any) -> Any:
    """Where to cut rows into parts of about equally many entries, (parts + 1,) int64."""
    cuts = np.searchsorted(indptr, np.linspace(0, indptr[-1], _PARTS + 1)).astype(np.int64)
    cuts[0], cuts[-1] = 0, len(indptr) - 1
    return cuts


@numba.njit(cache=True)
def _transposed(indptr: Any, columns: Any, n_columns: int) -> Any:
    """Entries by column: where each column's begin, and of each entry its row and its place in `columns`."""
    starts = np.zeros(n_columns + 1, np.int64)
    for column in columns:
        starts[column + 1] += 1
    for column in range(n_columns):
        starts[column + 1] += starts[column]
    free = starts[:-1].copy()
    rows, places = np.empty(len(columns), np.int64), np.empty(len(columns), np.int64)
    for row in range(len(indptr) - 1):
        for at in range(indptr[row], indptr[row + 1]):
            to = free[columns[at]]
            free[columns[at]] += 1
            rows[to], places[to] = row, at
    return starts, rows, places


@numba.njit(
    cache=True, fastmath=True
)  # last bits depend on the processor; divergence is looked for after training
def _user_rows(
    low: int, high: int, indptr: Any, columns: Any, values: Any, vectors: Any, items: Any, user_bias: Any,
    item_bias: Any, errors: Any, of_vectors: Any, of_bias: Any,
) -> None:  # fmt: skip
    """Write the errors of some users, and the gradient with respect to their vectors and biases."""
    width = items.shape[1]
    for row in range(low, high):
        vector, slope, total = vectors[row], of_vectors[row], np.float32(0)
        slope[:] = 0
        for at in range(indptr[row], indptr[row + 1]):
            item = items[columns[at]]
            error = user_bias[row] + item_bias[columns[at]] - values[at]
            for f in range(width):
                error += vector[f] * item[f]
            errors[at] = error
            total += error
            twice = error + error
            for f in range(width):
                slope[f] += twice * item[f]
        of_bias[row] = total + total


@numba.njit(cache=True, fastmath=True)
def _item_rows(
    low: int, high: int, starts: Any, rows: Any, places: Any, errors: Any, vectors: Any, of_items: Any, of_bias: Any
) -> None:  # fmt: skip
    """Write the gradient with respect to the vectors and biases of some items."""
    width = vectors.shape[1]
    for item in range(low, high):
        slope, total = of_items[item], np.float32(0)
        slope[:] = 0
        for at in range(starts[item], starts[item + 1]):
            twice, vector = errors[places[at]] + errors[places[at]], vectors[rows[at]]
            total += twice
            for f in range(width):
                slope[f] += twice * vector[f]
        of_bias[item] = total


@numba.njit(parallel=True, cache=True)
def _all_user_rows(
    cuts: Any, indptr: Any, columns: Any, values: Any, vectors: Any, items: Any, user_bias: Any,
    item_bias: Any, errors: Any, of_vectors: Any, of_bias: Any,
) -> None:  # fmt: skip
    """`_user_rows` by all threads."""
    for part in numba.prange(len(cuts) - 1):
        _user_rows(
            cuts[part], cuts[part + 1], indptr, columns, values, vectors, items, user_bias,
            item_bias, errors, of_vectors, of_bias,
        )  # fmt: skip


@numba.njit(parallel=True, cache=True)
def _all_item_rows(
    cuts: Any, starts: Any, rows: Any, places: Any, errors: Any, vectors: Any, of_items: Any, of_bias: Any
) -> None:
    """`_item_rows` by all threads."""
    for part in numba.prange(len(cuts) - 1):
        _item_rows(
            cuts[part], cuts[part + 1], starts, rows, places, errors, vectors, of_items, of_bias
        )  # fmt: skip
