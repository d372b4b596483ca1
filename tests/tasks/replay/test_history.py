"""A replayed night sees nothing of its day or later, whatever happens then."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.config.load import load_settings
from tasks.errors import LockedError, UsageError
from tasks.monitoring.events import SilentWatcher
from tasks.preparation.time_windows import order_by_time
from tasks.replay.history import copy_history, has_news, open_history, open_past
from tasks.replay.plan import BASE, Variant, make_plan
from tasks.storage.home import Home, locked, open_home
from tests.tasks.replay.conftest import MONTH

DAY = datetime(2020, 6, 1)
SECOND = int((DAY - datetime(1970, 1, 1)).total_seconds())
TABLES = ("ratings", "tags", "events", "items", "users", "links", "relations")

PAST = {
    "ratings.csv": [
        "userId,movieId,rating,timestamp",
        *(
            f"{user},{item},{1 + (user + item) % 5},{SECOND - 1000 - user}"
            for user in (1, 2)
            for item in (1, 2, 3)
        ),
        f"1,3,5,{SECOND - 1}",
    ],
    "tags.csv": ["userId,movieId,tag,timestamp", f"1,2,good,{SECOND - 500}"],
    "movies.csv": ["movieId,title,genres", "1,A,Drama", "2,B,Drama", "3,C,Comedy"],
    "users.csv": ["userId,age", "1,20", "2,30"],
    "links.csv": ["userId,friendId,timestamp", f"1,2,{SECOND - 50}", f"7,1,{SECOND - 40}"],
}
FUTURE = {
    "ratings.csv": [f"1,3,1,{SECOND}", f"2,9,5,{SECOND + 5}", f"50,1,5,{SECOND + 6}"],
    "tags.csv": [f"1,2,good,{SECOND + 1}", f"2,2,bad,{SECOND}"],
    "movies.csv": ["9,Later,Western", "10,Never,Western"],
    "users.csv": ["50,40"],
    "links.csv": [f"1,50,{SECOND}", f"1,2,{SECOND + 9}"],
}


def home_of(folder: Path, *parts: dict[str, list[str]]) -> Home:
    """Return a home whose input files hold the lines of the parts."""
    source = folder / "input"
    source.mkdir(parents=True)
    for name in parts[0]:
        (source / name).write_text("\n".join(line for part in parts for line in part.get(name, [])) + "\n")
    return open_home(str(source), folder / "home", "small")


def copied(home: Home, since: datetime = DAY) -> Path:
    plan = make_plan(since, since + MONTH, MONTH, MONTH, (Variant(BASE, load_settings(None, ()), MONTH),))
    path = home.replays / "history.duckdb"
    path.parent.mkdir(exist_ok=True)
    copy_history(home, plan.variants[0].settings, plan, path, SilentWatcher())
    return path


def known_at(history: Path, day: datetime) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of every clean table that a night of that day sees."""
    with open_past(history, history.with_name("past.duckdb"), day) as con:
        databases = con.execute("select database_name from duckdb_databases() where not internal").fetchall()
        assert [name for (name,) in databases] == ["past"]
        return {table: con.execute(f"from {table} order by all").fetchall() for table in TABLES}


def test_a_future_changes_no_table_of_the_past(tmp_path: Path) -> None:
    """The one rating at the last second of all is there so that both homes have something to judge."""
    later = {"ratings.csv": [f"2,1,5,{SECOND + 900_000}"]}
    alone = known_at(copied(home_of(tmp_path / "alone", PAST, later)), DAY)
    poisoned = known_at(copied(home_of(tmp_path / "poisoned", PAST, FUTURE, later)), DAY)
    assert poisoned == alone
    assert len(alone["ratings"]) == 7
    assert [row[0] for row in alone["items"]] == [1, 2, 3]
    assert {row[:2] for row in alone["links"]} == {(1, 2), (1, 7)}


def test_the_next_day_sees_the_future(tmp_path: Path) -> None:
    history = copied(home_of(tmp_path, PAST, FUTURE))
    later = known_at(history, DAY + MONTH)
    assert {row[0] for row in later["items"]} == {1, 2, 3, 9}  # nobody ever met item 10
    assert {row[0] for row in later["users"]} == {1, 2, 50}
    assert len(later["ratings"]) == 10


def test_later_text_ids_do_not_turn_integers_into_text(tmp_path: Path) -> None:
    """2 % of all ids are text, so that a first night on all data would choose text."""
    many = [f"{user},{item},4,{SECOND - 5000 - user}" for user in range(20) for item in range(10)]
    words = [f"u{place},1,5,{SECOND + place}" for place in range(6)]
    for name, future in (("alone", words[:0]), ("poisoned", words)):
        rows = {"ratings.csv": [PAST["ratings.csv"][0], *many, f"1,50,4,{SECOND + 5}", *future]}
        known = known_at(copied(home_of(tmp_path / name, rows)), DAY)
        assert {type(row[0]) for row in known["ratings"]} == {int}, name
        assert len(known["ratings"]) == 200


def test_the_copy_judges_while_views_are_made_in_memory(tmp_path: Path) -> None:
    history = copied(home_of(tmp_path, PAST, FUTURE))
    before = history.read_bytes()
    with open_history(history) as con:
        con.execute("create view positive as from ratings where rating >= 4")
        assert con.execute("select count(*) from positive").fetchone() != (0,)
    assert history.read_bytes() == before


@pytest.mark.parametrize(
    ("since", "message"),
    [
        (datetime(1999, 1, 1), "no interaction before --from 1999-01-01"),
        (datetime(2031, 1, 1), "no interaction from 2031-01-01 until 2031-01-29"),
    ],
)
def test_days_outside_the_data_are_refused(tmp_path: Path, since: datetime, message: str) -> None:
    with pytest.raises(UsageError, match=message) as refused:
        copied(home_of(tmp_path, PAST, FUTURE), since)
    assert refused.value.hint.endswith(("2020-05-31. Give a later --from.", "lie within the data."))
    assert not list((tmp_path / "home" / "replays").glob("*.duckdb"))


def test_a_night_at_the_beginning_is_waited_for_by_hand(tmp_path: Path) -> None:
    home = home_of(tmp_path, PAST, FUTURE)
    with locked(home), pytest.raises(LockedError, match="Another night is running"):
        copied(home)


def test_news_are_interactions_inside_the_window(tmp_path: Path) -> None:
    with open_history(copied(home_of(tmp_path, PAST, FUTURE))) as con:
        order_by_time(con)
        assert has_news(con, DAY, DAY + MONTH)
        assert not has_news(con, DAY + MONTH, DAY + 2 * MONTH)
