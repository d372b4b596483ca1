"""The queries for application developers, on both kinds of database."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime

import pytest
import sqlalchemy as sa

from tasks.publication.publish import publish
from tasks.publication.targets.base import Target
from tasks.publication.targets.postgresql import PostgreSQLTarget
from tasks.storage.warehouse import SQL
from tests.tasks.publication.published_lists import BIGINTS, write_lists
from tests.tasks.serving import Serving

DOCS = SQL.parent / "docs" / "serving.md"
ITEMS = [(1, "Alien", "Horror|Sci-Fi"), (2, "Brazil", "Sci-Fi"), (3, "Clue", None), (4, None, None)]
SIMILAR = [(1, 1, 2, 0.9), (1, 2, 3, 0.8), (1, 3, 4, 0.7)]
FALLBACK = [("all", 1, 4, 9.0), ("all", 2, 3, 8.0), ("Horror", 1, 1, 7.0)]
# In run 2 user 1's list is unchanged, user 2 has another second item, and user 3 is new.
LISTS = {
    1: {1: [1, 2], 2: [1, 3], 9: [4]},
    2: {1: [1, 2], 2: [1, 4], 3: [2, 1]},
}
COLD_USER_ROWS = [
    (1, 4, None, None, 9.0, None, 0, 2, None, None),
    (2, 3, "Clue", None, 8.0, None, 0, 2, None, None),
]


@pytest.fixture(scope="module")
def published(shared_serving: Serving) -> Serving:
    """A serving database in which run 2 is live and run 1 is kept."""
    with shared_serving.opened() as target:
        target.ensure_schema(BIGINTS)
        for run, by_user in LISTS.items():
            folder = shared_serving.folder / str(run)
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
    return shared_serving


@pytest.fixture
def serving(published: Serving) -> Iterator[Serving]:
    """The same for each test: `seen_since` is emptied afterwards."""
    yield published
    published.execute("delete from seen_since")


@pytest.fixture
def target(serving: Serving) -> Iterator[Target]:
    with serving.opened() as target:
        yield target


def run(target: Target, file: str, **parameters: object) -> list[tuple]:
    return [tuple(row) for row in target.query(file, **parameters)]


def login(target: Target, user: int, n: int, segment: str | None = None) -> list[tuple]:
    """Run the login query; on PostgreSQL, check that the function returns the same."""
    rows = run(target, "serving/login.sql", user=user, n=n, segment=segment)
    if isinstance(target, PostgreSQLTarget):
        with target.read() as con:
            function = "select * from login_recommendations(%s, %s, %s)"
            assert [tuple(row) for row in con.exec_driver_sql(function, (user, n, segment))] == rows
    return rows


def test_login_returns_the_personal_list(target: Target) -> None:
    assert login(target, 1, 10) == [
        (1, 1, "Alien", "Horror|Sci-Fi", -1.0, "als", 1, 2, None, None),
        (2, 2, "Brazil", "Sci-Fi", -2.0, "als", 1, 2, 3, "Clue"),
    ]
    assert len(login(target, 1, 1)) == 1


def test_login_returns_the_fallback_list_to_cold_users(target: Target) -> None:
    assert login(target, 9, 10) == COLD_USER_ROWS
    assert login(target, 9, 1) == COLD_USER_ROWS[:1]


def test_login_returns_the_fallback_list_of_a_segment(target: Target) -> None:
    assert login(target, 9, 10, "Horror") == [(1, 1, "Alien", "Horror|Sci-Fi", 7.0, None, 0, 2, None, None)]
    assert login(target, 9, 10, "Western") == COLD_USER_ROWS
    assert [row[1] for row in login(target, 1, 10, "Horror")] == [1, 2], (
        "a user with a list gets it, whatever the segment"
    )


def test_login_leaves_out_seen_items_and_is_never_empty(target: Target, serving: Serving) -> None:
    serving.execute("insert into seen_since (user_id, item_id) values (1, 1), (9, 4)")
    assert [row[:2] for row in login(target, 1, 10)] == [(2, 2)]
    assert [row[1] for row in login(target, 9, 1)] == [3]
    serving.execute("insert into seen_since (user_id, item_id) values (1, 2), (9, 3), (9, 1)")
    assert login(target, 1, 10) == COLD_USER_ROWS, "all items of the list were seen"
    assert login(target, 9, 10, "Horror") == COLD_USER_ROWS
    assert [row[1] for row in login(target, 2, 10)] == [1, 4]


def test_login_reads_rows_by_key_without_scans(target: Target) -> None:
    query = (SQL / "serving/login.sql").read_text(encoding="utf-8")
    named = {"user": 1, "n": 10, "segment": None}
    with target.read() as con:
        if isinstance(target, PostgreSQLTarget):
            con.exec_driver_sql("set enable_seqscan = off")  # the tables have ten rows
            (plan,) = con.execute(sa.text(f"explain (analyze, format json) {query}"), named).scalar_one()
            nodes = [*scans(plan["Plan"])]
            read = {node["Relation Name"] for node in nodes if node["Actual Loops"]}
            assert all(
                node["Node Type"].startswith(("Index", "Bitmap"))
                for node in nodes
                if node["Actual Loops"] and node["Relation Name"] not in {"active_run"}
            ), json.dumps(plan, indent=1)
            assert "recommendations_2" in read
            assert not read & {"recommendations_1", "fallback_recommendations_1", "similar_items_1"}
            return
        plan = [row[3] for row in con.execute(sa.text(f"explain query plan {query}"), named)]
        touched = [step for step in plan if re.search(r"(recommendations|items|seen_since)", step)]
        assert touched
        assert all("USING PRIMARY KEY" in step or "USING INDEX" in step for step in touched), plan


def scans(node: dict) -> Iterator[dict]:
    """Yield the nodes of a plan that read a table."""
    if "Relation Name" in node:
        yield node
    for part in node.get("Plans", ()):
        yield from scans(part)


def test_similar_items_have_titles(target: Target) -> None:
    assert run(target, "serving/similar.sql", item=1, n=2) == [
        (1, 2, "Brazil", "Sci-Fi", 0.9, 2),
        (2, 3, "Clue", None, 0.8, 2),
    ]


def test_user_list_names_reasons(target: Target) -> None:
    assert run(target, "cookbook/user_list.sql", user=2) == [
        (1, 1, "Alien", "Horror|Sci-Fi", -1.0, "als", None),
        (2, 4, None, None, -2.0, "als", "Clue"),
    ]


def test_new_users_are_those_without_an_earlier_list(target: Target) -> None:
    assert run(target, "cookbook/new_users.sql", n=1) == [(3, 1, 2, "Brazil", -1.0)]


def test_because_you_rated_puts_items_of_the_list_first(target: Target, serving: Serving) -> None:
    """User 2 has item 4 on the list: it is first although it is the least similar."""

    def asked() -> list[tuple]:
        return run(target, "cookbook/because_you_rated.sql", user=2, item=1, n=2)

    assert asked() == [(4, None, 0.7, 2), (2, "Brazil", 0.9, None)]
    serving.execute("insert into seen_since (user_id, item_id) values (2, 2), (1, 4)")
    assert asked() == [(4, None, 0.7, 2), (3, "Clue", 0.8, None)]


def test_most_recommended_counts_users(target: Target) -> None:
    assert run(target, "cookbook/most_recommended.sql", top=10, n=2) == [
        (1, "Alien", 3, 1.0),
        (2, "Brazil", 2, pytest.approx(2 / 3)),
    ]


def test_changed_lists_counts_new_items(target: Target) -> None:
    assert run(target, "cookbook/changed_lists.sql", top=10) == [(2, 1, 2)]
    assert run(target, "cookbook/changed_lists.sql", top=1) == []


def test_every_query_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    files = [*(SQL / "cookbook").glob("*.sql"), SQL / "serving" / "login.sql"]
    assert [file.name for file in files if file.name not in text] == []


def test_trial_arms_are_those_of_the_newest_scoring(target: Target) -> None:
    row = {
        "period": "live", "since": datetime(2026, 1, 1), "until": datetime(2026, 1, 2), "variant": None, "model": "all",
        "segment": "all", "metric": "ndcg", "k": 10, "ci_low": 0.0, "ci_high": 1.0, "n_interactions": 9,
    }  # fmt: skip
    arms = [row | {"variant": "control", "n_users": 90}, row | {"variant": "trial", "n_users": 10}]
    early = [each | {"run_id": 1, "value": 0.1} for each in arms]
    late = [each | {"run_id": 1, "value": 0.25 if each["variant"] == "trial" else 0.125} for each in arms]
    others = [
        early[0] | {"run_id": 1, "value": 9.0, **change}
        for change in (
            {"period": "to_date"},
            {"k": 20},
            {"model": "als"},
            {"segment": "new"},
            {"variant": None},
        )
    ]
    target.record_outcomes(2, early)
    target.record_outcomes(
        3, [*late, *others, row | {"run_id": 2, "variant": "control", "value": 1.0, "n_users": 1}]
    )
    [found] = run(target, "cookbook/trial_arms.sql", metric="ndcg", k=10)
    assert (found[0], *found[3:]) == (1, 0.125, 0.25, 0.125, 90, 10)
