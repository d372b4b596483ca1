"""Where to look for better hyperparameters: what a `Config` declares beside its fields, and `recs tune` draws from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """All numbers from `low` to `high`, both included; whole ones if both ends are.

    `log` draws evenly between the logarithms, for what matters by its order of magnitude.
    """

    low: float
    high: float
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of some values that have no order."""

    values: tuple[str | bool, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values


SearchSpace = Mapping[str, Range | Choice]
"""Field → where to look. A field that is not there stays as it is."""
