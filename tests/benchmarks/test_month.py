"""The simulated month: its reader and its search can see faults, and a short one passes."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.month import Day, Month, growth
from benchmarks.month_reader import Reader
from benchmarks.month_traces import places_with
from benchmarks.month_world import Calendar, make_world

SHORT = Calendar(
    corrupted=2, repeated=3, halves=3, no_data=4, forgotten=4, delivered_again=5, tenfold=6, clock_back=5
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A serving database whose live run 2 has three rows for two users."""
    path = tmp_path / "recommendations.db"
    with sqlite3.connect(path) as con:
        con.executescript(
            """
            create table active_run (run_id);
            create table published_runs (run_id, rows);
            create table recommendations (user_id, rank, run_id);
            create table similar_items (item_id);
            create table fallback_recommendations (item_id);
            insert into active_run values (2);
            insert into published_runs values (1, 2), (2, 3);
            insert into recommendations values (1, 1, 2), (1, 2, 2), (5, 1, 2);
            insert into similar_items values (1);
            insert into fallback_recommendations values (1);
            """
        )
    con.close()
    return path


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("delete from recommendations where user_id = 5", "2 rows of 3"),
        (
            "update recommendations set run_id = 1 where rank = 2",
            "lists of 2 runs, 1 among them, where 2 is live",
        ),
        ("update active_run set run_id = 3", "a live run 3 that is not published"),
        ("delete from similar_items", "no similar_items"),
        ("drop table recommendations", "the error no such table: recommendations"),
    ],
)
def test_a_reader_sees_an_incomplete_set(database: Path, change: str, fault: str) -> None:
    reader = Reader(database)
    assert reader.fault() == ""
    with sqlite3.connect(database) as con:
        con.execute(change)
    con.close()
    assert reader.fault() == fault


def test_a_reader_says_nothing_before_the_first_lists(database: Path, tmp_path: Path) -> None:
    assert Reader(tmp_path / "absent.db").fault() is None
    with sqlite3.connect(database) as con:
        con.execute("delete from active_run")
    con.close()
    assert Reader(database).fault() is None


def test_a_text_is_found_wherever_it_is(tmp_path: Path) -> None:
    text = "user-00042@example.org"
    (tmp_path / "plain.txt").write_text(f"x{text}x")
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(f"1,{text}\n".encode()))
    np.savez_compressed(tmp_path / "arrays.npz", users=np.array([text.encode()]))
    pq.write_table(pa.table({"user": [text, text]}), tmp_path / "lists.parquet", compression="zstd")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as con:
        con.execute("create table ratings as select $text as user_id from range(10000)", {"text": text})
        con.execute("create table tags (user_id text)")
    (tmp_path / "other.txt").write_text("user-00043@example.org")
    found = {place.split(" ")[0] for place in places_with(text, tmp_path)}
    assert found == {"plain.txt", "packed.csv.gz", "arrays.npz", "lists.parquet", "warehouse.duckdb"}
    assert places_with("user-00044@example.org", tmp_path) == []


def test_faults_of_a_day_are_named() -> None:
    def day(**seen) -> Day:
        good = {"exits": [-9, 0], "unbalanced": [], "bad_reads": [], "traces": []}
        usual = {"number": 1, "events": [], "delivered": 0, "run": None, "reads": 9, "seconds": 1.0}
        return Day(**usual, input_mb=1.0, parts={}, **(good | seen))

    assert day().faults == []
    assert day(exits=[0, 1]).faults == ["the night ended with exit code 1"]
    assert day(unbalanced=["tags"]).faults == ["the rows of tags do not add up"]
    assert day(bad_reads=["2 rows of 3"]).faults == ["a reader saw 2 rows of 3"]
    assert day(traces=["lock"]).faults == ["the forgotten user is in lock"]


def test_growth_is_that_of_the_last_third() -> None:
    assert growth([1.0, 9.0, 9.0, 9.0, 8.0, 10.0]) == 0.25
    assert growth([3.0]) == 0.0


@pytest.mark.slow
def test_nothing_is_lost_in_a_short_month(tmp_path: Path) -> None:
    """Six nights with everything that goes wrong, two of them killed: no fault on any day."""
    world = make_world(
        tmp_path / "input", tmp_path / "generated", n_days=6, users=300, items=300, ratings=12_000
    )
    month = Month(world, SHORT, tmp_path / "home", "popularity,als", share_killed=0.4, seed=1)
    with Reader(tmp_path / "home" / "recommendations.db") as reader:
        days = [month.day(number, reader) for number in range(1, 7)]
    assert [day.faults for day in days] == [[]] * 6
    assert any(code < 0 for day in days for code in day.exits)
    assert sum(day.reads for day in days) > 50
    assert days[5].home_mb > days[5].rest_mb > 1
    assert days[4].run is not None
    assert sum(count.forgotten for count in days[4].run.summary.intake) > 1
