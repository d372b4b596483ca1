"""Table, CSV, page and cookbook of a replay whose days are written by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from tasks.config.load import load_settings
from tasks.replay.night import Served
from tasks.replay.plan import BASE, CHAMPION, Variant, make_plan
from tasks.replay.replay import Replay
from tasks.replay.replay_page import render_replay, write_page
from tasks.replay.results import Day, Results
from tasks.replay.summary import day_rows, summarise, write_csv
from tasks.storage.warehouse import SQL

WEEK = timedelta(days=7)
FIRST = datetime(2020, 1, 6)
SETTINGS = ("judge.bootstrap_samples=200", "judge.k=[10]")

VALUES = {  # day → column → user → ndcg@10 and hits
    0: {(BASE, CHAMPION): {1: (0.5, 2), 2: (0.1, 1)}, (BASE, "popularity"): {1: (0.1, 1), 2: (0.1, 1)}},
    2: {(BASE, CHAMPION): {1: (0.3, 1)}, (BASE, "popularity"): {1: (0.3, 1)}},
}
OLDER = {
    0: {1: (0.5, 2), 2: (0.1, 1)},
    2: {1: (0.0, 0)},
}  # the variant `rarely` serves the lists of day 0 on day 2


def rows_of(day: int) -> list[dict[str, object]]:
    columns = dict(VALUES.get(day, {}))
    if day in OLDER:
        columns["rarely", CHAMPION] = OLDER[day]
        columns["rarely", "popularity"] = VALUES[day][BASE, "popularity"]
    return [
        {
            "variant": variant, "model": model, "user_id": user, "has_list": user == 1, "n_positives": 2,
            "hits": float(hits), "hit_rate@10": float(hits > 0), "ndcg@10": value, "recall@10": hits / 2,
        }
        for (variant, model), users in columns.items()
        for user, (value, hits) in users.items()
    ]  # fmt: skip


def served(night: int) -> Served:
    as_of = FIRST + night * WEEK
    lists = {CHAMPION: f"recommend/als{night}", "popularity": f"recommend/pop{0}"}
    return Served(night, as_of, "als", lists, {CHAMPION: 120.0, "popularity": 6.0}, {})


@pytest.fixture
def found(tmp_path: Path) -> Replay:
    """A replay of three weeks; after the second nobody came back."""
    settings = load_settings(None, SETTINGS)
    variants = (Variant(BASE, settings, WEEK), Variant("rarely", settings, 4 * WEEK))
    plan = make_plan(FIRST, FIRST + 3 * WEEK, WEEK, WEEK, variants)
    results = Results(tmp_path / "replays" / "some")
    for number, day in enumerate(plan.days):
        rows = rows_of(number)
        each = Day(
            day, day + WEEK, {BASE: served(number), "rarely": served(0)}, {},
            (BASE, "rarely") if number == 0 else (BASE,), len({row["user_id"] for row in rows}), 3.0,
        )  # fmt: skip
        results.write(each, pa.Table.from_pylist(rows) if rows else None)
    days = [results.find(day) for day in plan.days]
    return Replay(plan, results, tuple(day for day in days if day is not None), "small")


def test_a_user_of_several_days_is_one_unit(found: Replay) -> None:
    outcome = summarise(found)
    first, popularity, rarely = outcome.columns
    assert (first.n_users, first.n_user_days, first.hits) == (2, 3, 4)
    assert first.mean is not None
    assert popularity.difference is not None
    assert first.mean.mean == pytest.approx(0.9 / 3)
    # Resampling gives only user 1 (0.8 / 2), only user 2 (0.1) or both: the ends are those of whole users.
    assert (first.mean.low, first.mean.high) == pytest.approx((0.1, 0.4))
    assert first.with_list == pytest.approx(2 / 3)
    assert popularity.difference.mean == pytest.approx(-0.4 / 3)
    assert (popularity.difference.low, popularity.difference.high) == pytest.approx((-0.2, 0.0))
    assert rarely.against == (BASE, CHAMPION)
    assert rarely.difference is not None
    assert rarely.difference.mean == pytest.approx(-0.3 / 3)


def test_the_first_night_is_left_out_of_the_time(found: Replay) -> None:
    """Unless it is the only one, as that of `rarely`."""
    slow = replace(found.days[0].served[BASE], seconds={CHAMPION: 600.0, "popularity": 60.0})
    first = replace(found.days[0], served={BASE: slow, "rarely": slow})
    outcome = summarise(replace(found, days=(first, *found.days[1:])))
    assert [row.seconds for row in outcome.columns] == [120.0, 6.0, 600.0]


def test_models_with_the_lists_of_base_have_no_row_in_the_table(found: Replay) -> None:
    names = [(row.variant, row.model) for row in summarise(found).columns]
    assert names == [(BASE, CHAMPION), (BASE, "popularity"), ("rarely", CHAMPION)]


def test_days_without_outcome_are_empty_in_the_csv(found: Replay) -> None:
    rows = day_rows(found)
    assert len(rows) == 3 * 4 * 3
    empty = [row for row in rows if row["value"] is None]
    assert {(row["day"], row["n_users"], row["hits"]) for row in empty} == {(FIRST + WEEK, 0, 0)}
    assert len(empty) == 4 * 3
    [one] = [
        row for row in rows
        if (row["day"], row["variant"], row["model"], row["metric"]) == (FIRST + 2 * WEEK, "rarely", CHAMPION, "ndcg")
    ]  # fmt: skip
    assert (one["value"], one["n_users"], one["made_by"], one["made_at"]) == (0.0, 1, "als", FIRST)


def test_a_day_without_outcome_is_a_gap_of_the_curves(found: Replay) -> None:
    page = render_replay(found, summarise(found))
    [panel] = re.findall(r'aria-label="champion, from .*?</svg>', page, re.DOTALL)
    lines = re.findall(r'points="([^"]*)"', panel)
    assert [len(line.split()) for line in lines] == [1, 1]  # not one line over the gap
    assert 'class="gap" x="25.0" width="50.0"' in panel


def test_a_page_needs_no_network_and_escapes_names(found: Replay) -> None:
    page = write_page(Replay(found.plan, found.results, found.days, "<b>small"), summarise(found)).read_text()
    assert "&lt;b&gt;small" in page
    assert "<strong>rarely:</strong> a night every 28 days" in page
    assert "a night every 7 days from 2020-01-06" in page
    assert "<b>small" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert "<script" not in page


def test_a_replay_without_any_outcome_has_a_page(found: Replay, tmp_path: Path) -> None:
    results = Results(tmp_path / "empty")
    days = tuple(Day(day.day, day.until, day.served, {}, day.nights, 0, 1.0) for day in found.days)
    for day in days:
        results.write(day, None)
    empty = Replay(found.plan, results, days, "small")
    outcome = summarise(empty)
    assert all(row.mean is None and row.difference is None for row in outcome.columns)
    assert "after 0 of them" in render_replay(empty, outcome)
    assert len(write_csv(empty).read_text(encoding="utf-8").splitlines()) == 1 + 3 * 4 * 3


def cookbook(found: Replay, name: str) -> list[tuple[object, ...]]:
    text = (SQL / "cookbook" / "replay" / name).read_text(encoding="utf-8")
    parameters = {"csv": str(write_csv(found)), "metric": "ndcg", "k": 10}
    with duckdb.connect(":memory:") as con:
        return con.execute(text, parameters).fetchall()


def test_the_cookbook_says_what_a_model_is_worth(found: Replay) -> None:
    assert cookbook(found, "worth_its_minutes.sql") == [
        (CHAMPION, 0.3, 0.1333, 4, 1, 2.0, 0.5),
        ("popularity", 0.1667, 0.0, 3, 0, 0.1, None),
    ]


def test_the_cookbook_says_what_rarer_nights_cost(found: Replay) -> None:
    assert cookbook(found, "cost_of_rarer_nights.sql") == [
        ("rarely", 0, 1, 2, 0.3, 0.3, 0.0),
        ("rarely", 14, 1, 1, 0.0, 0.3, -0.3),
    ]
