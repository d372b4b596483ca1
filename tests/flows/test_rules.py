"""Rules of single items, from SQL in the serving database to the published lists, in nights without Prefect."""

import sqlite3
from pathlib import Path

import pytest

from tasks.config.load import load_settings
from tasks.monitoring.events import SilentWatcher
from tasks.reporting.compare_runs import compare
from tasks.run.lifecycle import Outcome, run_night
from tasks.storage.home import Home, open_home
from tests.flows.unjudged_night import publishes

HEADER = "userId,movieId,rating,timestamp\n"
RATINGS = [(user, item) for user in range(1, 9) for item in range(1, 13) if (user + item) % 3]
GENRES = {item: "Drama" if item % 2 else "Crime" for item in range(1, 13)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    raw = tmp_path / "shop"
    raw.mkdir()
    rows = [f"{user},{item},{4 + user % 2},{1_600_000_000 + user * item}\n" for user, item in RATINGS]
    (raw / "ratings.csv").write_text(HEADER + "".join(rows))
    films = [f"{item},Film {item},{genre}\n" for item, genre in GENRES.items()]
    (raw / "movies.csv").write_text("movieId,title,genres\n" + "".join(films))
    return open_home(str(raw), tmp_path / "home")


def one_night(home: Home, *settings: str) -> Outcome:
    chosen = load_settings(
        None,
        (
            "recommend.n=3",
            "models.als.factors=2",
            "models.als.matrix=positive",
            "recommend.similar_model=content",
            *settings,
        ),
    )
    return run_night(home, chosen, publishes("als"), SilentWatcher())


def sql(home: Home, statement: str) -> list[tuple]:
    with sqlite3.connect(home.path / "recommendations.db") as con:
        rows = con.execute(statement).fetchall()
    con.close()
    return rows


def test_new_rules_start_a_night_that_follows_them(home: Home) -> None:
    first = one_night(home)
    assert first.run.status == "published"
    assert one_night(home).nothing_new
    before = sql(home, "select item_id from recommendations")
    blocked = before[0][0]
    pinned = next(item for item in GENRES if item != blocked)
    sql(home, f"insert into item_rules (rule, item_id) values ('block', {blocked}), ('pin', {pinned})")

    outcome = one_night(home)
    assert not outcome.nothing_new
    assert outcome.run.status == "published", outcome.run.reason
    for view in ("recommendations", "similar_items", "fallback_recommendations"):
        rows = sql(home, f"select * from {view} where item_id = {blocked}")
        assert rows == [], view
    assert sql(home, f"select * from similar_items where similar_item_id = {blocked}") == []
    without_pinned = {user for (user,) in sql(home, "select user_id from recommendations")} - {
        user for user, item in RATINGS if item == pinned
    }
    assert without_pinned
    on_top = sql(home, f"select user_id, model, model_score from recommendations where item_id = {pinned}")
    assert sorted(on_top) == [(user, "pinned", None) for user in sorted(without_pinned)]
    assert sql(home, "select item_id from fallback_recommendations where segment = 'all' and rank = 1") == [
        (pinned,)
    ]
    changed = {
        change.name: change
        for change in compare(home, first.run.run_id, outcome.run.run_id, n_users=1).settings
    }
    assert [*changed] == ["item_rules"]
    assert changed["item_rules"].a is None
    assert one_night(home).nothing_new


def test_an_expired_rule_starts_a_new_night(home: Home) -> None:
    one_night(home)
    sql(
        home,
        "insert into item_rules (rule, item_id, valid_until) "
        "select 'block', item_id, date('now', '+2 days') from items limit 1",
    )
    one_night(home)
    assert one_night(home).nothing_new
    sql(home, "update item_rules set valid_until = date('now', '-1 day')")
    outcome = one_night(home)
    assert not outcome.nothing_new
    assert outcome.run.status == "published"


def test_lists_hold_only_allowed_genres(home: Home) -> None:
    outcome = one_night(home, "recommend.genres=Drama")
    assert outcome.run.status == "published", outcome.run.reason
    listed = "select item_id from recommendations union select similar_item_id from similar_items"
    assert {GENRES[item] for (item,) in sql(home, listed)} == {"Drama"}


def test_reasons_are_items_the_user_liked(home: Home) -> None:
    one_night(home)
    reasons = sql(
        home, "select user_id, reason_item_id from recommendations where reason_item_id is not null"
    )
    assert reasons
    assert set(reasons) <= set(RATINGS)
