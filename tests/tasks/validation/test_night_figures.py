"""Checks of a night's input and of its champion, compared with the nights before."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Choice, CleanData, Decision, SourceCounts
from tasks.evaluation.metric_rows import DifferenceRow, MetricRow, NightMetrics, write_metrics
from tasks.storage.run_records import Run, RunSummary
from tasks.validation.checks import night_details, night_figures
from tasks.validation.night_figures import CheckedNight

EVENING = datetime(2026, 6, 1)
MIN_USERS = 30


def judged(means: dict[str, float], split: str = "temporal") -> RunSummary:
    decision = Decision("als", None, "ndcg@10", 100, None, 3, (), means)
    return RunSummary(split=split, decision=decision)


def night(run_id: int, quality: float = 0.2, **other: Any) -> Run:
    """Return a published night of the day `run_id` whose champion, als, had the metric `quality`."""
    as_of = EVENING + timedelta(days=run_id)
    run = Run(run_id, "f", "d", as_of, 1, None, "published", as_of, as_of, champion="als")
    run.settings = {"split": {"method": "auto"}, "utility": {}, "judge": {"champion_metric": "ndcg@10"}}
    run.summary = judged({"als": quality, "popularity": 0.9})
    for name, value in other.items():
        setattr(run, name, value)
    return run


NO_DATA = CleanData("k", (), "BIGINT", "BIGINT", EVENING, 1, 1)


def choice(folder: Path, *, gain: float = 0.05, best: float = 0.2, n_users: int = 100) -> Choice:
    """Choose als, whose intervals on the select half end at `gain` (above popularity) and `best`.

    Those of the report half end elsewhere.
    """
    own = {"model": "als", "metric": "ndcg", "k": 10, "segment": "all", "value": 0.1, "ci_low": 0.0}
    against = {
        "model": "als",
        "baseline": "popularity",
        "metric": "ndcg@10",
        "mean": 0.0,
        "low": -1.0,
        "detectable": 0.1,
    }
    figures = NightMetrics(
        metrics=(MetricRow(**own, half="report", ci_high=9.0), MetricRow(**own, half="select", ci_high=best)),
        differences=(
            DifferenceRow(**against, half="report", high=9.0),
            DifferenceRow(**against, half="select", high=gain),
        ),
    )
    decision = Decision("als", None, "ndcg@10", n_users, None, 3, (), {})
    write_metrics(folder, figures, decision)
    return Choice("c", folder, ("als",), decision)


def quality_figures(chosen: Choice | None, run: Run, runs: list[Run]) -> dict[str, float | None]:
    found = night_figures(CheckedNight(NO_DATA, run, None, chosen, runs, MIN_USERS))
    return {name: found[name] for name in ("champion_above_popularity", "quality")}


def input_figures(data: CleanData, run: Run, live: Run | None) -> dict[str, float | None]:
    found = night_figures(CheckedNight(data, run, live, None, [], MIN_USERS))
    return {name: found[name] for name in ("rejected_rows", "input_age_days", "days_behind_live")}


def test_quality_is_relative_to_the_median_of_seven_nights(tmp_path: Path) -> None:
    before = [night(day, quality) for day, quality in enumerate([9, 9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])]
    found = quality_figures(choice(tmp_path, best=0.2), night(20), before)
    assert found == {"champion_above_popularity": 0.05, "quality": pytest.approx(0.2 / 0.4)}


@pytest.mark.parametrize(
    "other",
    [
        {"status": "check_failed"},
        {"as_of": EVENING + timedelta(days=20)},
        {"settings": {"split": {"method": "leave_last"}}},
        {"summary": judged({"als": 0.2}, split="leave_last")},
        {"summary": RunSummary(split="temporal")},
    ],
)
def test_nights_that_are_not_comparable_are_left_out(tmp_path: Path, other: dict[str, Any]) -> None:
    found = quality_figures(choice(tmp_path), night(20), [night(1, **other)])
    assert found["quality"] is None


def test_no_quality_figures_when_too_few_users_are_judged(tmp_path: Path) -> None:
    for what in (choice(tmp_path, n_users=MIN_USERS - 1), None):
        found = quality_figures(what, night(20), [night(1)])
        assert found == {"champion_above_popularity": None, "quality": None}


def test_popularity_is_not_compared_with_itself(tmp_path: Path) -> None:
    found = quality_figures(choice(tmp_path), night(20, champion="popularity"), [night(1)])
    assert found == {"champion_above_popularity": None, "quality": None}


def test_input_figures_are_of_the_worst_source_and_the_age() -> None:
    counts = (
        SourceCounts("ratings", 200, 190, 0, 10, {}),
        SourceCounts("tags", 10, 9, 0, 1, {}),
        SourceCounts("events", 0, 0, 0, 0, {}),
    )
    tonight = night(10, started_at=EVENING + timedelta(days=12))
    data = CleanData("k", counts, "BIGINT", "BIGINT", EVENING + timedelta(days=9), 1, 1)
    for live, behind in ((None, None), (night(9), 0), (night(10), 0), (night(13), 3)):
        found = input_figures(data, tonight, live)
        assert found == {"rejected_rows": 0.1, "input_age_days": 3, "days_behind_live": behind}


def test_days_behind_live_ignore_the_as_of_asked_for() -> None:
    data = CleanData("k", (), "BIGINT", "BIGINT", EVENING, 1, 1)
    for live, behind in (
        (night(9, as_of=EVENING + timedelta(days=999)), 0),
        (night(13, as_of=EVENING + timedelta(days=999)), 3),
        (night(13, data_until=None), None),
    ):
        assert input_figures(data, night(10), live)["days_behind_live"] == behind


def test_exactly_min_users_are_enough_for_quality_figures(tmp_path: Path) -> None:
    found = quality_figures(choice(tmp_path, n_users=MIN_USERS), night(20), [night(1)])
    assert None not in found.values()


def counts(**rows: int | tuple[int, int | None]) -> tuple[SourceCounts, ...]:
    """Return the counts of sources with so many clean rows, and pairs where given."""
    both = {name: found if isinstance(found, tuple) else (found, None) for name, found in rows.items()}
    return tuple(SourceCounts(name, n, n, 0, 0, {}, pairs) for name, (n, pairs) in both.items())


def lost(before: tuple[SourceCounts, ...], now: tuple[SourceCounts, ...]) -> tuple[float | None, str]:
    """Return the value and the detail of the check of lost rows."""
    live = night(1, summary=RunSummary(intake=before))
    tonight = CheckedNight(replace(NO_DATA, counts=now), night(2), None, None, [], MIN_USERS, before=live)
    return night_figures(tonight)["lost_rows"], night_details(tonight)["lost_rows"]


@pytest.mark.parametrize("source", ["ratings", "tags", "events", "items"])
def test_source_that_vanished_lost_all_its_rows(source: str) -> None:
    there = counts(ratings=1596, tags=50, events=800, items=80)
    tonight = tuple(each for each in there if each.source != source)
    n = next(each.clean for each in there if each.source == source)
    said = f"{source} had {n:,} rows in the live run and have 0 tonight"
    assert lost(there, tonight) == (1.0, said)
    assert lost(there, (*tonight, *counts(**{source: 0}))) == (1.0, said), "the file has a header only"


def test_share_of_the_source_that_lost_most_counts() -> None:
    before = counts(ratings=(1000, 1000), events=(900, 300), items=80)
    tonight = counts(ratings=(950, 950), events=(890, 150), items=48)
    value, said = lost(before, tonight)
    assert value == pytest.approx(0.5)
    assert said == (
        "events had 300 pairs in the live run and have 150 tonight, "
        "items had 80 rows in the live run and have 48 tonight, "
        "ratings had 1,000 rows in the live run and have 950 tonight"
    )


def test_more_rows_and_new_sources_are_no_loss() -> None:
    assert lost(counts(ratings=(100, 100)), counts(ratings=(100, 100), tags=(5, 5))) == (0.0, "")
    assert lost(counts(ratings=(100, 100)), counts(ratings=(200, 200))) == (0.0, "")


def test_small_source_fails_only_when_it_vanished() -> None:
    assert lost(counts(tags=(29, 29)), counts(tags=(1, 1))) == (0.0, "")
    assert lost(counts(tags=(30, 30)), counts(tags=(15, 15)))[0] == 0.5
    assert lost(counts(tags=(3, 3)), ())[0] == 1.0


def test_lost_rows_have_nothing_to_compare_in_older_records() -> None:
    assert lost((), counts(ratings=10)) == (None, "")
    assert lost(counts(ratings=100), counts(ratings=(60, 60)))[0] == pytest.approx(0.4), "rows, without pairs"
    first = CheckedNight(NO_DATA, night(1), None, None, [], MIN_USERS)
    assert (night_figures(first)["lost_rows"], night_details(first)["lost_rows"]) == (None, "")
