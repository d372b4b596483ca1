"""Every query handed to application developers, run by plain sqlite3 on a real database, as documented."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from tasks.publish import publish
from tasks.targets.registry import open_target
from tasks.warehouse import SQL
from tests.tasks.published_lists import BIGINTS, OWNER, write_lists

DOCS = SQL.parent / "docs" / "serving.md"
ITEMS = [(1, "Alien", "Horror|Sci-Fi"), (2, "Brazil", "Sci-Fi"), (3, "Clue", None), (4, None, None)]
SIMILAR = [(1, 1, 2, 0.9), (1, 2, 3, 0.8), (1, 3, 4, 0.7)]
FALLBACK = [("all", 1, 4, 9.0), ("all", 2, 3, 8.0), ("Horror", 1, 1, 7.0)]
# user 1's list stays, user 2's second item changes, user 3 is new in run 2
LISTS = {
    1: {1: [1, 2], 2: [1, 3], 9: [4]},
    2: {1: [1, 2], 2: [1, 4], 3: [2, 1]},
}


@pytest.fixture
def con(tmp_path: Path) -> sqlite3.Connection:
    address = f"sqlite:///{tmp_path}/recommendations.db"
    with open_target(address, owner=OWNER) as target:
        target.claim(BIGINTS)
        for run, by_user in LISTS.items():
            folder = tmp_path / str(run)
            folder.mkdir()
            ranked = [
                (user, rank, item, -float(rank), "als", None, 3 if rank == 2 else None)
                for user, items in by_user.items()
                for rank, item in enumerate(items, 1)
            ]
            lists = write_lists(
                folder,
                recommendations=ranked,
                similar_items=SIMILAR,
                fallback_recommendations=FALLBACK,
                items=ITEMS,
            )
            publish(target, run, lists, expected_live=target.live_run(), keep_runs=2)
    return sqlite3.connect(f"{(tmp_path / 'recommendations.db').as_uri()}?mode=ro", uri=True)


def run(con: sqlite3.Connection, file: str, **parameters: object) -> list[tuple]:
    return con.execute((SQL / file).read_text(encoding="utf-8"), parameters).fetchall()


def test_login_returns_the_personal_list(con: sqlite3.Connection) -> None:
    assert run(con, "serving/login.sql", user=1, n=10) == [
        (1, 1, "Alien", "Horror|Sci-Fi", -1.0, "als", 1, 2, None, None),
        (2, 2, "Brazil", "Sci-Fi", -2.0, "als", 1, 2, 3, "Clue"),
    ]
    assert len(run(con, "serving/login.sql", user=1, n=1)) == 1


def test_login_returns_the_fallback_to_strangers(con: sqlite3.Connection) -> None:
    assert run(con, "serving/login.sql", user=9, n=10) == [
        (1, 4, None, None, 9.0, None, 0, 2, None, None),
        (2, 3, "Clue", None, 8.0, None, 0, 2, None, None),
    ]


def test_login_looks_rows_up_by_their_key_and_scans_nothing(con: sqlite3.Connection) -> None:
    query = (SQL / "serving/login.sql").read_text(encoding="utf-8")
    plan = [row[3] for row in con.execute(f"explain query plan {query}", {"user": 1, "n": 10})]
    touched = [step for step in plan if re.search(r"(recommendations|items)", step)]
    assert touched
    assert all("USING PRIMARY KEY" in step or "USING INDEX" in step for step in touched), plan


def test_similar_items(con: sqlite3.Connection) -> None:
    assert run(con, "serving/similar.sql", item=1, n=2) == [
        (1, 2, "Brazil", "Sci-Fi", 0.9, 2),
        (2, 3, "Clue", None, 0.8, 2),
    ]


def test_user_list(con: sqlite3.Connection) -> None:
    assert run(con, "cookbook/user_list.sql", user=2) == [
        (1, 1, "Alien", "Horror|Sci-Fi", -1.0, "als", None),
        (2, 4, None, None, -2.0, "als", "Clue"),
    ]


def test_new_users(con: sqlite3.Connection) -> None:
    assert run(con, "cookbook/new_users.sql", n=1) == [(3, 1, 2, "Brazil", -1.0)]


def test_because_you_rated(con: sqlite3.Connection) -> None:
    """User 2 has item 4 on the list: it comes first although it is the least similar."""
    assert run(con, "cookbook/because_you_rated.sql", user=2, item=1, n=2, seen=None) == [
        (4, None, 0.7, 2),
        (2, "Brazil", 0.9, None),
    ]
    assert run(con, "cookbook/because_you_rated.sql", user=2, item=1, n=2, seen="[2, 99, null]") == [
        (4, None, 0.7, 2),
        (3, "Clue", 0.8, None),
    ]


def test_most_recommended(con: sqlite3.Connection) -> None:
    assert run(con, "cookbook/most_recommended.sql", top=10, n=2) == [
        (1, "Alien", 3, 1.0),
        (2, "Brazil", 2, pytest.approx(2 / 3)),
    ]


def test_changed_lists(con: sqlite3.Connection) -> None:
    assert run(con, "cookbook/changed_lists.sql", top=10) == [(2, 1, 2)]
    assert run(con, "cookbook/changed_lists.sql", top=1) == []


def test_every_query_is_in_the_documentation() -> None:
    text = DOCS.read_text(encoding="utf-8")
    files = [*(SQL / "cookbook").glob("*.sql"), SQL / "serving" / "login.sql"]
    assert [file.name for file in files if file.name not in text] == []
