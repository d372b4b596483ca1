"""From values to places on a chart, in percent of its width or height."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A straight axis from `low` to `high` with ticks at round values."""

    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int

    def at(self, value: float) -> float:
        """Where a value lies, 0 to 100; values beyond the ends lie on them."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def label(self, tick: float) -> str:
        """A tick's value with as many digits as tell it from the next."""
        return f"{tick:,.{self.digits}f}".replace("-", "−")


def scale(values: Iterable[float | None], *, zero: bool = True, ticks: int = 4) -> Scale:
    """An axis that holds all values, zero too if asked, and ends at round ones.

    Missing values and those that are not finite are left out.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-12 * max(1.0, abs(high)):
        high = low + (abs(low) or 1.0)
    step = _round_step((high - low) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(
        first * step,
        last * step,
        tuple(number * step for number in range(first, last + 1)),
        max(0, -math.floor(math.log10(step) + 1e-9)),
    )


def _round_step(step: float) -> float:
    """The next of 1, 2, 2.5 and 5 times a power of ten; 2.5 only where it needs no digit more."""
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
