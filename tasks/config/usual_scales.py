"""Scales that ratings usually have, and from which rating on an item is usually liked."""

from __future__ import annotations

from math import floor, log10

_SCALES = (
    (0, 1), (-1, 1), (1, 5), (0.5, 5), (0, 5), (1, 10), (0, 10), (-5, 5), (-10, 10), (1, 100), (0, 100),
)  # fmt: skip
_FILLED = 1 / 3
"""Share of a scale that ratings at least span: 0 to 20 is no part of 0 to 100."""


def usual_like(least: float, greatest: float, *, two_values: bool = False) -> float:
    """Return a rating from which on items are usually liked: two thirds of the way up.

    It is a whole number where the ratings span more than 2. Of one or two values, as with thumbs, it is the greater.
    """
    span = greatest - least
    if two_values or not span:
        return greatest
    place = least + span * 2 / 3
    return float(round(place) if span > 2 else round(place, max(2, 1 - floor(log10(span)))))


def usual_scale(least: float, greatest: float) -> tuple[float, float]:
    """Return the narrowest usual scale that ratings from `least` to `greatest` fit and fill, else these two."""
    span = greatest - least
    fitting = [
        (low, high)
        for low, high in _SCALES
        if low <= least and greatest <= high and (span >= _FILLED * (high - low) or not span)
    ]
    return min(fitting, key=lambda scale: scale[1] - scale[0], default=(least, greatest))
