"""Adam (Kingma & Ba 2015, algorithm 1), for models that know their gradients. Imports torch.

Not torch.optim's: importing that loads a compiler, two seconds and 70 MB that every night would pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import torch

from models.numerics.threads import one_launch

_MEAN_KEPT, _SQUARE_KEPT, _EPSILON = 0.9, 0.999, 1e-8  # as in the paper
_MANY = 1_000_000  # entries: with fewer, handing them out to threads costs more than it saves
_PARTS = 64
_CPU = "cpu"  # whose tables the kernel changes; those of any other device are torch's


class Adam:
    """Steps down the gradient, each entry's as long as its past slopes agree with each other.

    On the CPU a table is read and written once a step, and the same to the bit at any number of threads.

    Args:
        tables: what to change, float32 and contiguous, all on one device; changed in place.
    """

    def __init__(self, tables: Sequence[torch.Tensor]) -> None:
        self._tables = [table.detach() for table in tables]
        self._means = [torch.zeros_like(table) for table in self._tables]
        self._squares = [torch.zeros_like(table) for table in self._tables]
        self._steps = 0

    def step(self, slopes: Sequence[torch.Tensor], learning_rate: float) -> None:
        """One step.

        Args:
            slopes: the gradient with respect to each table, of its shape.
            learning_rate: how far an entry goes whose slopes all agree.
        """
        self._steps += 1
        rate = learning_rate / (1 - _MEAN_KEPT**self._steps)
        scale = (1 - _SQUARE_KEPT**self._steps) ** -0.5
        for table, slope, mean, square in zip(self._tables, slopes, self._means, self._squares, strict=True):
            if table.device.type == _CPU:
                _step(
                    _flat(table),
                    _flat(slope),
                    _flat(mean),
                    _flat(square),
                    np.float32(rate),
                    np.float32(scale),
                )
            else:
                mean.lerp_(slope, 1 - _MEAN_KEPT)
                square.mul_(_SQUARE_KEPT).addcmul_(slope, slope, value=1 - _SQUARE_KEPT)
                table.addcdiv_(mean, square.sqrt().mul_(scale).add_(_EPSILON), value=-rate)


def _flat(table: torch.Tensor) -> Any:
    """Its entries, in the same memory where that is contiguous."""
    return table.contiguous().view(-1).numpy()


def _step(table: Any, slope: Any, mean: Any, square: Any, rate: Any, scale: Any) -> None:
    if len(table) < _MANY:
        _part(0, len(table), table, slope, mean, square, rate, scale)
        return
    cuts = np.linspace(0, len(table), _PARTS + 1).astype(np.int64)
    with one_launch:
        _all_parts(cuts, table, slope, mean, square, rate, scale)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _part(low: int, high: int, table: Any, slope: Any, mean: Any, square: Any, rate: Any, scale: Any) -> None:
    """Entries low to high of the flattened table."""
    kept, kept_square = np.float32(_MEAN_KEPT), np.float32(_SQUARE_KEPT)
    new, new_square, epsilon = np.float32(1 - _MEAN_KEPT), np.float32(1 - _SQUARE_KEPT), np.float32(_EPSILON)
    # cut first: an index that starts above 0 might be negative for all the compiler knows, and is not vectorised
    table, slope, mean, square = table[low:high], slope[low:high], mean[low:high], square[low:high]
    for at in range(len(table)):
        g = slope[at]
        m, v = kept * mean[at] + new * g, kept_square * square[at] + new_square * g * g
        mean[at], square[at] = m, v
        table[at] -= rate * m / (scale * np.sqrt(v) + epsilon)


@numba.njit(parallel=True, cache=True)
def _all_parts(cuts: Any, table: Any, slope: Any, mean: Any, square: Any, rate: Any, scale: Any) -> None:
    """`_part` by all threads."""
    for part in numba.prange(len(cuts) - 1):
        _part(cuts[part], cuts[part + 1], table, slope, mean, square, rate, scale)
