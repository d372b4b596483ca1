"""What a night says of its input and of its champion, beside nights before it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.artifacts import Choice, CleanData, Decision, SourceCounts
from tasks.storage.run_records import Run, RunSummary
from tasks.validation.vital_signs import of_intake, of_judging

EVENING = datetime(2026, 6, 1)
MIN_USERS = 30


def night(run_id: int, quality: float = 0.2, **other: Any) -> Run:
    """A published night of the day `run_id` whose champion, als, was judged as `quality`."""
    as_of = EVENING + timedelta(days=run_id)
    run = Run(run_id, "f", "d", as_of, 1, None, "published", as_of, as_of, champion="als")
    run.settings = {"split": {"method": "auto"}, "utility": {}, "judge": {"champion_metric": "ndcg@10"}}
    means = {"als": quality, "popularity": 0.9}
    run.summary = RunSummary(
        split="temporal", decision=Decision("als", None, "ndcg@10", 9, None, 1, (), means)
    )
    for name, value in other.items():
        setattr(run, name, value)
    return run


def choice(folder: Path, *, gain: float = 0.05, best: float = 0.2, n_users: int = 100) -> Choice:
    """als, whose intervals on the select half end at `gain` (above popularity) and `best`; the report half lies."""
    own = {"model": "als", "metric": "ndcg", "k": 10, "segment": "all"}
    against = {"model": "als", "baseline": "popularity", "metric": "ndcg@10"}
    figures = {
        "metrics": [own | {"half": "report", "ci_high": 9.0}, own | {"half": "select", "ci_high": best}],
        "differences": [
            against | {"half": "report", "high": 9.0},
            against | {"half": "select", "high": gain},
        ],
    }
    (folder / "metrics.json").write_text(json.dumps(figures))
    decision = Decision("als", None, "ndcg@10", n_users, None, 3, MIN_USERS, (), {})
    return Choice("c", folder, ("als",), "", decision)


def test_quality_is_compared_with_the_median_of_the_last_seven_nights(tmp_path: Path) -> None:
    before = [night(day, quality) for day, quality in enumerate([9, 9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])]
    found = of_judging(choice(tmp_path, best=0.2), night(20), before, min_users=MIN_USERS)
    assert found == {"champion_above_popularity": 0.05, "quality": pytest.approx(0.2 / 0.4)}


@pytest.mark.parametrize(
    "other",
    [
        {"status": "check_failed"},
        {"as_of": EVENING + timedelta(days=20)},
        {"settings": {"split": {"method": "leave_last"}}},
        {"summary": {"split": "leave_last", "decision": {"means": {"als": 0.2}}}},
        {"summary": {"split": "temporal"}},
    ],
)
def test_nights_that_do_not_compare_are_left_out(tmp_path: Path, other: dict[str, Any]) -> None:
    found = of_judging(choice(tmp_path), night(20), [night(1, **other)], min_users=MIN_USERS)
    assert found["quality"] is None


def test_too_few_users_or_none_judged_say_nothing(tmp_path: Path) -> None:
    for what in (choice(tmp_path, n_users=MIN_USERS - 1), None):
        found = of_judging(what, night(20), [night(1)], min_users=MIN_USERS)
        assert found == {"champion_above_popularity": None, "quality": None}


def test_popularity_is_not_compared_with_itself(tmp_path: Path) -> None:
    found = of_judging(choice(tmp_path), night(20, champion="popularity"), [night(1)], min_users=MIN_USERS)
    assert found == {"champion_above_popularity": None, "quality": None}


def test_the_intake_tells_its_worst_source_and_its_age() -> None:
    counts = (
        SourceCounts("ratings", 200, 190, 0, 10, {}),
        SourceCounts("tags", 10, 9, 0, 1, {}),
        SourceCounts("events", 0, 0, 0, 0, {}),
    )
    tonight = night(10, started_at=EVENING + timedelta(days=12))
    data = CleanData("k", counts, "BIGINT", "BIGINT", EVENING + timedelta(days=9), 1, 1)
    for live, behind in ((None, None), (night(9), 0), (night(10), 0), (night(13), 3)):
        found = of_intake(data, tonight, live)
        assert found == {"rejected_rows": 0.1, "input_age_days": 3, "days_behind_live": behind}


def test_the_newest_interactions_are_compared_whatever_moment_was_asked_for() -> None:
    data = CleanData("k", (), "BIGINT", "BIGINT", EVENING, 1, 1)
    for live, behind in (
        (night(9, as_of=EVENING + timedelta(days=999)), 0),
        (night(13, as_of=EVENING + timedelta(days=999)), 3),
        (night(13, data_until=None), None),
    ):
        assert of_intake(data, night(10), live)["days_behind_live"] == behind
