"""Cleaning of timestamps: notations that are read, and times that are rejected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from tasks.errors import NightError
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.storage.warehouse import open_warehouse
from tests.tasks.inputs import EVENTS, LENIENT, RATINGS, TAGS, counts, land_and_clean, rows

VALID = {
    "1000000000": "2001-09-09 01:46:40",
    "1000000000.25": "2001-09-09 01:46:40.25",
    "1e9": "2001-09-09 01:46:40",
    "2001-09-09T01:46:40Z": "2001-09-09 01:46:40",
    "2001-09-09T03:46:40+02:00": "2001-09-09 01:46:40",
    " 2001-09-09 01:46:40 ": "2001-09-09 01:46:40",
    "2001-09-09": "2001-09-09 00:00:00",
    "2001/9/9 1:46": "2001-09-09 01:46:00",
    "2001-09-09 01:46:40.5 UTC": "2001-09-09 01:46:40.5",
    "2001-09-08T21:46:40-0400": "2001-09-09 01:46:40",
    "86400": "1970-01-02 00:00:00",
    "2199-12-31T23:59:59": "2199-12-31 23:59:59",
}
INVALID = {
    "": "timestamp is missing",
    "yesterday?": "timestamp is not a time",
    "nan": "timestamp is missing: it says nan",
    "1.70E+09": "timestamp was rounded, as Excel does with long numbers",
    "09/08/2001": "timestamp has its year last: day and month could be either way round",
    "9.8.2001 01:46": "timestamp has its year last: day and month could be either way round",
    "09/08/01": "timestamp has its year last: day and month could be either way round",
    "1e300": "timestamp is a number of another unit than most of its file",
    "1000000000123": "timestamp is a number of another unit than most of its file",
    "2001-13-09": "timestamp is not a time",
    "86399": "timestamp is before 1970-01-02",
    "-5": "timestamp is before 1970-01-02",
    "2200-01-01": "timestamp is after 2199",
    "99999999999": "timestamp is after 2199",
}


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with one rating per text above; the user is the text's position."""
    folder = tmp_path_factory.mktemp("in")
    lines = "".join(f"{user},2,3,{text}\n" for user, text in enumerate([*VALID, *INVALID]))
    (folder / "ratings.csv").write_text(RATINGS + lines)
    with open_warehouse(Path(":memory:")) as con:
        land_and_clean(con, folder, LENIENT.model_copy(update={"max_future_days": 100_000}))
        yield con


@pytest.mark.parametrize("text", VALID)
def test_every_notation_becomes_utc(cleaned: duckdb.DuckDBPyConnection, text: str) -> None:
    found = rows(cleaned, f"select rated_at from ratings where user_id = {list(VALID).index(text)}")
    assert found == [(datetime.fromisoformat(VALID[text]),)]


@pytest.mark.parametrize("text", INVALID)
def test_an_invalid_time_is_rejected(cleaned: duckdb.DuckDBPyConnection, text: str) -> None:
    line = 2 + len(VALID) + list(INVALID).index(text)
    assert rows(cleaned, f"select reasons from quarantine where line = {line}") == [([INVALID[text]],)]


@pytest.mark.parametrize(
    ("texts", "moment", "note"),
    [
        (["1000000000", "1e9"], "2001-09-09 01:46:40", None),
        (["1000000000123"], "2001-09-09 01:46:40.123", "milliseconds since 1970"),
        (["1000000000123456"], "2001-09-09 01:46:40.123456", "microseconds since 1970"),
        (
            ["1000000000123456789", "1.000000000123456789E+18"],
            "2001-09-09 01:46:40.123457",
            "nanoseconds since 1970",
        ),
        (["20010909"] * 40, "2001-09-09 00:00:00", "dates"),
        (["20010909014640"] * 40, "2001-09-09 01:46:40", "dates with hours and minutes"),
        (["200109090146"] * 40, "2001-09-09 01:46:00", "dates with hours and minutes"),
    ],
    ids=["seconds", "milliseconds", "microseconds", "nanoseconds", "dates", "14 digits", "12 digits"],
)
def test_the_unit_is_that_of_most_times_of_the_file(
    con: duckdb.DuckDBPyConnection, folder: Path, texts: list[str], moment: str, note: str | None
) -> None:
    lines = "".join(f"{user},2,3,{text}\n" for user, text in enumerate([*texts, "nan", "0"]))
    (folder / "ratings.csv").write_text(RATINGS + lines)
    (folder / "tags.csv").write_text(TAGS + "1,2,noir,1000000001\n")
    data = land_and_clean(con, folder)
    assert rows(con, "select distinct rated_at from ratings") == [(datetime.fromisoformat(moment),)]
    assert rows(con, "select epoch(tagged_at) from tags") == [(1_000_000_001,)]
    assert data.notes == (() if note is None else (f"times of ratings.csv are {note}",))


def test_a_time_of_another_unit_is_rejected_not_guessed(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(
        RATINGS + "1,2,3,1000000000123\n2,2,3,1000000000123\n3,2,3,1000000000\n4,2,3,0\n"
    )
    assert counts(land_and_clean(con, folder)) == {"ratings": (4, 2, 0, 2)}
    assert rows(con, "select reasons from quarantine order by line") == [
        (["timestamp is a number of another unit than most of its file"],),
        (["timestamp is not a time"],),
    ]


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


@pytest.mark.parametrize("wrong", [datetime(2099, 5, 5), datetime(1970, 1, 1, 3)], ids=["ahead", "behind"])
def test_a_landing_under_a_wrong_clock_is_mended(
    con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture, wrong: datetime
) -> None:
    """One row of 2098 would else be the newest for ever, or all rows would lie in the future for ever."""
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,1600000000\n1,3,3,2098-01-01\n")
    with suppress(NightError):  # behind: every row lies in the future
        clean(con, land(con, folder, LENIENT, landed_at=wrong), LENIENT)
    caplog.clear()
    data = land_and_clean(con, folder)
    assert (counts(data), data.newest_interaction.year) == ({"ratings": (2, 1, 0, 1)}, 2020)
    assert [record.message for record in caplog.records if "clock" in record.message] == [
        f"An earlier night ran under a wrong clock: ratings.csv was landed at {wrong:%Y-%m-%d %H:%M}. It now counts as "
        "landed at 2027-01-01 02:00."
    ]
    caplog.clear()
    assert land_and_clean(con, folder) == data
    assert not caplog.records


def test_future_is_judged_by_the_first_landing(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000\n1,3,3,2027-01-09\n")
    first = land_and_clean(con, folder)
    land(con, folder, LENIENT, landed_at=datetime(2027, 1, 20))
    con.execute("update landed_files set reader = 'of yesterday'")
    reread = land(con, folder, LENIENT, landed_at=datetime(2027, 1, 20))
    assert reread.new_files == 1
    con.execute("delete from clean_state")
    assert clean(con, reread, LENIENT) == first
    with open_warehouse(Path(":memory:")) as other:
        intake = land(other, folder, LENIENT, landed_at=datetime(2027, 1, 20))
        later = clean(other, intake, LENIENT)
    assert counts(later) == {"ratings": (2, 2, 0, 0)}
    assert later.key != first.key
