"""Finding input files: missing folders, missing sources, and sources that are there twice."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from tasks.config.settings import DataSettings, RatingsColumns
from tasks.errors import UsageError
from tasks.ingestion.input_files import check_input_folder
from tasks.ingestion.land import plan_intake
from tests.tasks.inputs import GOOD, LENIENT, MOVIES, TAGS, land_now


def test_a_missing_or_empty_folder_is_refused(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        plan_intake(con, folder / "nowhere", LENIENT)
    (folder / "movies.csv").write_text(MOVIES + "1,A,Drama\n")
    with pytest.raises(UsageError, match="holds no ratings, tags or events") as caught:
        land_now(con, folder)
    assert "ratings.csv" in caught.value.hint
    (folder / "ratings").mkdir()
    with pytest.raises(UsageError, match="holds no ratings file"):
        land_now(con, folder)


def test_a_file_that_settings_name_must_be_there(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "tags.csv").write_text(TAGS + "1,2,noir,100000000\n")
    mapped = DataSettings(kind="append", ratings=RatingsColumns(file="stars"))
    with pytest.raises(UsageError, match=r"has no ratings .* stars\.csv") as caught:
        land_now(con, folder, mapped)
    assert caught.value.hint == "Deliver it, or mend data.ratings.file."
    (folder / "ratings.csv").write_text(GOOD)
    with pytest.raises(UsageError) as caught:
        check_input_folder(folder, mapped)
    assert caught.value.hint == "ratings.csv is there, but data.ratings.file says stars."
    (folder / "ratings.csv").rename(folder / "stars.csv")
    check_input_folder(folder, mapped)
    land_now(con, folder, mapped)
    (folder / "stars.csv").unlink()
    assert "stars.csv" in {file.path for file in land_now(con, folder, mapped).files}


def test_check_input_folder_refuses_as_landing_would(folder: Path) -> None:
    with pytest.raises(UsageError, match="There is no folder"):
        check_input_folder(folder / "nowhere", LENIENT)
    with pytest.raises(UsageError, match="holds no ratings, tags or events"):
        check_input_folder(folder, LENIENT)
    (folder / "movies.csv").write_text(MOVIES + "1,A,Drama\n")
    with pytest.raises(UsageError, match="holds no ratings, tags or events"):
        check_input_folder(folder, LENIENT)
    (folder / "ratings.csv").write_text("not looked into")
    check_input_folder(folder, LENIENT)


def test_one_source_twice_is_refused(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(GOOD)
    (folder / "ratings.csv.gz").write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(UsageError, match=r"twice: ratings\.csv and ratings\.csv\.gz"):
        plan_intake(con, folder, LENIENT)
