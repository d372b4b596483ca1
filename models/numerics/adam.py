"""Adam (Kingma & Ba 2015, algorithm 1) for models that compute their own gradients. Imports torch.

Not torch.optim's: using it loads a compiler, which costs two seconds and 70 MB. Not `torch._fused_adam_` either: it
loads none and is as fast, but is private, and its last bits differ (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
import torch

from models.numerics.threads import one_launch

_MEAN_KEPT, _SQUARE_KEPT, _EPSILON = 0.9, 0.999, 1e-8  # as in the paper
_MANY = 1_000_000  # entries from which several threads save more time than starting them costs
_PARTS = 64
_CPU = "cpu"  # the device whose tensors the kernel changes; on any other, torch's own operations do it


class Adam:
    """Gradient descent that scales each entry's step by how well its past gradients agree.

    On the CPU each step reads and writes a parameter once, and gives the same bits at any number of threads.

    Args:
        parameters: float32, contiguous, all on one device; `step` changes them in place.

    Attributes:
        steps: number of steps that each parameter took.
    """

    def __init__(self, parameters: Sequence[torch.Tensor]) -> None:
        self._parameters = [parameter.detach() for parameter in parameters]
        self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self.steps = [0] * len(self._parameters)

    def moments(self) -> dict[str, list[torch.Tensor]]:
        """Return the running means of gradients and of their squares, a tensor for each parameter.

        With `steps` they are all that the optimizer keeps from one step to the next.
        """
        return {"means": self._means, "squares": self._squares}

    def step(self, gradients: Sequence[torch.Tensor | None], learning_rate: float) -> None:
        """Change the parameters by one step.

        Args:
            gradients: of the loss with respect to each parameter, float32 and of its shape; None for a parameter that
                the loss does not depend on, which stays as it is. If a gradient is sparse, with distinct rows, all
                other rows stay as they are, and so do their moments.
            learning_rate: by how much an entry changes whose gradients all have the same sign and size.
        """
        for at, (parameter, gradient, mean, square) in enumerate(
            zip(self._parameters, gradients, self._means, self._squares, strict=True)
        ):
            if gradient is None:
                continue
            self.steps[at] += 1
            rate = learning_rate / (1 - _MEAN_KEPT ** self.steps[at])
            scale = (1 - _SQUARE_KEPT ** self.steps[at]) ** -0.5
            if gradient.is_sparse:
                rows = gradient._indices()[0]
                _step_of_rows(rows, gradient._values(), (parameter, mean, square), rate, scale)
            elif parameter.device.type == _CPU:
                _step(
                    _flat(parameter),
                    _flat(gradient),
                    _flat(mean),
                    _flat(square),
                    np.float32(rate),
                    np.float32(scale),
                )
            else:
                _step_of_torch(parameter, gradient, mean, square, rate, scale)


def _step_of_torch(
    parameter: torch.Tensor,
    gradient: torch.Tensor,
    mean: torch.Tensor,
    square: torch.Tensor,
    rate: float,
    scale: float,
) -> None:
    mean.lerp_(gradient, 1 - _MEAN_KEPT)
    square.mul_(_SQUARE_KEPT).addcmul_(gradient, gradient, value=1 - _SQUARE_KEPT)
    parameter.addcdiv_(mean, square.sqrt().mul_(scale).add_(_EPSILON), value=-rate)


def _step_of_rows(
    rows: torch.Tensor, gradient: torch.Tensor, tables: Sequence[torch.Tensor], rate: float, scale: float
) -> None:
    """Change some rows of a parameter and of its two moments, as `_step` changes all."""
    if rows.device.type != _CPU:
        parts = [table[rows] for table in tables]
        _step_of_torch(parts[0], gradient, parts[1], parts[2], rate, scale)
        for table, part in zip(tables, parts, strict=True):
            table[rows] = part
        return
    parameter, mean, square = (table.view(len(table), -1).numpy() for table in tables)
    found = gradient.contiguous().view(-1, parameter.shape[1]).numpy()
    with one_launch:
        _some_rows(rows.numpy(), found, parameter, mean, square, np.float32(rate), np.float32(scale))


def _flat(tensor: torch.Tensor) -> Any:
    """Return the entries as one numpy array, which shares the memory of a contiguous tensor."""
    return tensor.contiguous().view(-1).numpy()


def _step(parameter: Any, gradient: Any, mean: Any, square: Any, rate: Any, scale: Any) -> None:
    if len(parameter) < _MANY:
        _part(0, len(parameter), parameter, gradient, mean, square, rate, scale)
        return
    cuts = np.linspace(0, len(parameter), _PARTS + 1).astype(np.int64)
    with one_launch:
        _all_parts(cuts, parameter, gradient, mean, square, rate, scale)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"})
def _part(
    low: int, high: int, parameter: Any, gradient: Any, mean: Any, square: Any, rate: Any, scale: Any
) -> None:
    """Change the entries from `low` up to `high` of a flattened parameter."""
    kept, kept_square = np.float32(_MEAN_KEPT), np.float32(_SQUARE_KEPT)
    new, new_square, epsilon = np.float32(1 - _MEAN_KEPT), np.float32(1 - _SQUARE_KEPT), np.float32(_EPSILON)
    # Cut first: a loop from `low` is not vectorised, since the compiler must allow for a negative index
    parameter, gradient, mean, square = (
        parameter[low:high],
        gradient[low:high],
        mean[low:high],
        square[low:high],
    )
    for at in range(len(parameter)):
        g = gradient[at]
        m, v = kept * mean[at] + new * g, kept_square * square[at] + new_square * g * g
        mean[at], square[at] = m, v
        parameter[at] -= rate * m / (scale * np.sqrt(v) + epsilon)


@numba.njit(parallel=True, cache=True)
def _all_parts(
    cuts: Any, parameter: Any, gradient: Any, mean: Any, square: Any, rate: Any, scale: Any
) -> None:
    """Run `_part` on all threads."""
    for part in numba.prange(len(cuts) - 1):
        _part(cuts[part], cuts[part + 1], parameter, gradient, mean, square, rate, scale)


@numba.njit(parallel=True, cache=True)
def _some_rows(
    rows: Any, gradient: Any, parameter: Any, mean: Any, square: Any, rate: Any, scale: Any
) -> None:
    """Run `_part` on each of some rows."""
    width = parameter.shape[1]
    for at in numba.prange(len(rows)):
        row = rows[at]
        _part(0, width, parameter[row], gradient[at], mean[row], square[row], rate, scale)
