"""Cleaning only what changed, night by night, against cleaning everything in one night."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts import CleanData
from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tasks.ingestion import clean as cleaning
from tasks.storage.warehouse import run_file
from tests.examples import examples
from tests.tasks.ingestion.test_increments import deliver
from tests.tasks.inputs import EVENTS, LENIENT, MOVIES, RATINGS, TAGS, USERS, land_and_clean, rows

T = 100_000_000
HEADERS = {"ratings": RATINGS, "tags": TAGS, "events": EVENTS}
TABLES = ("ratings", "tags", "events", "items", "users", "quarantine")
BASE = "".join(f"{user},9,3,{T}\n" for user in range(20, 60))
"""Enough rows that the files of later nights are a small part."""


@pytest.fixture
def full_cleanings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One entry per cleaning of everything."""
    calls: list[Any] = []
    plan = cleaning.full_plan
    monkeypatch.setattr(cleaning, "full_plan", lambda *arguments: calls.append(arguments) or plan(*arguments))
    return calls


def contents(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of all clean tables and of the quarantine, in the order of their texts."""
    return {table: sorted(rows(con, f"from {table}"), key=str) for table in TABLES}


def anew(folder: Path) -> tuple[dict[str, list[tuple[Any, ...]]], CleanData]:
    """Return the tables and the result of a warehouse that meets the whole folder in one night."""
    with duckdb.connect() as con:
        run_file(con, "warehouse/schema.sql")
        data = land_and_clean(con, folder)
        return contents(con), data


def row_of(source: str) -> st.SearchStrategy[str]:
    """Rows of few users, items and times, some of them faulty, so that all kinds of repeats occur."""
    middle = {
        "ratings": st.sampled_from(["3", "4", "", "x"]),
        "tags": st.sampled_from(["noir", "Noir", "slow"]),
        "events": st.sampled_from(["view,1", "view,2", "like,1"]),
    }[source]
    return st.builds(
        "{},{},{},{}".format,
        st.integers(1, 2), st.integers(1, 2), middle, st.sampled_from([T, T + 20, T + 40, ""]),
    )  # fmt: skip


FILE = st.sampled_from([*HEADERS]).flatmap(
    lambda source: st.tuples(st.just(source), st.lists(row_of(source), max_size=6))
)


@pytest.mark.slow
@settings(max_examples=examples(20), deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 99), FILE), min_size=1, max_size=2), min_size=1, max_size=3)
)
def test_nights_add_up_to_one_cleaning_of_everything(
    nights: list[list[tuple[int, tuple[str, list[str]]]]],
) -> None:
    """Late, repeated, corrected, tied and faulty rows; the names of files set the order of ties."""
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as con:
        folder = Path(name)
        run_file(con, "warehouse/schema.sql")
        events = "".join(f"{user},9,view,1,{T}\n" for user in range(20, 60))
        (folder / "ratings.csv").write_text(RATINGS + BASE)
        (folder / "events.csv").write_text(EVENTS + events)
        (folder / "tags.csv").write_text(TAGS + BASE)
        land_and_clean(con, folder)
        for number, night in enumerate(nights):
            for place, (source, lines) in night:
                text = HEADERS[source] + "".join(f"{line}\n" for line in lines)
                deliver(folder, f"{source}-{place:02}-{number}.csv", text)
            data = land_and_clean(con, folder)
        assert (contents(con), data) == anew(folder)


def test_new_files_are_added_without_full_cleaning(
    con: duckdb.DuckDBPyConnection, folder: Path, full_cleanings: list[Any]
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + BASE + f"1,1,2,{T - 20}\n1,1,3,{T}\n1,2,9,{T}\n")
    (folder / "tags.csv").write_text(TAGS + f"1,1,noir,{T}\n2,1,slow,{T}\n2,2,slow,{T}\n2,3,slow,{T}\n")
    (folder / "events.csv").write_text(EVENTS + "".join(f"{user},1,view,1,{T}\n" for user in range(9)))
    (folder / "movies.csv").write_text(MOVIES + "1,One,Drama\n")
    land_and_clean(con, folder)
    deliver(folder, "ratings-1.csv", RATINGS + f"1,1,5,{T + 9}\n1,1,4,{T - 9}\n1,3,,{T}\n2,2,3,{T}\n")
    deliver(folder, "tags-1.csv", TAGS + f"1,1,noir,{T + 9}\n1,2,noir,{T}\n")
    deliver(folder, "events-1.csv", EVENTS + f"1,1,view,1,{T}\n1,1,view,1,{T + 1}\n")
    (folder / "users.csv").write_text(USERS + "1,30,F\n")
    data = land_and_clean(con, folder)
    assert len(full_cleanings) == 1
    assert (contents(con), data) == anew(folder)
    assert rows(con, "select rating from ratings where (user_id, item_id) = (1, 1) order by rated_at") == [
        (2,), (4,), (3,), (5,),
    ]  # fmt: skip


def test_a_tie_with_an_earlier_file_cleans_everything(
    con: duckdb.DuckDBPyConnection, folder: Path, full_cleanings: list[Any]
) -> None:
    """The file `ratings-1` arrives after `ratings-2`, and still loses against it."""
    (folder / "ratings.csv").write_text(RATINGS + BASE)
    deliver(folder, "ratings-2.csv", RATINGS + f"1,1,5,{T}\n")
    land_and_clean(con, folder)
    deliver(folder, "ratings-1.csv", RATINGS + f"1,1,2,{T}\n")
    data = land_and_clean(con, folder)
    assert len(full_cleanings) == 2
    assert rows(con, "select rating from ratings where user_id = 1") == [(5,)]
    assert (contents(con), data) == anew(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("deleted_ratings-1.csv", f"userId,movieId,timestamp\n20,9,{T + 1}\n"),
        ("ratings-1.csv", f"userId,movieId,rating,timestamp,deleted\n20,9,,{T + 1},yes\n"),
    ],
)
def test_a_deletion_cleans_everything(
    con: duckdb.DuckDBPyConnection, folder: Path, full_cleanings: list[Any], name: str, text: str
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + BASE)
    land_and_clean(con, folder)
    deliver(folder, name, text)
    data = land_and_clean(con, folder)
    assert len(full_cleanings) == 2
    deliver(folder, "ratings-2.csv", RATINGS + f"20,9,4,{T}\n")
    data = land_and_clean(con, folder)
    assert len(full_cleanings) == 2  # the ratings alone are cleaned anew
    assert (contents(con), data) == anew(folder)


def test_a_replaced_file_rebuilds_its_source_only(
    con: duckdb.DuckDBPyConnection, folder: Path, full_cleanings: list[Any]
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + BASE)
    (folder / "tags.csv").write_text(TAGS + f"1,1,noir,{T}\n")
    land_and_clean(con, folder)
    con.execute("update tags set tag = 'kept'")
    (folder / "ratings.csv").write_text(RATINGS + f"1,1,3,{T}\n1,2,77,{T}\n")
    land_and_clean(con, folder)
    assert len(full_cleanings) == 1
    assert rows(con, "select item_id from ratings") == [(1,)]
    assert rows(con, "select tag from tags") == [("kept",)]
    assert rows(con, "select line from quarantine") == [(3,)]


def test_other_settings_clean_everything(
    con: duckdb.DuckDBPyConnection, folder: Path, full_cleanings: list[Any]
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + BASE + f"1,1,5,{T}\n")
    land_and_clean(con, folder)
    data = land_and_clean(con, folder, DataSettings(max_reject_share=1, rating_max=4))
    assert (len(full_cleanings), data.counts[0].quarantined) == (2, 1)


def test_a_failed_night_leaves_the_tables_and_cleans_everything(
    con: duckdb.DuckDBPyConnection, folder: Path, full_cleanings: list[Any]
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + BASE)
    strict = DataSettings(max_reject_share=0.05)
    land_and_clean(con, folder, strict)
    before = rows(con, "from ratings")
    deliver(folder, "ratings-1.csv", RATINGS + f"1,1,99,{T}\n" * 5)
    with pytest.raises(NightError, match=r"5 of 45 rows of ratings were rejected"):
        land_and_clean(con, folder, strict)
    assert rows(con, "from ratings") == before
    assert len(full_cleanings) == 1
    (folder / "incoming/ratings-1.csv").unlink()  # an increment stays landed
    with pytest.raises(NightError, match=r"5 of 45 rows of ratings were rejected"):
        land_and_clean(con, folder, strict)
    assert len(full_cleanings) == 2


def test_many_added_rows_are_all_kept(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """More than one row group of DuckDB, added to a table from which rows of the same pairs are taken."""
    n = 250_000
    (folder / "ratings.csv").write_text(RATINGS + "".join(f"{user},1,3,{T}\n" for user in range(n)))
    land_and_clean(con, folder)
    more = "".join(f"{user},1,4,{T + 1}\n" for user in range(n // 2))
    deliver(folder, "ratings-1.csv", RATINGS + more)
    data = land_and_clean(con, folder, LENIENT)
    assert (data.counts[0].clean, data.counts[0].duplicates) == (n, n // 2)
    assert rows(con, "select count(*), count(superseded_at), sum(rating) from ratings") == [
        (n + n // 2, n // 2, 3.0 * n + 4.0 * (n // 2))
    ]
