"""Hashes of unchanged files are kept from night to night."""

from __future__ import annotations

import os
import time
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest

from tasks.ingestion import file_digest
from tests.tasks.ingestion.test_increments import deliver
from tests.tasks.inputs import GOOD, RATINGS, land_now, raw_ratings, rows


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """All files were written over two seconds ago, as their change times say."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_000_000_000)


def next_night(con: duckdb.DuckDBPyConnection, folder: Path) -> int:
    """Land in what is another process as far as hashes go; return how many files were hashed."""
    file_digest.forget_digests()
    with patch.object(file_digest, "LineEnds", wraps=file_digest.LineEnds) as hashed:  # one for each file
        land_now(con, folder)
    return hashed.call_count


@pytest.mark.usefixtures("later")
class TestUnchanged:
    def test_unchanged_files_are_hashed_once(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        for day in range(3):
            deliver(folder, f"ratings-{day}.csv", f"{RATINGS}{day},1,3,100000000\n")
        assert next_night(con, folder) == 4
        assert next_night(con, folder) == 0
        deliver(folder, "ratings-9.csv", f"{RATINGS}9,1,3,100000000\n")
        assert next_night(con, folder) == 1
        assert len(rows(con, "from known_files")) == 5

    def test_a_file_of_the_same_size_and_time_is_hashed(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        """Its change time, which no program can set, tells."""
        path = folder / "ratings.csv"
        path.write_text(GOOD)
        stat = path.stat()
        next_night(con, folder)
        time.sleep(0.02)
        path.write_text(GOOD.replace("0,2,3", "0,2,4", 1))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert next_night(con, folder) == 1
        assert raw_ratings(con)[0][2] == "4"

    def test_a_replaced_file_is_hashed(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        next_night(con, folder)
        (folder / "new.tmp").write_text(GOOD)
        (folder / "new.tmp").replace(folder / "ratings.csv")
        assert next_night(con, folder) == 1
        assert next_night(con, folder) == 0


def test_a_file_just_written_is_hashed_again(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(GOOD)
    next_night(con, folder)
    assert next_night(con, folder) >= 1
    assert rows(con, "from known_files") == []
