"""Axes of charts: a value's position in percent of the width or height, and round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high` with ticks at round values, whose labels have `digits` decimals."""

    low: float
    high: float
    ticks: tuple[float, ...]
    digits: int

    def at(self, value: float) -> float:
        """Return the position of a value, 0 to 100; values beyond the ends are put on them."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def label(self, tick: float) -> str:
        """Return a tick's value with as many decimals as tell it from the next tick."""
        return f"{tick:,.{self.digits}f}".replace("-", "−")


def scale(values: Iterable[float | None], *, zero: bool = True, ticks: int = 4) -> Scale:
    """Return an axis that holds all values and ends at round ones.

    Args:
        values: missing values and those that are not finite are left out.
        zero: whether the axis holds zero, too.
        ticks: about how many steps it has.
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
    """Return the least of 1, 2, 5 and 10 times a power of ten that is not below `step`."""
    power = 10.0 ** math.floor(math.log10(step))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))
