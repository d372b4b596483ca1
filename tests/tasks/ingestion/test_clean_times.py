"""Cleaning of timestamps: notations that are read, and times that are rejected."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.storage.warehouse import open_warehouse
from tests.tasks.inputs import EVENTS, LENIENT, RATINGS, TAGS, counts, land_and_clean, rows

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000000000", "2001-09-09 01:46:40"),
        ("1000000000.25", "2001-09-09 01:46:40.25"),
        ("1e9", "2001-09-09 01:46:40"),
        ("1000000000123", "2001-09-09 01:46:40.123"),
        ("1000000000123456", "2001-09-09 01:46:40.123456"),
        ("2001-09-09T01:46:40Z", "2001-09-09 01:46:40"),
        ("2001-09-09T03:46:40+02:00", "2001-09-09 01:46:40"),
        (" 2001-09-09 01:46:40 ", "2001-09-09 01:46:40"),
        ("2001-09-09", "2001-09-09 00:00:00"),
        ("86400", "1970-01-02 00:00:00"),
        ("2199-12-31T23:59:59", "2199-12-31 23:59:59"),
    ],
)
def test_every_notation_becomes_utc(
    con: duckdb.DuckDBPyConnection, folder: Path, text: str, expected: str
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + f"1,2,3,{text}\n")
    land_and_clean(con, folder, LENIENT.model_copy(update={"max_future_days": 100_000}))
    assert rows(con, "select rated_at from ratings") == [(datetime.fromisoformat(expected),)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "timestamp is missing"),
        ("yesterday?", "timestamp is not a time"),
        ("nan", "timestamp is not a time"),
        ("1e300", "timestamp is not a time"),
        ("2001-13-09", "timestamp is not a time"),
        ("86399", "timestamp is before 1970-01-02"),
        ("-5", "timestamp is before 1970-01-02"),
        ("2200-01-01", "timestamp is after 2199"),
        ("99999999999", "timestamp is after 2199"),
    ],
)
def test_an_invalid_time_is_rejected(
    con: duckdb.DuckDBPyConnection, folder: Path, text: str, reason: str
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + f"1,2,3,{text}\n3,2,3,{DAY * 9}\n")
    land_and_clean(con, folder)
    assert rows(con, "select reasons from quarantine") == [([reason],)]


def test_a_time_after_the_landing_is_rejected(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The files of these tests are landed on 2027-01-01 at 02:00; a later time would become the night's `as_of`."""
    edge, late = "2027-01-02T02:00:00", "2027-01-02T02:00:01"
    (folder / "ratings.csv").write_text(RATINGS + f"1,2,3,{edge}\n1,3,3,{late}\n")
    (folder / "tags.csv").write_text(TAGS + f"1,2,a,{edge}\n1,3,b,{late}\n")
    (folder / "events.csv").write_text(EVENTS + f"1,2,like,1,{edge}\n1,3,like,1,{late}\n")
    data = land_and_clean(con, folder)
    assert data.newest_interaction == datetime.fromisoformat(edge)
    assert counts(data) == dict.fromkeys(("events", "ratings", "tags"), (2, 1, 0, 1))
    assert all(count.reasons == {"timestamp lies in the future": 1} for count in data.counts)
    longer = LENIENT.model_copy(update={"max_future_days": 2})
    assert land_and_clean(con, folder, longer).newest_interaction == datetime.fromisoformat(late)


def test_future_is_judged_by_the_first_landing(
    con: duckdb.DuckDBPyConnection, folder: Path, tmp_path: Path
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n1,3,3,2027-01-09\n")
    first = land_and_clean(con, folder)
    land(con, folder, LENIENT, landed_at=datetime(2027, 1, 20))
    con.execute("update landed_files set reader = 'of yesterday'")
    reread = land(con, folder, LENIENT, landed_at=datetime(2027, 1, 20))
    assert reread.new_files == 1
    con.execute("delete from clean_state")
    assert clean(con, reread, LENIENT) == first
    with open_warehouse(tmp_path / "later.duckdb") as other:
        intake = land(other, folder, LENIENT, landed_at=datetime(2027, 1, 20))
        later = clean(other, intake, LENIENT)
    assert counts(later) == {"ratings": (2, 2, 0, 0)}
    assert later.key != first.key
