"""Measure the drift of a night: its input against that of the last published nights, from the clean tables.

Distributions are compared by their population-stability index, counts by the mean of the nights before. The bins of
the histograms are the same on every night; those of the index are merged from them so that each holds about as much
of the earlier nights' values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from statistics import mean

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from models.interactions import load_matrix
from tasks.artifacts import Snapshot
from tasks.monitoring.drift_figures import (
    DISTRIBUTIONS,
    VOLUMES,
    Distribution,
    Drift,
    DriftMeasure,
    ValueHistogram,
    Volume,
    warning,
)
from tasks.preparation.time_windows import order_by_time
from tasks.storage.run_records import Run
from tasks.storage.stage import stage
from tasks.storage.warehouse import run_file
from tasks.validation.night_figures import NIGHTS

BINS = 10
"""Bins of the population-stability index, at most."""

LEAST_VALUES = 200
"""Fewer values have no index: of two samples of n values without any drift, it is about (bins − 1) · 2 / n."""

_FLOOR = 1e-4
_RATING_BINS = 20
_COUNT_EDGES = (*range(1, 8), *(round(2 ** (step / 4)) for step in range(12, 81)))
_UTILITY_EDGES = tuple(2.0 ** (step / 4) for step in range(-24, 25))
_FILES: dict[Distribution, str] = {
    "ratings": "ratings",
    "activity": "user_activity",
    "popularity": "item_popularity",
    "utility": "utilities",
}


def population_stability(reference: NDArray[np.float64], tonight: NDArray[np.float64]) -> float:
    """Return the population-stability index Σ (p − q) · ln(p / q): 0 for equal shares, at most .1 for a small shift.

    It is the sum of both Kullback-Leibler divergences (Jeffreys 1946). Siddiqi (2006), Credit Risk Scorecards, section
    'Scorecard monitoring', names the index and its limits of .1 and .25.

    Args:
        reference: (n_bins,) shares q, which sum up to 1. An empty bin counts as a share of .0001.
        tonight: (n_bins,) shares p of the same bins; likewise.
    """
    q, p = np.maximum(reference, _FLOOR), np.maximum(tonight, _FLOOR)
    return float(np.sum((p - q) * np.log(p / q)))


def merged_bins(reference: NDArray[np.float64], bins: int = BINS) -> NDArray[np.intp]:
    """Return the bin, 0 to at most `bins` − 1, that each fine bin belongs to: each holds about 1 / `bins`.

    Args:
        reference: (n,) shares of the fine bins, which sum up to 1.
        bins: number of bins at most.
    """
    middle = np.cumsum(reference) - reference / 2
    wanted = np.minimum((middle * bins + 1e-9).astype(np.intp), bins - 1)
    return np.unique(wanted, return_inverse=True)[1]


def reference_nights(run: Run, runs: Sequence[Run]) -> list[Run]:
    """Return the `NIGHTS` newest published nights of earlier data with histograms, newest first, one for each as_of."""
    earlier: dict[datetime, Run] = {}
    for other in sorted(runs, key=lambda other: -other.run_id):
        if other.status != "published" or other.as_of is None or other.summary.drift is None:
            continue
        if run.as_of is not None and other.as_of < run.as_of:
            earlier.setdefault(other.as_of, other)
    return [earlier[as_of] for as_of in sorted(earlier, reverse=True)[:NIGHTS]]


def shift(tonight: ValueHistogram, before: Sequence[ValueHistogram]) -> float | None:
    """Return the population-stability index of a histogram against the mean of earlier ones; None for too few values.

    Args:
        tonight: tonight's.
        before: of earlier nights, of the same bins.
    """
    enough = [each for each in before if each.n >= LEAST_VALUES]
    if tonight.n < LEAST_VALUES or not enough:
        return None
    reference = np.mean([np.array(each.counts) / each.n for each in enough], axis=0)
    bins = merged_bins(reference)
    merged = np.zeros((2, bins.max() + 1))
    np.add.at(merged[0], bins, reference)
    np.add.at(merged[1], bins, np.array(tonight.counts) / tonight.n)
    return population_stability(merged[0], merged[1])


def rating_edges(least: float, greatest: float) -> tuple[float, ...]:
    """Return the upper ends of equal bins of the rating scale."""
    return tuple(float(edge) for edge in np.linspace(least, greatest, _RATING_BINS + 1)[1:])


@stage("drift", stored=False, note=lambda drift: warning(drift) or "nothing stands out")
def measure_drift(
    con: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    record: Run,
    runs: Callable[[], Sequence[Run]],
    *,
    as_of: datetime,
    rating_scale: tuple[float, float],
) -> Drift:
    """Compare tonight's input with that of the last published nights. A first night only keeps its histograms.

    Args:
        con: the warehouse, with the clean tables.
        snapshot: the matrices of everything before `as_of`.
        record: the run record of the night.
        runs: returns the records of all nights of the home.
        as_of: the end of the data, exclusive, UTC.
        rating_scale: the least and the greatest rating.
    """
    nights = reference_nights(record, runs())
    since = nights[0].as_of if nights else None
    order_by_time(con)
    ((rows_per_day,),) = run_file(con, "warehouse/drift/daily_rows.sql", as_of=as_of, since=since).fetchall()
    volumes: dict[Volume, float | None] = {"rows_per_day": rows_per_day}
    edges: dict[Distribution, Sequence[float]] = {
        "ratings": rating_edges(*rating_scale),
        "activity": _COUNT_EDGES,
        "popularity": _COUNT_EDGES,
        "utility": _UTILITY_EDGES,
    }
    con.register("utilities", pa.table({"utility": load_matrix(snapshot.folder, "composite").data}))
    histograms, new = [], {}
    for measure, of in edges.items():
        histogram, new[measure] = _histogram(con, measure, of, as_of, since)
        histograms += [histogram] if histogram is not None else []
    con.unregister("utilities")
    volumes |= {"new_users": new["activity"], "new_items": new["popularity"]}
    measures = (
        *(_counted(measure, volumes.get(measure), nights) for measure in VOLUMES),
        *(_compared(measure, histograms, record, nights) for measure in DISTRIBUTIONS),
    )
    return Drift(measures, tuple(histograms))


def _histogram(
    con: duckdb.DuckDBPyConnection,
    measure: Distribution,
    edges: Sequence[float],
    as_of: datetime,
    since: datetime | None,
) -> tuple[ValueHistogram | None, float | None]:
    """Return a histogram, None without values, and the number of new users or items."""
    ends = tuple(map(float, edges))
    file = f"warehouse/drift/{_FILES[measure]}.sql"
    ((histogram, n_new),) = run_file(con, file, as_of=as_of, since=since, edges=list(ends)).fetchall()
    if not histogram:
        return None, n_new
    counts = tuple(int(histogram.get(edge, 0)) for edge in (*ends, float("inf")))
    return ValueHistogram(measure, ends, counts), n_new


def _counted(measure: Volume, value: float | None, nights: Sequence[Run]) -> DriftMeasure:
    return DriftMeasure(
        measure, None if value is None else float(value), _mean_before(measure, nights), len(nights)
    )


def _compared(
    measure: Distribution, histograms: Sequence[ValueHistogram], record: Run, nights: Sequence[Run]
) -> DriftMeasure:
    """Return the shift of a distribution, against the nights whose histogram means the same."""
    tonight = next((each for each in histograms if each.measure == measure), None)
    alike = [
        night
        for night in nights
        if measure != "utility" or night.settings.get("utility") == record.settings.get("utility")
    ]
    before = [
        histogram
        for night in alike
        if night.summary.drift is not None
        and (histogram := night.summary.drift.histogram(measure)) is not None
        and tonight is not None
        and histogram.edges == tonight.edges
    ]
    value = None if tonight is None else shift(tonight, before)
    return DriftMeasure(measure, value, _mean_before(measure, alike), len(before))


def _mean_before(measure: Distribution | Volume, nights: Sequence[Run]) -> float | None:
    """Return the mean of a measure over earlier nights; None if none of them has it."""
    found = [night.summary.drift.get(measure) for night in nights if night.summary.drift is not None]
    values = [each.value for each in found if each is not None and each.value is not None]
    return mean(values) if values else None
