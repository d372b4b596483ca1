"""The drift of a night: histograms by SQL, the population-stability index, and which nights are compared."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from tasks.artifacts import CheckResult
from tasks.config.settings import CheckSettings
from tasks.monitoring.drift_figures import Drift, DriftMeasure, ValueHistogram, warning
from tasks.storage.artifact_store import from_json, to_json
from tasks.storage.run_records import Run, RunSummary
from tasks.validation.checks import CHECKS, _judge
from tasks.validation.drift import (
    LEAST_VALUES,
    measure_drift,
    merged_bins,
    population_stability,
    rating_edges,
    reference_nights,
    shift,
)
from tasks.validation.night_figures import NIGHTS
from tests.tasks.logs import AS_OF, Log, day, make_clean_tables


def histogram(*counts: int, measure: Any = "ratings") -> ValueHistogram:
    return ValueHistogram(measure, tuple(float(edge) for edge in range(1, len(counts))), counts)


def night(run_id: int, as_of: datetime | None = None, drift: Drift | None = None, **other: Any) -> Run:
    run = Run(run_id, "f", "d", AS_OF, 1, None, "published", as_of or day(run_id))
    run.summary = RunSummary(drift=drift if drift is not None else Drift(()))
    for name, value in other.items():
        setattr(run, name, value)
    return run


def test_index_of_two_bins_is_that_of_the_formula() -> None:
    """By hand: (.7 − .5) · ln(.7 / .5) + (.3 − .5) · ln(.3 / .5) = .06729 + .10217."""
    assert population_stability(np.array([0.5, 0.5]), np.array([0.7, 0.3])) == pytest.approx(
        0.16946, abs=1e-5
    )


def test_empty_bin_counts_as_a_small_share() -> None:
    """By hand: (.9999 − 0) · … is finite: (1 − .5) ln 2 + (.0001 − .5) ln(.0001 / .5)."""
    found = population_stability(np.array([0.5, 0.5]), np.array([1.0, 0.0]))
    assert found == pytest.approx(0.5 * np.log(2) - 0.4999 * np.log(0.0002))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=60).filter(sum))
def test_merged_bins_are_ordered_few_and_about_equal(counts: list[int]) -> None:
    shares = np.array(counts) / sum(counts)
    bins = merged_bins(shares)
    held = np.bincount(bins, shares)
    assert list(bins) == sorted(bins)
    assert set(bins) == set(range(len(held)))
    assert len(held) <= 10
    assert held.max() <= 0.1 + 2 * shares.max() + 1e-9


def test_shift_ignores_size_and_sees_a_moved_scale() -> None:
    before = histogram(100, 300, 400, 200, 0)
    assert shift(histogram(200, 600, 800, 400, 0), [before]) == pytest.approx(0)
    moved = shift(histogram(0, 100, 300, 400, 200), [before, before])
    assert moved is not None
    assert moved > 0.25


def test_shift_needs_enough_values_on_both_sides() -> None:
    few, many = histogram(LEAST_VALUES - 1, 0), histogram(LEAST_VALUES, 0)
    assert shift(few, [many]) is None
    assert shift(many, [few]) is None
    assert shift(many, []) is None
    assert shift(many, [few, many]) == 0


def test_compared_are_the_newest_published_nights_of_earlier_data() -> None:
    runs = [night(n) for n in range(1, NIGHTS + 4)]
    tonight = night(50)
    runs += [night(60), night(49, status="check_failed"), night(48, as_of=day(3)), tonight]
    runs[1].summary.drift = None
    found = [run.run_id for run in reference_nights(tonight, runs)]
    assert found == [10, 9, 8, 7, 6, 5, 4], (
        "run 2 has no histograms, 48 replaces 3, 49 was held back, 60 is later"
    )
    assert [run.run_id for run in reference_nights(night(4), runs)] == [48, 1]


RATED = [(u, i, 1 + (u * i) % 5, 10 + (u % 30)) for u in range(40) for i in range(20)]


def measured(
    con: duckdb.DuckDBPyConnection, folder: Path, rated: list[Any], runs: list[Run], **options: Any
) -> Drift:
    """Return the drift of ratings (user, item, rating, day), with a composite matrix of the ratings."""
    make_clean_tables(con, Log(ratings=[(u, i, float(r), float(d)) for u, i, r, d in rated]))
    users, items, values, _ = (np.array(column) for column in zip(*rated, strict=True))
    sparse.save_npz(folder / "composite.npz", sparse.csr_array((values.astype(np.float32), (users, items))))
    run = night(1000, as_of=AS_OF, settings={"utility": {"a": 1}})
    arguments = {"as_of": AS_OF, "rating_scale": (0.0, 5.0)} | options
    return measure_drift(con, SimpleNamespace(folder=folder), run, lambda: runs, **arguments)


def value(drift: Drift, measure: Any) -> float | None:
    found = drift.get(measure)
    assert found is not None
    return found.value


def test_first_night_keeps_histograms_and_has_no_index(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    drift = measured(con, tmp_path, RATED, [])
    assert {each.measure for each in drift.measures if each.value is not None} == {"rows_per_day"}
    ratings, activity = drift.histogram("ratings"), drift.histogram("activity")
    assert ratings is not None
    assert activity is not None
    given_by_value = {float(edge): n for edge, n in zip(ratings.edges, ratings.counts, strict=False) if n}
    wanted = {float(r): sum(1 for row in RATED if row[2] == r) for r in range(1, 6)}
    assert given_by_value == wanted
    assert ratings.edges == rating_edges(0, 5)
    assert {edge: n for edge, n in zip(activity.edges, activity.counts, strict=False) if n} == {23.0: 40}
    assert activity.n == 40, "each of 40 users has 20 interactions, more than 19 and at most 23"
    assert warning(drift) == ""


def test_second_night_sees_moved_ratings_and_new_users(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    first = night(5, drift=measured(con, tmp_path, RATED, []), settings={"utility": {"a": 1}})
    first.as_of = day(30)
    same = measured(con, tmp_path, RATED, [first])
    assert value(same, "ratings") == 0
    assert value(same, "utility") == 0
    more = [(u, i, 5, 40) for u in range(100, 140) for i in range(20, 60)]
    moved = measured(con, tmp_path, RATED + more, [first])
    assert value(moved, "ratings") > 0.25
    assert value(moved, "new_users") == 40 + sum(1 for u in range(40) if 10 + u % 30 >= 30)
    assert value(moved, "new_items") == 40, "the first 20 items were met before day 30"
    assert warning(moved).startswith("Against the night before: ")
    assert "ratings shifted by" in warning(moved)
    other = night(5, as_of=day(30), drift=first.summary.drift, settings={"utility": {"a": 2}})
    assert value(measured(con, tmp_path, RATED + more, [other]), "utility") is None, "another utility"


def test_rows_a_day_are_those_of_the_full_new_days(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    def at(moment: datetime) -> float:
        return (moment - day(0)) / timedelta(days=1)

    midnight = (AS_OF - timedelta(days=2)).replace(hour=0, minute=0, second=0, microsecond=0)
    times = [at(midnight - timedelta(hours=1))] * 9 + [at(midnight + timedelta(hours=h)) for h in range(24)]
    times += [at(midnight + timedelta(hours=25))] * 50
    rated = [(n, n, 3, moment) for n, moment in enumerate(times)]
    since = night(5, as_of=midnight + timedelta(hours=5))
    until = midnight + timedelta(hours=30)
    drift = measured(con, tmp_path, rated, [since], as_of=until)
    assert value(drift, "rows_per_day") == 24, (
        "the day of the night before counts whole, the unfinished one not"
    )
    first = measured(con, tmp_path, rated, [], as_of=until)
    assert value(first, "rows_per_day") == pytest.approx((24 + 9) / 7)


@pytest.mark.parametrize(
    ("measure", "now", "reference", "strength"),
    [
        ("ratings", 0.09, None, ""),
        ("ratings", 0.1, None, "moderate"),
        ("ratings", 0.26, None, "strong"),
        ("rows_per_day", 199.0, 100.0, ""),
        ("rows_per_day", 200.0, 100.0, "moderate"),
        ("rows_per_day", 0.0, 100.0, "strong"),
        ("rows_per_day", 401.0, 100.0, "strong"),
        ("new_users", 29.0, 1.0, ""),
        ("new_users", None, 100.0, ""),
        ("rows_per_day", 100.0, None, ""),
    ],
)
def test_strength_follows_the_usual_rule(
    measure: Any, now: float | None, reference: float | None, strength: str
) -> None:
    assert DriftMeasure(measure, now, reference, 3).strength == strength


def test_drift_survives_the_run_record() -> None:
    drift = Drift((DriftMeasure("ratings", 0.3, None, 2),), (histogram(1, 2),))
    summary = RunSummary(drift=drift)
    assert from_json(RunSummary, to_json(summary)) == summary


@pytest.mark.parametrize(("limit", "passed"), [(0, True), (0.2, False), (0.4, True)])
def test_check_of_drift_is_off_by_default(limit: float, passed: bool) -> None:
    settings = CheckSettings(max_drift_ratings=limit)
    check = next(check for check in CHECKS if check.name == "drift_ratings")
    run = night(9, drift=Drift((DriftMeasure("ratings", 0.3, None, 2),)))
    found = check.value(SimpleNamespace(run=run))  # type: ignore[operator]
    assert _judge(check, found, "", settings) == CheckResult("drift_ratings", 0.3, limit or None, passed)
    assert CheckSettings().max_drift_ratings == 0
