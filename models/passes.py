"""Number of passes over the data of models that are trained step by step: fewer, the more data there are."""

from __future__ import annotations

from math import sqrt

MILLION = 1_000_000


def passes(most: int, n_entries: int, *, least: int) -> int:
    """Return `most` up to a million entries, and beyond that as many as the root of the entries leaves.

    A pass over more entries takes more steps, so that fewer passes learn as much. Beside the times of a million the
    steps grow by the root of them, which still leaves room for the finer tastes that more data show.

    Args:
        most: passes over a million entries or fewer.
        n_entries: number of entries of the training matrix.
        least: passes at any size.

    Returns:
        From `least` to `most`.
    """
    return max(least, round(most / sqrt(max(n_entries / MILLION, 1))))
