"""Figures of drift, as the run record keeps them: how tonight's data differ from those of the nights before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Distribution = Literal["ratings", "activity", "popularity", "utility"]
Volume = Literal["rows_per_day", "new_users", "new_items"]
Measure = Distribution | Volume
Strength = Literal["", "moderate", "strong"]

DISTRIBUTIONS: dict[Distribution, str] = {
    "ratings": "ratings",
    "activity": "interactions of a user",
    "popularity": "interactions of an item",
    "utility": "utility of an interaction",
}
"""The distributions that are compared: name → its values in words."""

VOLUMES: dict[Volume, str] = {
    "rows_per_day": "rows a day",
    "new_users": "new users",
    "new_items": "new items",
}
"""The counts that are compared: name → words."""

_NAMES = {str(name): words for names in (DISTRIBUTIONS, VOLUMES) for name, words in names.items()}

MODERATE, STRONG = 0.1, 0.25
"""Population-stability indices from which a shift is moderate or strong (Siddiqi 2006, Credit Risk Scorecards)."""

TIMES_MODERATE, TIMES_STRONG = 2.0, 4.0
"""The same for counts: times above, or below, the mean of the nights before."""

LEAST_COUNT = 30
"""Counts that are below this both tonight and before stand out in no case."""


@dataclass(frozen=True)
class ValueHistogram:
    """Counts of one distribution by fixed bins, so that those of different nights can be compared.

    Attributes:
        measure: the distribution.
        edges: upper ends of the bins (included), ascending.
        counts: one for each edge, and one of the values above the last.
    """

    measure: Distribution
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def n(self) -> int:
        """The number of all values."""
        return sum(self.counts)


@dataclass(frozen=True)
class DriftMeasure:
    """One row of `run_drift`.

    Attributes:
        measure: its name.
        value: the population-stability index of a distribution, or tonight's count; None where there is nothing to
            compare with, or too little to measure.
        reference: the mean of the value over the nights before; None if none of them has one.
        n_nights: the number of nights that it is compared with.
    """

    measure: Measure
    value: float | None
    reference: float | None
    n_nights: int

    @property
    def is_index(self) -> bool:
        """Whether the value is a population-stability index, not a count."""
        return self.measure in DISTRIBUTIONS

    @property
    def strength(self) -> Strength:
        """How far the measure stands out; empty if it does not."""
        if self.value is None:
            return ""
        if self.is_index:
            return "strong" if self.value > STRONG else "moderate" if self.value >= MODERATE else ""
        if self.reference is None or max(self.value, self.reference) < LEAST_COUNT:
            return ""
        low, high = sorted((self.value, self.reference))
        times = high / low if low > 0 else float("inf")
        return "strong" if times > TIMES_STRONG else "moderate" if times >= TIMES_MODERATE else ""

    @property
    def in_words(self) -> str:
        """The measure with its value, such as 'ratings shifted by .31' or '900 rows a day against 100'."""
        if self.value is None:
            return f"{self.name}: nothing to compare with"
        if self.is_index:
            return f"{self.name} shifted by {self.value:.2f}"
        against = "" if self.reference is None else f" against {self.reference:,.0f}"
        return f"{self.value:,.0f} {self.name}{against}"

    @property
    def name(self) -> str:
        """The measure in words."""
        return _NAMES[self.measure]


@dataclass(frozen=True)
class Drift:
    """The drift of one night: its measures, and the histograms that later nights are compared with."""

    measures: tuple[DriftMeasure, ...]
    histograms: tuple[ValueHistogram, ...] = ()

    def get(self, measure: Measure) -> DriftMeasure | None:
        """Return a measure; None if it was not taken."""
        return next((each for each in self.measures if each.measure == measure), None)

    def histogram(self, measure: Distribution) -> ValueHistogram | None:
        """Return a histogram; None if the night had no such value."""
        return next((each for each in self.histograms if each.measure == measure), None)

    @property
    def standing_out(self) -> tuple[DriftMeasure, ...]:
        """The measures that stand out, strong ones first."""
        found = [each for each in self.measures if each.strength]
        return tuple(sorted(found, key=lambda each: each.strength != "strong"))


def warning(drift: Drift | None) -> str:
    """Return one sentence on the measures that stand out; empty if none does."""
    found: Sequence[DriftMeasure] = () if drift is None else drift.standing_out
    if not found:
        return ""
    nights = max(each.n_nights for each in found)
    before = "the night before" if nights == 1 else f"the last {nights} nights"
    return f"Against {before}: {'; '.join(f'{each.in_words} ({each.strength})' for each in found)}."
