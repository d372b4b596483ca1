"""Increments: which source a file of `incoming/` is of, and that each content counts once, in any order."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import duckdb
import pytest

from tasks.artifacts import Deliveries
from tasks.config.data_settings import DataSettings, EventsColumns
from tasks.errors import NightError, UsageError
from tasks.ingestion.increments import find_increments
from tasks.storage.warehouse import run_file
from tests.tasks.inputs import (
    EVENTS,
    GOOD,
    LENIENT,
    RATINGS,
    counts,
    land_and_clean,
    land_now,
    raw_ratings,
    rows,
)

T = 100_000_000


def deliver(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a file that has lain there for a day."""
    path = folder / "incoming" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (1.7e9, 1.7e9))
    return path


class TestNames:
    @pytest.mark.parametrize(
        ("name", "source", "deletes"),
        [
            ("ratings.csv", "ratings", False),
            ("ratings-2026-11-28.csv", "ratings", False),
            ("Ratings_0001.parquet", "ratings", False),
            ("ratings2026.csv.gz", "ratings", False),
            ("ratings/anything.csv", "ratings", False),
            ("ratings/date=2026-11-28/part-0001", "ratings", False),
            ("2026-11-28/movies.csv", "items", False),
            ("events_0001.parquet", "events", False),
            ("deleted_ratings-2026.csv", "ratings", True),
            ("deleted-events/2026.csv", "events", True),
        ],
    )
    def test_the_beginning_of_a_name_tells_the_source(
        self, folder: Path, name: str, source: str, deletes: bool
    ) -> None:
        deliver(folder, name, GOOD)
        [found] = find_increments(folder, LENIENT, set()).files
        assert (found.source, found.deletes, found.path) == (source, deletes, f"incoming/{name}")

    @pytest.mark.parametrize(
        ("name", "why"),
        [
            ("ratingsold.csv", "begins like that of no source"),
            ("sales-2026.csv", "begins like that of no source"),
            ("ratings.json", "JSON is not read"),
            ("deleted_movies.csv", "deletions are read of ratings, tags, events only"),
        ],
    )
    def test_a_file_of_no_source_is_named_with_the_reason(
        self,
        con: duckdb.DuckDBPyConnection,
        folder: Path,
        caplog: pytest.LogCaptureFixture,
        name: str,
        why: str,
    ) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        deliver(folder, name, GOOD)
        land_now(con, folder)
        [said] = caplog.messages
        assert f"incoming/{name}" in said
        assert why in said

    def test_a_mapped_file_name_tells_the_source_too(self, folder: Path) -> None:
        settings = DataSettings(events=EventsColumns(file="log/views.csv"))
        deliver(folder, "views-1.csv", EVENTS)
        [found] = find_increments(folder, settings, set()).files
        assert found.source == "events"

    def test_a_pattern_stands_for_files(self, folder: Path) -> None:
        deliver(folder, "drop/ratings-1.csv", GOOD)
        deliver(folder, "drop/ratings-1.txt", GOOD)
        found = find_increments(folder, LENIENT.model_copy(update={"incoming": "inc*/drop/*.csv"}), set())
        assert [file.path for file in found.files] == ["incoming/drop/ratings-1.csv"]
        assert find_increments(folder, LENIENT.model_copy(update={"incoming": ""}), set()).files == []

    @pytest.mark.parametrize("incoming", ["/tmp", "../in", "."])
    def test_a_folder_outside_the_data_set_is_refused(self, incoming: str) -> None:
        with pytest.raises(ValueError, match="within the dataset's folder"):
            DataSettings(incoming=incoming)


class TestEachOnce:
    def test_increments_add_to_the_snapshot_and_stay(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + f"1,1,3,{T}\n")
        day = deliver(folder, "ratings-1.csv", RATINGS + f"2,1,3,{T}\n")
        assert land_now(con, folder).deliveries == Deliveries(increments=1, new=1)
        (folder / "ratings.csv").write_text(RATINGS + f"3,1,3,{T}\n")
        day.unlink()
        again = land_now(con, folder)
        assert sorted(row[0] for row in raw_ratings(con)) == ["2", "3"]
        assert again.deliveries == Deliveries(increments=1, new=0)

    def test_a_content_under_another_name_changes_nothing(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        day = deliver(folder, "ratings-2.csv", GOOD)
        before = land_now(con, folder)
        day.rename(folder / "incoming/ratings-9.csv")
        after = land_now(con, folder)
        assert (after.new_files, after.data_hash) == (0, before.data_hash)
        deliver(folder, "ratings-1.csv", GOOD)
        assert land_now(con, folder).new_files == 0
        assert len(raw_ratings(con)) == 2000

    def test_an_increment_that_comes_as_snapshot_too_stays(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        day = deliver(folder, "ratings-1.csv", RATINGS + f"1,1,3,{T}\n")
        land_now(con, folder)
        day.rename(folder / "ratings.csv")
        land_now(con, folder)
        (folder / "ratings.csv").write_text(RATINGS + f"2,1,3,{T}\n")
        land_now(con, folder)
        assert sorted(row[0] for row in raw_ratings(con)) == ["1", "2"]

    def test_increments_alone_make_a_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        deliver(folder, "ratings-1.csv", GOOD)
        assert counts(land_and_clean(con, folder)) == {"ratings": (2000, 2000, 0, 0)}

    def test_a_day_without_data_is_no_error(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        deliver(folder, "ratings-1.csv", RATINGS)
        assert counts(land_and_clean(con, folder)) == {"ratings": (2000, 2000, 0, 0)}

    def test_any_order_of_arrival_gives_the_same_clean_tables(self, tmp_path: Path) -> None:
        """Late, repeated, corrected, tied and deleted rows, one file a night, in several orders."""
        files = {
            "ratings-1.csv": RATINGS + f"1,1,3,{T}\n1,2,4,{T}\n2,1,5,{T + 9}\n",
            "ratings-2.csv": RATINGS + f"1,1,5,{T + 5}\n1,2,2,{T}\n2,1,5,{T + 9}\n",
            "ratings-3.csv": RATINGS + f"1,1,1,{T - 5}\n1,2,1,{T}\n3,3,1,{T}\n",
            "deleted_ratings-4.csv": f"userId,movieId,timestamp\n2,1,{T + 9}\n3,3,{T + 1}\n",
        }
        seen = set()
        for number, order in enumerate(([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1])):
            folder = tmp_path / str(number)
            with duckdb.connect() as con:
                run_file(con, "warehouse/schema.sql")
                for name in (list(files)[at] for at in order):
                    deliver(folder, name, files[name])
                    if not name.startswith("deleted"):
                        land_now(con, folder)
                data = land_and_clean(con, folder)
                seen.add(
                    (
                        tuple(rows(con, "from ratings order by all")),
                        data.counts[0].clean,
                        data.counts[0].deleted,
                    )
                )
        [(ratings, clean, deleted)] = seen
        kept = [(row[0], row[1], row[2]) for row in ratings if row[4] is None]
        assert kept == [(1, 1, 5.0), (1, 2, 1.0)]
        assert (clean, deleted) == (2, 2)


class TestUnreadable:
    def _days(self, folder: Path, n: int) -> None:
        for day in range(n):
            deliver(folder, f"ratings-{day:03}.csv", RATINGS + f"{day},1,3,{T}\n")

    def test_one_bad_increment_is_set_aside(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        self._days(folder, 3)
        deliver(folder, "ratings-x.csv.gz", gzip.compress(GOOD.encode())[:-20])
        intake = land_now(con, folder)
        [left] = intake.deliveries.set_aside
        assert left.path == "incoming/ratings-x.csv.gz"
        assert "truncated" in left.why
        assert len(raw_ratings(con)) == 3
        assert any("set aside: incoming/ratings-x.csv.gz" in said for said in caplog.messages)
        again = land_now(con, folder)
        assert (again.new_files, again.data_hash) == (0, intake.data_hash)
        assert again.deliveries.set_aside == (left,)
        deliver(folder, "ratings-x.csv.gz", gzip.compress((RATINGS + f"9,1,3,{T}\n").encode()))
        assert land_now(con, folder).deliveries.set_aside == ()
        assert len(raw_ratings(con)) == 4

    def test_many_bad_increments_stop_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._days(folder, 3)
        land_now(con, folder)
        for day in range(2):
            deliver(folder, f"ratings-x{day}.csv", f"<html>{day}</html>")
        with pytest.raises(
            NightError,
            match=r"2 of 5 increments .* data\.max_set_aside_share allows: incoming/ratings-x0\.csv .is an HTML",
        ):
            land_now(con, folder)
        assert len(raw_ratings(con)) == 3
        lenient = LENIENT.model_copy(update={"max_set_aside_share": 0.5})
        assert len(land_now(con, folder, lenient).deliveries.set_aside) == 2

    def test_a_missing_column_stops_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._days(folder, 3)
        deliver(folder, "ratings-x.csv", "userId,movieId,timestamp\n1,1,100000000\n")
        with pytest.raises(UsageError, match=r"ratings-x\.csv has no column 'rating'"):
            land_now(con, folder)
        assert raw_ratings(con) == []

    def test_a_bad_snapshot_stops_the_night(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._days(folder, 3)
        (folder / "ratings.csv").write_text("<html></html>")
        with pytest.raises(NightError, match="HTML"):
            land_now(con, folder)


class TestNewColumns:
    def test_a_new_column_is_ignored_and_said_once(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING)
        (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp,device\n" + f"1,1,3,{T},tv\n")
        deliver(folder, "ratings-1.csv", "userId,movieId,rating,timestamp,device\n" + f"2,1,3,{T},tv\n")
        land_now(con, folder)
        assert caplog.messages == []
        for day in (2, 3):
            header = "userId,movieId,rating,timestamp,mood\n"
            deliver(folder, f"ratings-{day}.csv", header + f"{day},1,3,{T},good\n")
        land_now(con, folder)
        [said] = caplog.messages
        assert "incoming/ratings-2.csv has a column that no earlier file of its source had: 'mood'" in said
        caplog.clear()
        deliver(folder, "ratings-4.csv", "userId,movieId,rating,timestamp,mood\n" + f"4,1,3,{T},bad\n")
        land_now(con, folder)
        assert caplog.messages == []
        assert len(raw_ratings(con)) == 5
