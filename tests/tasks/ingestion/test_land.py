"""Landing: each content once, all files of a night or none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tasks.config.data_settings import DataSettings, RatingsColumns
from tasks.errors import TransientError, UsageError
from tasks.ingestion.land import plan_intake
from tasks.ingestion.read_file import read_input
from tasks.storage.warehouse import run_file
from tests.tasks.inputs import GOOD, LENIENT, RATINGS, land_now, raw_ratings, rows

APPEND = DataSettings(kind="append", max_reject_share=1)


class TestIntake:
    def test_plan_equals_landing(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        plan = plan_intake(con, folder, LENIENT)
        assert rows(con, "from landed_files") == []
        assert plan.new_files == 1
        assert land_now(con, folder) == plan
        again = land_now(con, folder)
        assert (again.new_files, again.data_hash) == (0, plan.data_hash)
        assert len(raw_ratings(con)) == 2000

    def test_data_hash_covers_contents_and_mapping_not_location(
        self, con: duckdb.DuckDBPyConnection, folder: Path, tmp_path: Path
    ) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        before = plan_intake(con, folder, LENIENT).data_hash
        elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
        assert plan_intake(con, elsewhere, LENIENT).data_hash == before
        mapped = DataSettings(ratings=RatingsColumns(item="userId", user="movieId"))
        assert plan_intake(con, folder, mapped).data_hash != before
        (folder / "ratings.csv").write_text(GOOD + "9,9,3,100000000\n")
        assert plan_intake(con, folder, LENIENT).data_hash != before

    def test_a_snapshot_is_replaced_by_new_content(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings").mkdir()
        (folder / "ratings/a.csv").write_text(RATINGS + "1,2,3,100000000\n")
        (folder / "ratings/b.csv").write_text(RATINGS + "2,2,3,100000000\n")
        land_now(con, folder)
        (folder / "ratings/a.csv").write_text(RATINGS + "3,2,3,100000000\n")
        assert land_now(con, folder).new_files == 1
        assert {row[0] for row in raw_ratings(con)} == {"2", "3"}
        (folder / "ratings/b.csv").unlink()
        intake = land_now(con, folder)
        assert [file.path for file in intake.files] == ["ratings/a.csv"]
        assert {row[0] for row in raw_ratings(con)} == {"3"}

    def test_appended_files_add_up_and_repeats_change_nothing(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        day = folder / "ratings.csv"
        day.write_text(RATINGS + "1,2,3,100000000\n")
        land_now(con, folder, APPEND)
        day.write_text(RATINGS + "2,2,3,100000000\n")
        after = land_now(con, folder, APPEND)
        day.write_text(RATINGS + "1,2,3,100000000\n")
        again = land_now(con, folder, APPEND)
        assert (again.new_files, again.data_hash) == (0, after.data_hash)
        day.unlink()
        assert land_now(con, folder, APPEND).data_hash == after.data_hash
        assert [row[0] for row in raw_ratings(con)] == ["1", "2"]

    def test_order_of_delivery_does_not_matter(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings").mkdir()
        (folder / "ratings/2.csv").write_text(RATINGS + "2,2,3,100000000\n")
        land_now(con, folder, APPEND)
        (folder / "ratings/1.csv").write_text(RATINGS + "1,2,3,100000000\n")
        late = land_now(con, folder, APPEND)
        assert [file.path for file in late.files] == ["ratings/1.csv", "ratings/2.csv"]

    def test_kind_can_change_between_snapshot_and_append(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        day = folder / "ratings.csv"
        day.write_text(RATINGS + "1,2,3,100000000\n")
        land_now(con, folder)
        day.write_text(RATINGS + "2,2,3,100000000\n")
        land_now(con, folder, APPEND)
        assert [row[0] for row in raw_ratings(con)] == ["1", "2"]
        day.write_text(RATINGS + "3,2,3,100000000\n")
        land_now(con, folder)
        assert [row[0] for row in raw_ratings(con)] == ["3"]

    def test_another_column_mapping_reads_the_file_again(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,100000000\n")
        land_now(con, folder)
        swapped = DataSettings(ratings=RatingsColumns(item="userId", user="movieId"))
        assert land_now(con, folder, swapped).new_files == 1
        assert raw_ratings(con) == [("2", "1", "3", "100000000")]

    def test_changed_reader_reads_files_in_the_folder_again(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        for user in ("1", "2"):
            (folder / "ratings.csv").write_text(RATINGS + f"{user},2,3,100000000\n")
            land_now(con, folder, APPEND)
        con.execute("update raw_ratings set rating = 'misread'")
        assert land_now(con, folder, APPEND).new_files == 0
        con.execute("update landed_files set reader = 'of yesterday'")
        assert land_now(con, folder, APPEND).new_files == 1
        assert sorted(row[2] for row in raw_ratings(con)) == ["3", "misread"]

    def test_a_warehouse_without_reader_column_is_read_again(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        land_now(con, folder)
        con.execute("alter table landed_files drop column reader")
        run_file(con, "warehouse/schema.sql")
        assert land_now(con, folder).new_files == 1
        assert land_now(con, folder).new_files == 0
        assert len(raw_ratings(con)) == 2000

    def test_one_bad_file_leaves_the_warehouse_unchanged(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,100000000\n")
        land_now(con, folder)
        before = rows(con, "from landed_files"), raw_ratings(con)
        (folder / "ratings.csv").write_text(RATINGS + "2,2,3,100000000\n")
        (folder / "tags.csv").write_text("nonsense\n")
        with pytest.raises(UsageError):
            land_now(con, folder)
        assert (rows(con, "from landed_files"), raw_ratings(con)) == before

    def test_a_file_that_changes_while_read_is_transient(
        self, con: duckdb.DuckDBPyConnection, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        day = folder / "ratings.csv"
        day.write_text(GOOD)

        def read_while_it_grows(*given: Any, **options: Any) -> int:
            first_line = read_input(*given, **options)
            day.write_text(GOOD + "9,9,3,100000000\n")
            return first_line

        monkeypatch.setattr("tasks.ingestion.land.read_input", read_while_it_grows)
        with pytest.raises(TransientError, match="changed while it was read"):
            land_now(con, folder)
        assert rows(con, "from landed_files") == []
