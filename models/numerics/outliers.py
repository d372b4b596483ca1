"""A limit for entries that are enormous beside the others of their matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

TIMES = 100.0
"""Entries are limited to this times the magnitude that nine in ten do not exceed."""

_SHARE = 0.9


def limited(entries: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Clip the entries to ± 100 times the magnitude that nine in ten do not exceed.

    A single user of enormous entries would otherwise take all weight from the others, and squares would overflow.

    Args:
        entries: (n,) floats, all finite.

    Returns:
        (n,) of the same dtype; `entries` itself if there is nothing to clip, or if nine in ten are 0.
    """
    if not entries.size:
        return entries
    magnitudes = np.abs(entries)
    most = TIMES * float(np.quantile(magnitudes, _SHARE))
    if most == 0 or float(magnitudes.max()) <= most:
        return entries
    clipped: NDArray[np.floating[Any]] = entries.clip(-most, most).astype(entries.dtype)
    return clipped
