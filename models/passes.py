"""Number of passes over the data of models that are trained step by step: fewer, the more data there are."""

from __future__ import annotations

_MILLION = 1_000_000


def passes(most: int, n_entries: int, *, least: int, exponent: float = 0.5) -> int:
    """Return `most` up to a million entries; beyond, fewer, because a pass over more entries takes more steps.

    Args:
        most: passes over a million entries or fewer.
        n_entries: number of entries of the training matrix.
        least: passes at any size.
        exponent: the passes fall by the number of entries to this power; with 1 the number of steps stays the same.

    Returns:
        From `least` to `most`.
    """
    share: float = max(n_entries / _MILLION, 1) ** exponent
    return max(least, round(most / share))
