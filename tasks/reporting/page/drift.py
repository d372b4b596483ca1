"""The section of drift: every measure, and last night's histograms behind tonight's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.monitoring.drift_figures import DISTRIBUTIONS, DriftMeasure, ValueHistogram
from tasks.storage.run_records import Run
from tasks.validation.drift import reference_nights


@dataclass(frozen=True)
class PairedBar:
    """One bin: its label, the share of tonight's values in it, and that of the night before (0 without one)."""

    label: str
    tonight: float
    before: float


@dataclass(frozen=True)
class PairedHistogram:
    """Tonight's histogram of one distribution over that of the night before; bins empty on both nights are left out."""

    name: str
    n: int
    bars: tuple[PairedBar, ...]


@dataclass(frozen=True)
class DriftPanel:
    """The drift of a night; `before` is the night before, None on a first night."""

    before: int | None
    n_nights: int
    measures: tuple[DriftMeasure, ...]
    histograms: tuple[PairedHistogram, ...]


def drift_panel(run: Run, runs: Sequence[Run]) -> DriftPanel | None:
    """Return what the page shows of the drift of `run`; None if it was not measured."""
    drift = run.summary.drift
    if drift is None:
        return None
    nights = reference_nights(run, runs)
    earlier = None if not nights else nights[0].summary.drift
    pairs = []
    for tonight in drift.histograms:
        before = None if earlier is None else earlier.histogram(tonight.measure)
        alike = before is not None and before.edges == tonight.edges
        pairs.append(_pair(tonight, before if alike else None))
    return DriftPanel(nights[0].run_id if nights else None, len(nights), drift.measures, tuple(pairs))


def _pair(tonight: ValueHistogram, before: ValueHistogram | None) -> PairedHistogram:
    was = (0,) * len(tonight.counts) if before is None else before.counts
    n, n_before = max(tonight.n, 1), max(sum(was), 1)
    bars = tuple(
        PairedBar(label, now / n, then / n_before)
        for label, now, then in zip(_labels(tonight.edges), tonight.counts, was, strict=True)
        if now or then
    )
    return PairedHistogram(DISTRIBUTIONS[tonight.measure], tonight.n, bars)


def _labels(edges: Sequence[float]) -> list[str]:
    """Return the range of each bin in words, such as '4.1 to 4.3'; a whole number alone where it is the only one."""
    ends = [f"{edge:,.0f}" if edge >= 100 else f"{edge:.3g}" for edge in edges]
    between = [
        ends[place] if edges[place] - edges[place - 1] == 1 else f"{ends[place - 1]} to {ends[place]}"
        for place in range(1, len(edges))
    ]
    return [f"to {ends[0]}", *between, f"above {ends[-1]}"]
