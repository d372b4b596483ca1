"""Sum of squared errors of ratings and its gradient, on which training `mf` spends nearly all its time.

On the CPU numba kernels read every rating twice, eight times as fast as gathering and scattering by autograd. On a GPU
plain torch operations compute the same; the tests compare the kernels with them. Imports torch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional

from models.numerics.threads import one_launch

_MANY = 32_768  # ratings; with fewer, distributing them to threads costs more than it saves
_PARTS = 64  # parts of about equal work: enough that no thread waits long for the others


class Rows(NamedTuple):
    """Rows of a CSR matrix as tensors on the device.

    Attributes:
        indptr: (n_rows + 1,) int64, where each row begins and ends.
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
    """Return Σ (vectors[u] · items[i] + user_bias[u] + item_bias[i] − rating)² over all ratings.

    On the CPU every sum has a fixed order, so that its bits do not depend on the number of threads.

    Args:
        vectors: (n_rows, f) float32, one for each user of `ratings`.
        items: (n_items, f) float32.
        user_bias: (n_rows,) float32.
        item_bias: (n_items,) float32.
        ratings: (n_rows, n_items).

    Returns:
        A scalar that is differentiable in the first four arguments.
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
    """Return the same as `squared_errors`, by torch's own operations on any device; same arguments."""
    row = torch.repeat_interleave(ratings.indptr.diff())
    products = gather(vectors, row) * gather(items, ratings.columns)
    predicted = products.sum(1) + gather(user_bias, row) + gather(item_bias, ratings.columns)
    return (predicted - ratings.values).square().sum()


def gather(table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    """Return rows of a table, or entries of a vector; the gradient of plain indexing is summed in random order."""
    if table.ndim == 1:
        return functional.embedding(ids, table[:, None])[:, 0]
    return functional.embedding(ids, table)


class _SquaredErrors(torch.autograd.Function):
    """The kernels as a differentiable torch operation; `forward` computes the gradient too and keeps it."""

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
    """Return row bounds of parts with about equally many entries, (parts + 1,) int64."""
    cuts = np.searchsorted(indptr, np.linspace(0, indptr[-1], _PARTS + 1)).astype(np.int64)
    cuts[0], cuts[-1] = 0, len(indptr) - 1
    return cuts


@numba.njit(cache=True)
def _transposed(indptr: Any, columns: Any, n_columns: int) -> Any:
    """Return the entries by column: the start of each column, and each entry's row and its position in `columns`."""
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
    """Write the errors of rows `low` to `high`, and the gradient for their vectors and biases."""
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
    """Write the gradient for the vectors and biases of items `low` to `high`."""
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
    """Run `_user_rows` on all rows, in parallel."""
    for part in numba.prange(len(cuts) - 1):
        _user_rows(
            cuts[part], cuts[part + 1], indptr, columns, values, vectors, items, user_bias,
            item_bias, errors, of_vectors, of_bias,
        )  # fmt: skip


@numba.njit(parallel=True, cache=True)
def _all_item_rows(
    cuts: Any, starts: Any, rows: Any, places: Any, errors: Any, vectors: Any, of_items: Any, of_bias: Any
) -> None:
    """Run `_item_rows` on all items, in parallel."""
    for part in numba.prange(len(cuts) - 1):
        _item_rows(
            cuts[part], cuts[part + 1], starts, rows, places, errors, vectors, of_items, of_bias
        )  # fmt: skip
