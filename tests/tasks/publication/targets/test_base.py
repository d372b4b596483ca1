"""The contract of every kind of serving database: owner, refusals, records, upgrade, values.

The tests of another kind import all tests of this module and define a `serving` fixture of their own.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tasks.artifacts import Lists
from tasks.errors import UsageError
from tasks.publication.errors import ListsChangedError
from tasks.publication.maintenance import verify
from tasks.publication.publish import publish, rollback
from tasks.publication.targets import base
from tasks.publication.targets.base import Target, prefetch
from tasks.publication.targets.connect import open_target, read_target
from tasks.publication.targets.postgresql import PostgreSQLTarget
from tasks.publication.targets.schema import KINDS, PREVIOUS, SCHEMA_VERSION
from tasks.storage.warehouse import SQL
from tests.tasks.publication.published_lists import BIGINTS, TEXTS, make_lists, write_lists
from tests.tasks.serving import Serving

HOSTILE = [
    "'; drop table items; --", '"quoted"', "back\\slash", "\\N", "tab\tand\nnew line\r\n", "{a,b}", "%s %(x)s :user",
    "مرحبا \u202eabc", "emoji 🎬", "x" * 10_240, " ", "NULL", "\x01\x7f",
]  # fmt: skip


@pytest.fixture
def prepared(serving: Serving) -> Serving:
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
    return serving


def publish_some(target: Target, serving: Serving, *runs: int, **sizes: int) -> None:
    for run in runs:
        lists = make_lists(serving.folder / f"lists-{run}", run, **sizes)
        assert publish(target, run, lists, expected_live=target.live_run(), keep_runs=5).switched


def test_without_a_schema_everything_is_empty(serving: Serving) -> None:
    with serving.opened() as target:
        assert not target.has_schema
        assert target.live_run() is None
        assert target.held_back() == set()
        assert target.published_runs() == ()


def test_ensure_schema_is_idempotent(prepared: Serving) -> None:
    with prepared.opened() as target:
        target.ensure_schema(BIGINTS)
        assert target.ids == BIGINTS


def test_another_owner_is_refused(prepared: Serving) -> None:
    with pytest.raises(UsageError, match="belongs to another home"), open_target(prepared.url, owner="other"):
        pass


def test_reading_needs_no_owner(prepared: Serving) -> None:
    with read_target(prepared.url) as target:
        assert target.live_run() is None


def test_other_id_types_are_refused(prepared: Serving) -> None:
    with prepared.opened() as target:
        with pytest.raises(UsageError, match="made for BIGINT user ids"):
            target.ensure_schema(TEXTS)
        assert target.ids == BIGINTS


def test_a_newer_schema_is_refused(prepared: Serving) -> None:
    prepared.execute("update schema_version set version = 99")
    with pytest.raises(UsageError, match="newer"), prepared.opened():
        pass


@pytest.mark.parametrize("table", ["items", "recommendations", "schema_version", "similar_items_2023"])
def test_a_database_with_foreign_tables_is_refused_unchanged(serving: Serving, table: str) -> None:
    with serving.opened():
        serving.execute(f"create table {table} (price double precision)")
    with (
        pytest.raises(UsageError, match=f"has a table '{table}' that nightly-recs did not make"),
        serving.opened() as target,
    ):
        target.ensure_schema(BIGINTS)
    assert serving.tables() == {table}


def test_live_tops_are_the_first_rows_of_each_list(
    prepared: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_FETCH_ROWS", 7)
    with prepared.opened() as target:
        assert target.live_tops(3) is None
        publish_some(target, prepared, 1, 2)
        tops = target.live_tops(3)
    assert tops is not None
    assert sorted(tops.to_pylist(), key=lambda row: row["user_id"]) == [
        {"user_id": user, "item_id": (user + rank + 2) % 40 + 1}
        for user in range(1, 31)
        for rank in (1, 2, 3)
    ]


def test_run_records_are_upserted_and_replaced(prepared: Serving) -> None:
    began = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
    row = {"model": "als", "half": "report", "segment": "all", "metric": "ndcg", "k": 10}
    with prepared.opened() as target:
        target.record_run({"run_id": 5, "started_at": began, "status": "running"})
        target.record_run(
            {
                "run_id": 5,
                "started_at": "2026-11-02T04:00:00+01:00",
                "status": "published",
                "rows": 9,
                "as_of": None,
            }
        )
        for value in (0.1, 0.2):
            target.record_metrics(5, [row | {"value": value}, row | {"value": value, "k": 20}])
            target.record_checks(5, [{"check": "rows", "value": value, "limit": 1.0, "passed": True}])
            time = {"stage": "fit", "model": "als", "seconds": value, "peak_mb": 1.0, "stored": False}
            target.record_stage_times(5, [time])
            target.record_drift(5, [{"measure": "ratings", "value": value, "reference": None, "n_nights": 2}])
        target.record_checks(6, [])
    ((run, started, status, rows),) = prepared.query(
        "select run_id, started_at, status, rows from pipeline_runs"
    )
    assert (run, str(started)[:19], status, rows) == (5, "2026-11-02 03:00:00", "published", 9)
    assert prepared.query("select k, value, ci_low from model_metrics order by k") == [
        (10, 0.2, None), (20, 0.2, None),
    ]  # fmt: skip
    assert prepared.query('select "check", value, "limit", passed from run_checks') == [
        ("rows", 0.2, 1.0, True)
    ]
    assert prepared.query("select stage, model, seconds, peak_mb, stored from stage_times") == [
        ("fit", "als", 0.2, 1, False)
    ]
    assert prepared.query("select * from run_drift") == [(5, "ratings", 0.2, None, 2)]


def test_details_stay_for_some_runs(prepared: Serving) -> None:
    row = {"model": "als", "metric": "ndcg", "k": 10, "value": 0.2, "half": "report"}
    scored = {"period": "live", "since": began(1), "until": began(2), "segment": "all"}
    outcome = {name: value for name, value in (row | scored).items() if name != "half"}
    with prepared.opened() as target:
        for run in (5, 6, 7):
            target.record_metrics(run, [row | {"segment": segment} for segment in ("all", "heavy")])
            target.record_outcomes(run, [outcome | {"run_id": run - 1}, outcome | {"run_id": run - 2}])
        target.remove_old_details({6, 7, 8})
        assert len(prepared.query("select * from run_outcomes")) == 5, "4 was scored by 5, and by 6 again"
        target.remove_old_details({7})
    rows = prepared.query("select run_id, segment from model_metrics order by run_id, segment")
    assert rows == [(5, "all"), (6, "all"), (7, "all"), (7, "heavy")]
    rows = prepared.query("select scored_by, run_id from run_outcomes order by scored_by, run_id")
    assert rows == [(5, 3), (6, 4), (7, 5), (7, 6)], "of every run, the newest"


def began(day: int) -> datetime:
    return datetime(2026, 11, day, 3, 0, tzinfo=UTC)


def test_rows_are_read_back_by_primary_key(prepared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_FETCH_ROWS", 13)
    with prepared.opened() as target:
        publish_some(target, prepared, 1)
        rows = pa.Table.from_batches(target.rows(1, "similar_items")).to_pylist()
    assert rows == [
        {"item_id": i, "rank": r, "similar_item_id": (i + r) % 40 + 1, "score": 1000.0 - r}
        for i in range(1, 41)
        for r in range(1, 6)
    ]


def test_the_size_of_a_run_is_recorded(prepared: Serving) -> None:
    with prepared.opened() as target:
        publish_some(target, prepared, 1, users=30)
        publish_some(target, prepared, 2, users=3000)
        large, small = (run.bytes or 0 for run in target.published_runs())
    assert 30_000 * 20 < large < 30_000 * 200
    assert 0 < small < large / 5


def test_a_read_transaction_sees_one_run(prepared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgreSQLTarget, "patience", 0.3)
    how_many = sa.text("select count(*), max(run_id) from recommendations")
    with prepared.opened() as target, read_target(prepared.url) as reader:
        publish_some(target, prepared, 1)
        with reader.read() as con:
            before = con.execute(how_many).one()
            publish_some(target, prepared, 2)
            assert con.execute(how_many).one() == before
        with reader.read() as con:
            assert con.execute(how_many).one() != before


def test_errors_do_not_contain_parameters(prepared: Serving) -> None:
    with prepared.opened() as target, pytest.raises(sa.exc.DBAPIError) as caught, target.write() as con:
        con.execute(sa.text("select nonsense where '1' = :secret"), {"secret": "a user's name"})
    assert "nonsense" in str(caught.value)
    assert "a user's name" not in str(caught.value)


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_text_is_read_back_unchanged(serving: Serving, seed: int) -> None:
    """As ids, titles, genres, models and segments."""
    texts = sorted(HOSTILE, key=lambda text: text.encode())
    random.Random(seed).shuffle(HOSTILE)
    reasons = [*HOSTILE[1:], None]
    folder = serving.folder / "lists"
    folder.mkdir()
    recommendations = [
        (u, 1, i, 1.0, m, None, r) for u, i, m, r in zip(texts, HOSTILE, HOSTILE, reasons, strict=True)
    ]
    similar = [(i, 1, texts[0], 0.5) for i in texts]
    lists = write_lists(
        folder,
        recommendations=recommendations,
        similar_items=similar,
        fallback_recommendations=[(segment, 1, texts[1], 1.0) for segment in texts],
        items=[(i, title, title) for i, title in zip(texts, HOSTILE, strict=True)],
    )
    with serving.opened() as target:
        target.ensure_schema(TEXTS)
        assert publish(target, 1, lists, expected_live=None, keep_runs=2).switched
        stored = {
            kind: [tuple(row.values()) for block in target.rows(1, kind) for row in block.to_pylist()]
            for kind in KINDS
        }
        login = target.query("serving/login.sql", user=texts[3], n=5, segment=None)
    if serving.is_postgresql:
        with serving.application() as con:
            found = con.execute("select item_id from login_recommendations(%s, 5)", (texts[3],)).fetchall()
        assert found == [(HOSTILE[3],)]
    assert stored["recommendations"] == [(*row, None) for row in recommendations]
    assert stored["similar_items"] == similar
    assert [row[0] for row in stored["fallback_recommendations"]] == texts
    titled = {(i, title, title) for i, title in zip(texts, HOSTILE, strict=True)}
    assert {*serving.query("select item_id, title, genres from items")} == titled
    assert [row.item_id for row in login] == [HOSTILE[3]]


def test_an_older_schema_is_upgraded_when_its_owner_opens_it(prepared: Serving) -> None:
    with prepared.opened() as target:
        publish_some(target, prepared, 1, 2)
    if prepared.is_postgresql:
        prepared.execute("drop function login_recommendations")
    prepared.execute(
        "drop table seen_since",
        "alter table published_runs drop column digest",
        "alter table published_runs drop column bytes",
        "update schema_version set version = 2",
    )
    with pytest.raises(UsageError, match="older nightly-recs"), read_target(prepared.url):
        pass
    for _ in range(2):
        with prepared.opened() as target:
            assert [(run.run_id, run.digest) for run in target.published_runs()] == [(2, None), (1, None)]
            assert target.live_run() == 2
            assert target.query("serving/login.sql", user=1, n=10, segment=None)[0].run_id == 2
        if prepared.is_postgresql:
            assert prepared.query("select count(*) from login_recommendations(1, 10)") == [(10,)]
    assert prepared.query("select version from schema_version") == [(SCHEMA_VERSION,)]
    with prepared.opened() as target:
        publish_some(target, prepared, 3)
    assert prepared.query(f"select distinct run_id from {PREVIOUS}") == [(2,)]


def make_schema_4(serving: Serving) -> None:
    """Turn a database whose runs 1 and 2 were published into one of version 4, which knew no variants."""
    cascade = " cascade" if serving.is_postgresql else ""
    serving.execute(*(f"drop view {view}{cascade}" for view in ("recommendations", PREVIOUS)))
    if serving.is_postgresql:
        serving.execute("alter table recommendations_by_run drop column variant")
        serving.execute((SQL / "serving/postgresql/views.sql").read_text().replace(", variant", ""))
    else:
        for run, view in ((1, PREVIOUS), (2, "recommendations")):
            serving.execute(f"alter table recommendations_{run} drop column variant")
            serving.execute(f"create view {view} as select *, {run} as run_id from recommendations_{run}")
    serving.execute("drop table run_outcomes", "update schema_version set version = 4")


def trial_lists(folder: Path, run: int) -> Lists:
    """Return lists of a run with a trial, which users with even ids are in."""
    lists = make_lists(folder, run)
    path = folder / "recommendations.parquet"
    table = pq.read_table(path)
    arms = ["control" if user % 2 else "trial" for user in table["user_id"].to_pylist()]
    pq.write_table(table.append_column("variant", pa.array(arms)), path)
    return lists


def test_runs_of_schema_4_have_no_variant_beside_those_of_a_trial(prepared: Serving) -> None:
    with prepared.opened() as target:
        publish_some(target, prepared, 1, 2)
    make_schema_4(prepared)
    with prepared.opened() as target:
        assert prepared.query("select distinct variant, run_id from recommendations") == [(None, 2)]
        verify(target, 2)
        lists = trial_lists(prepared.folder / "lists-3", 3)
        assert publish(target, 3, lists, expected_live=2, keep_runs=5).switched
        verify(target, 3)
        assert target.query("serving/login.sql", user=1, n=10, segment=None)[0].run_id == 3
        arms = (
            "select variant, count(distinct user_id), min(user_id) from recommendations group by 1 order by 1"
        )
        assert prepared.query(arms) == [("control", 15, 1), ("trial", 15, 2)]
        assert prepared.query(f"select distinct variant, run_id from {PREVIOUS}") == [(None, 2)]
        rollback(target)
        verify(target, 1)
    assert prepared.query("select distinct variant, run_id from recommendations") == [(None, 2)]
    if prepared.is_postgresql:
        assert prepared.query("select count(*) from login_recommendations(1, 10)") == [(10,)]


def test_a_variant_that_was_changed_is_found(prepared: Serving) -> None:
    with prepared.opened() as target:
        assert publish(
            target, 1, trial_lists(prepared.folder / "l", 1), expected_live=None, keep_runs=5
        ).switched
        verify(target, 1)
        prepared.execute("update recommendations_1 set variant = 'control' where user_id = 2")
        with pytest.raises(ListsChangedError):
            verify(target, 1)


def test_outcomes_of_a_resumed_night_replace_those_before(prepared: Serving) -> None:
    row = {
        "run_id": 1, "period": "to_date", "since": datetime(2026, 1, 1), "until": datetime(2026, 1, 2),
        "variant": None, "model": "all", "segment": "all", "metric": "ndcg", "k": 10, "value": 0.1, "ci_low": 0.0,
        "ci_high": 0.2, "n_users": 5, "n_interactions": 9,
    }  # fmt: skip
    with prepared.opened() as target:
        target.record_outcomes(2, [row, row | {"k": 20}])
        target.record_outcomes(3, [row | {"value": 0.3}])
        target.record_outcomes(2, [row])
        target.record_outcomes(2, [row])
    found = prepared.query("select run_id, scored_by, k, value from run_outcomes order by scored_by")
    assert found == [(1, 2, 10, 0.1), (1, 3, 10, 0.3)]


# -- prefetch ---------------------------------------------------------------------------------------------


def test_prefetch_yields_the_same_items() -> None:
    assert list(prefetch(iter(range(1000)))) == list(range(1000))
    assert list(prefetch([])) == []
    assert list(prefetch([None, None])) == [None, None]


def test_prefetch_makes_only_one_item_ahead() -> None:
    made: list[int] = []

    def making():
        for n in range(5):
            made.append(n)
            yield n

    for taken, n in enumerate(prefetch(making()), 1):
        assert n == taken - 1
        assert len(made) <= taken + 1


def test_prefetch_raises_an_error_in_the_place_of_its_item() -> None:
    def making():
        yield 1
        raise ZeroDivisionError

    items = prefetch(making())
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)
