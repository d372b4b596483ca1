"""Suggestions for misspelt names: "Did you mean …?"."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable


def nearest_name(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """Return the known name that is most similar to `name`, or None if none is similar enough.

    Args:
        name: the name as it was typed.
        known: the names that exist.
        cutoff: least similarity, from 0 (anything) to 1 (equal); see `difflib.SequenceMatcher.ratio`.
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return near[0] if near else None


def did_you_mean(
    name: str, known: Iterable[str], *, cutoff: float = 0.6, shown: Callable[[str], str] = repr
) -> str:
    """Return the question "Did you mean 'x'?", or an empty string if no known name is similar enough.

    Args:
        name, known, cutoff: see `nearest_name`.
        shown: how the question writes the name; by default in quotes.
    """
    near = nearest_name(name, known, cutoff=cutoff)
    return f"Did you mean {shown(near)}?" if near else ""
