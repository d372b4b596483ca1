"""Compute the same on one thread of numba and on all, for tests that results do not depend on their number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

T = TypeVar("T")


def on_one_and_all_threads(compute: Callable[[], T]) -> tuple[T, T]:
    """Return the results of `compute` on one thread of numba and on all; the number before is restored."""
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = compute()
        numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        return one, compute()
    finally:
        numba.set_num_threads(before)
