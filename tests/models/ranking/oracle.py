"""Top-N selection by sorting every row in full: slow and obviously right, to compare the fast one with."""

from __future__ import annotations

import numpy as np

from models.base import TopN


def top_n(
    scores: np.ndarray,
    n: int,
    tie_order: np.ndarray,
    exclude: np.ndarray | None = None,
    eligible: np.ndarray | None = None,
) -> TopN:
    """List greater scores first, ties in the order of `tie_order`; −inf and NaN are never listed."""
    hidden = ~np.isfinite(scores) & ~(scores == np.inf)
    if exclude is not None:
        hidden |= exclude != 0
    if eligible is not None:
        hidden |= ~eligible
    tie_rank = np.argsort(tie_order)
    items = np.full((len(scores), n), -1, np.int32)
    values = np.full((len(scores), n), np.nan, np.float32)
    for row in range(len(scores)):
        best = [i for i in np.lexsort((tie_rank, -scores[row])) if not hidden[row, i]][:n]
        items[row, : len(best)], values[row, : len(best)] = best, scores[row, best]
    return TopN(items, values)
