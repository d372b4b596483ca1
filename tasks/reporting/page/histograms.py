"""Distributions: histograms of ratings and utilities, and how places on lists fall to popular and rare items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.interactions import load_matrix
from tasks.artifacts import Snapshot

_BARS = 24
_AT_ONCE = 2**20  # entries that are sorted together, within the cache
_CURVE_POINTS = 80


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: its label and its number of entries."""

    label: str
    n: int


@dataclass(frozen=True)
class Histogram:
    """Bars of ranges of equal width, or one for each value; `rest` entries lie beyond the last."""

    bars: tuple[Bar, ...]
    rest: int
    median: float

    @property
    def n(self) -> int:
        """The number of all entries."""
        return sum(bar.n for bar in self.bars) + self.rest


@dataclass(frozen=True)
class Attention:
    """Shares of interactions and of places on lists that the items have, the most popular first.

    Attributes:
        share_of_items: (p,) from 0 to 1.
        interactions, places: (p,) the share of all interactions, or places, that this share of the items has.
        head, head_interactions: the share of the places, or interactions, that the 1 % most popular items have.
        listed: the share of the items that is on anybody's list.
    """

    share_of_items: tuple[float, ...]
    interactions: tuple[float, ...]
    places: tuple[float, ...]
    head: float
    head_interactions: float
    listed: float


def value_histogram(folder: Path, name: str) -> Histogram | None:
    """Return a histogram of the entries of a snapshot's matrix, None if it has none.

    There is a bar for each value, or for each of equal ranges if there are more than 24 values.
    """
    values = load_matrix(folder, name).data
    if not values.size:
        return None
    counted = _count_few(values)
    if counted is not None:
        bars = tuple(Bar(f"{value:g}", n) for value, n in counted.items())
        return Histogram(bars, 0, _median(counted, values.dtype))
    top = float(np.quantile(values, 0.995))
    counts, edges = np.histogram(values, bins=_BARS, range=(float(values.min()), top))
    bars = tuple(
        Bar(f"{low:.2g} to {high:.2g}", int(n))
        for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
    )
    return Histogram(bars, int((values > top).sum()), float(np.median(values)))


def _count_few(values: NDArray[np.float32]) -> dict[np.float32, int] | None:
    """Return the number of each distinct value in ascending order; None if there are more than 24."""
    counted: dict[np.float32, int] = {}
    for start in range(0, len(values), _AT_ONCE):
        distinct, counts = np.unique(values[start : start + _AT_ONCE], return_counts=True)
        if len(distinct) > _BARS:
            return None
        for value, n in zip(distinct, counts, strict=True):
            counted[value] = counted.get(value, 0) + int(n)
        if len(counted) > _BARS:
            return None
    return dict(sorted(counted.items()))


def _median(counted: Mapping[np.float32, int], dtype: np.dtype[np.float32]) -> float:
    """Return the median of values of which it is known how often each comes up, as `np.median` does."""
    ends = np.cumsum([*counted.values()])
    middle = np.searchsorted(ends, [(ends[-1] - 1) // 2, ends[-1] // 2], side="right")
    return float(np.median(np.array([*counted], dtype)[middle]))


def popularity(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return how many users met each item: (n_items,)."""
    met = load_matrix(snapshot.folder, "seen").indices
    return np.bincount(met, minlength=snapshot.n_items)


def attention(met: NDArray[np.int64], places: NDArray[np.int64]) -> Attention:
    """Compare what users met with what they are recommended.

    Args:
        met: (n_items,) how many users met each item; the sum is above 0.
        places: (n_items,) how many lists hold each item; the sum is above 0.
    """
    order = np.argsort(-met, kind="stable")
    met_by, given = (np.concatenate([[0], np.cumsum(of[order])]) / of.sum() for of in (met, places))
    n = len(order)
    # Points are denser at the most popular items, where the curves are steep.
    at = np.unique(np.round(np.linspace(0, 1, _CURVE_POINTS) ** 2 * n).astype(np.int64))
    head = max(1, round(n / 100))
    return Attention(
        tuple((at / n).tolist()),
        tuple(met_by[at].tolist()),
        tuple(given[at].tolist()),
        float(given[head]),
        float(met_by[head]),
        float((places > 0).mean()),
    )
