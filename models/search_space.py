"""Search spaces of hyperparameters: declared by a `Config` beside its fields, sampled by `recs tune`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included; integers only if both bounds are integers.

    `log` samples uniformly on a logarithmic scale, for parameters whose order of magnitude matters.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only integers are sampled."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class OneOf:
    """A set of values without order, of which one is sampled."""

    values: tuple[str | bool, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values


SearchSpace = Mapping[str, Range | OneOf]
"""Field → the values to try. A field that is absent keeps its value."""
