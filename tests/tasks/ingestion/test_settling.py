"""Files that are still being written wait for the next night, and no file waits for ever."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tasks.ingestion import settling
from tasks.ingestion.read_file import read_input
from tests.tasks.inputs import GOOD, RATINGS, land_now, raw_ratings

LENIENT = DataSettings(max_reject_share=1)
ROW = RATINGS + "1,2,3,100000000\n"


@pytest.fixture(autouse=True)
def short_pause(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(settling, "_PAUSE", 0.0)
    monkeypatch.setattr(settling, "_looks", {})
    (folder / "incoming").mkdir()
    (folder / "ratings.csv").write_text(GOOD)


def parquet(path: Path) -> bytes:
    columns = {"userId": [1], "movieId": [2], "rating": [3.0], "timestamp": [100_000_000]}
    pq.write_table(pa.table(columns), path)
    return path.read_bytes()


class TestWaiting:
    @pytest.mark.parametrize("name", ["ratings-1.csv.part", "ratings-1.csv.tmp", "ratings-1.csv~"])
    def test_an_unfinished_name_waits_at_any_age(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        path = folder / "incoming" / name
        path.write_text(ROW)
        os.utime(path, (1e9, 1e9))
        [left] = land_now(con, folder).deliveries.waiting
        assert (left.path, len(raw_ratings(con))) == (f"incoming/{name}", 2000)
        [said] = caplog.messages
        assert (
            f"left for the next night: incoming/{name} (its name is that of an unfinished transfer)" in said
        )

    @pytest.mark.parametrize(
        ("name", "cut", "why"),
        [
            ("ratings-1.csv", lambda path: ROW[:-3].encode(), "its last line has no line end"),
            ("ratings-1.csv", lambda path: b"", "it is empty"),
            ("ratings-1.csv.gz", lambda path: gzip.compress(ROW.encode())[:-12], "breaks off"),
            ("ratings-1.parquet", lambda path: parquet(path)[:-4], "the footer of Parquet"),
        ],
    )
    def test_a_young_file_that_breaks_off_waits(
        self, con: duckdb.DuckDBPyConnection, folder: Path, name: str, cut: Any, why: str
    ) -> None:
        path = folder / "incoming" / name
        path.write_bytes(cut(path))
        deliveries = land_now(con, folder).deliveries
        assert [left.path for left in deliveries.waiting] == [f"incoming/{name}"]
        assert why in deliveries.waiting[0].why
        assert (deliveries.set_aside, len(raw_ratings(con))) == ((), 2000)

    def test_the_next_night_reads_what_was_completed(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        path = folder / "incoming/ratings-1.csv"
        path.write_text(ROW[:-3])
        land_now(con, folder)
        path.write_text(ROW)
        assert land_now(con, folder).deliveries.new == 1
        assert len(raw_ratings(con)) == 2001

    def test_a_file_that_grows_while_looked_at_waits(
        self, con: duckdb.DuckDBPyConnection, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = folder / "incoming/ratings-1.csv"
        path.write_text(ROW)

        def grow(seconds: float) -> None:
            path.write_text(ROW + "2,2,3,100000000\n")

        monkeypatch.setattr(time, "sleep", grow)
        [left] = land_now(con, folder).deliveries.waiting
        assert (left.why, len(raw_ratings(con))) == ("it changes while it is looked at", 2000)

    def test_an_increment_that_changes_while_read_waits(
        self, con: duckdb.DuckDBPyConnection, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = folder / "incoming/ratings-1.csv"
        path.write_text(RATINGS + '"1",2,3,100000000\n')  # quotes: read on its own

        def read_while_it_grows(con: Any, file: Any, *given: Any, **options: Any) -> Any:
            read = read_input(con, file, *given, **options)
            if file.is_increment:
                path.write_text(ROW + "2,2,3,100000000\n")
            return read

        monkeypatch.setattr("tasks.ingestion.land.read_input", read_while_it_grows)
        [left] = land_now(con, folder).deliveries.waiting
        assert ("changed while it was read" in left.why, len(raw_ratings(con))) == (True, 2000)


class TestReading:
    def test_a_young_whole_file_is_read(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "incoming/ratings-1.csv").write_text(ROW)
        assert land_now(con, folder).deliveries.new == 1

    def test_an_old_file_needs_no_line_end(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        path = folder / "incoming/ratings-1.csv"
        path.write_text(ROW.rstrip())
        os.utime(path, (time.time() - 61,) * 2)
        assert land_now(con, folder).deliveries.new == 1

    def test_a_file_unchanged_since_last_night_is_read(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        """Its time lies in the future, so that it never becomes old."""
        path = folder / "incoming/ratings-1.csv"
        path.write_text(ROW.rstrip())
        os.utime(path, (4e9, 4e9))
        assert len(land_now(con, folder).deliveries.waiting) == 1
        assert land_now(con, folder).deliveries.new == 1

    def test_without_settle_seconds_nothing_waits(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "incoming/ratings-1.csv").write_text(ROW.rstrip())
        settings = LENIENT.model_copy(update={"settle_seconds": 0})
        assert land_now(con, folder, settings).deliveries.new == 1


def test_a_snapshot_never_waits(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3")
    with pytest.raises(NightError, match="looks truncated"):
        land_now(con, folder)
