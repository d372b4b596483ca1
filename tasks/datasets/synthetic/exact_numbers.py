"""Arithmetic with the same bits on every machine, and the types of the demo's arrays.

Randomness comes from numpy's PCG64. Every parameter that went through exp or log is rounded to a fixed grid
when it is drawn; what follows uses only + − × ÷, square roots and comparisons, in a fixed order and without
matrix products, which IEEE 754 defines to the bit. So the same seed gives the same bytes whatever BLAS or
processor runs it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def on_grid(values: Floats) -> Floats:
    """Return `values` rounded to 1/4096, so that the last bits of a machine's exp or log do not matter."""
    return np.rint(values * 4096) / 4096


def apportion(total: int, weights: Ints, *, least: int = 0, most: int | Ints | None = None) -> Ints:
    """Distribute `total` in whole numbers in proportion to `weights`, within bounds.

    Args:
        total: between n · `least` and the sum of `most`.
        weights: (n,) int64, above 0.
        least: the smallest share.
        most: the largest share: one for all, or (n,) int64; None for no bound.

    Returns:
        (n,) int64, which sum to `total`.
    """
    shares = np.full(len(weights), least, np.int64)
    limit = np.broadcast_to(np.asarray(total if most is None else most), shares.shape)
    while (rest := total - int(shares.sum())) > 0:
        room = np.flatnonzero(shares < limit)
        more = rest * weights[room] // int(weights[room].sum())
        if not more.any():
            heaviest = room[np.argsort(-weights[room], kind="stable")]
            more, room = np.ones(min(rest, len(room)), np.int64), heaviest[:rest]
        shares[room] = np.minimum(shares[room] + more, limit[room])
    return shares
