"""Finding input files: missing folders, missing sources, and sources that are there twice."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.data_settings import DataSettings, RatingsColumns
from tasks.errors import NightError, UsageError
from tasks.ingestion.file_names import json_to_csv
from tasks.ingestion.input_files import check_input_folder
from tasks.ingestion.land import plan_intake
from tests.tasks.inputs import GOOD, LENIENT, MOVIES, RATINGS, TAGS, land_now, raw_ratings, rows


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
    assert caught.value.hint == "Deliver it, or mend data.ratings.file. Files there: tags.csv."
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


def _write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


class TestNames:
    def test_other_capitals_are_taken(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _write(folder, **{"Ratings.CSV": GOOD, "Movies.csv": MOVIES + "1,A,Drama\n"})
        assert {file.path for file in land_now(con, folder).files} == {"Ratings.CSV", "Movies.csv"}

    @pytest.mark.parametrize("name", ["stars.csv", "stars", "u.item", "deep/stars.csv", "deep/stars"])
    def test_a_file_is_named_with_or_without_suffix(
        self, con: duckdb.DuckDBPyConnection, folder: Path, name: str
    ) -> None:
        path = name if "." in name else f"{name}.csv"
        _write(folder, **{path: GOOD})
        settings = DataSettings(ratings=RatingsColumns(file=name))
        assert [file.path for file in land_now(con, folder, settings).files] == [path]

    def test_a_name_with_suffix_chooses_one_of_two(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _write(folder, **{"ratings.csv": GOOD, "ratings.tsv": GOOD})
        settings = DataSettings(ratings=RatingsColumns(file="ratings.csv"))
        assert [file.path for file in land_now(con, folder, settings).files] == ["ratings.csv"]
        assert "ratings.tsv (another file holds the ratings)" in caplog.text

    def test_an_archive_beside_its_csv_is_left_out(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _write(folder, **{"ratings.csv": GOOD, "ratings.zip": "not opened"})
        assert [file.path for file in land_now(con, folder).files] == ["ratings.csv"]
        assert "ratings.zip (another file holds the ratings)" in caplog.text

    def test_a_folder_of_other_formats_names_them(self, folder: Path) -> None:
        _write(folder, **{"ratings.json": "{}", "stars.csv": GOOD})
        with pytest.raises(UsageError, match="holds no ratings") as caught:
            check_input_folder(folder, LENIENT)
        assert (
            "Other files are there: stars.csv. If one of them holds ratings, name it: [data.ratings]"
            in caught.value.hint
        )
        assert "ratings.json cannot be read: JSON is not read" in caught.value.hint

    @pytest.mark.parametrize("name", ["ratings.jsonl", "ratings.ndjson.gz"])
    @pytest.mark.parametrize("file", ["ratings", "events"])
    def test_json_alone_is_said_how_to_convert(self, folder: Path, name: str, file: str) -> None:
        _write(folder, **{name.replace("ratings", file): "{}", "movies.csv": MOVIES})
        with pytest.raises(UsageError, match="holds no ratings") as caught:
            check_input_folder(folder, LENIENT)
        assert "Name one" not in caught.value.hint
        given = name.replace("ratings", file)
        assert f"{given} cannot be read: JSON is not read: convert it" in caught.value.hint
        assert f"duckdb.read_json('{given}').write_csv('{file}.csv')" in caught.value.hint

    def test_a_named_source_in_json_is_said_how_to_convert(self, folder: Path) -> None:
        _write(folder, **{"tags.csv": TAGS, "stars.jsonl": "{}"})
        with pytest.raises(UsageError, match="has no ratings under the name") as caught:
            check_input_folder(folder, DataSettings(ratings=RatingsColumns(file="stars")))
        assert "stars.jsonl cannot be read: JSON" in caught.value.hint

    def test_the_command_that_converts_json_works(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "r.jsonl").write_text(
            '{"userId": 1, "movieId": 2, "rating": 3.5, "timestamp": 100000000}\n'
        )
        program = json_to_csv("r.jsonl").split('"')[1]
        subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)
        land_now(con, folder, DataSettings(ratings=RatingsColumns(file="r")))
        assert raw_ratings(con) == [("1", "2", "3.5", "100000000")]

    @pytest.mark.parametrize(
        ("names", "source"),
        [
            (("ratings_2023.csv", "ratings_2024.csv"), "ratings"),
            (("events-01.tsv", "events-02.tsv"), "events"),
            (("part-00000.parquet", "part-00001.parquet"), "ratings"),
        ],
    )
    def test_parts_of_a_source_are_moved_into_a_folder(
        self, folder: Path, names: tuple[str, str], source: str
    ) -> None:
        _write(folder, **dict.fromkeys(names, GOOD))
        with pytest.raises(UsageError, match="holds no ratings") as caught:
            check_input_folder(folder, LENIENT)
        assert f"{' and '.join(names)} look like parts of one source: " in caught.value.hint
        assert f"move them into a folder {source}/, which is read as a whole." in caught.value.hint
        assert "Name one" not in caught.value.hint

    def test_a_part_beside_the_source_is_named_as_such(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _write(folder, **{"ratings.csv": GOOD, "ratings_2024.csv": GOOD})
        land_now(con, folder)
        assert (
            "ratings_2024.csv (only one file holds the ratings, or a folder ratings/: move all" in caplog.text
        )

    def test_one_unknown_file_may_hold_ratings_or_events(self, folder: Path) -> None:
        _write(folder, **{"views.csv": GOOD})
        with pytest.raises(UsageError) as caught:
            check_input_folder(folder, LENIENT)
        for source in ("ratings", "events"):
            assert f'[data.{source}] file = "views.csv"' in caught.value.hint

    def test_data_in_a_sub_folder_is_pointed_to(self, folder: Path) -> None:
        _write(folder, **{"ml-1m/ratings.csv": GOOD})
        with pytest.raises(UsageError) as caught:
            check_input_folder(folder, LENIENT)
        assert f"--dataset {folder / 'ml-1m'}" in caught.value.hint


class TestLeftOut:
    def test_files_not_taken_are_named_once(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        others = ("extra.csv", "x.7z", "r.json", "deep/er/ratings.csv", "ratings/old/a.csv")
        _write(folder, **{"ratings/a.csv": GOOD, **dict.fromkeys(others, "x")})
        plan_intake(con, folder, LENIENT)
        land_now(con, folder)
        [said] = [record.getMessage() for record in caplog.records]
        assert said.startswith(f"{folder}: 5 files are not read: ")
        assert all(said.count(name) == 1 for name in others)

    def test_files_that_movielens_adds_are_passed_over(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _write(folder, **{"ratings.csv": GOOD, "links.csv": "movieId,imdbId,tmdbId\n1,2,3\n"})
        _write(folder, **{"genome-tags.csv": "tagId,tag\n1,noir\n"})
        land_now(con, folder)
        assert not caplog.records

    def test_many_files_are_counted(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _write(folder, **{"ratings.csv": GOOD, **{f"x/{n}.csv": "" for n in range(30)}})
        land_now(con, folder)
        assert "30 files are not read" in caplog.text
        assert "and 20 more." in caplog.text

    def test_markers_and_leavings_are_passed_over(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        known = ("_SUCCESS", "._SUCCESS.crc", ".a.csv.crc", ".DS_Store", "Thumbs.db", "a.csv~", ".a.csv.swp")
        _write(folder, **{"ratings/a.csv": GOOD}, **{f"ratings/{name}": "x" for name in known})
        _write(folder, **{"__MACOSX/ratings/._a.csv": "x", "README.txt": "x", ".ratings.csv.x7Yz": "x"})
        assert [file.path for file in land_now(con, folder).files] == ["ratings/a.csv"]
        assert not caplog.records

    def test_the_raw_folder_of_a_home_is_not_remarked_on(
        self, con: duckdb.DuckDBPyConnection, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _write(tmp_path, **{"home.json": "{}", "raw/ratings.csv": GOOD, "raw/extra.csv": "x"})
        land_now(con, tmp_path / "raw")
        assert not caplog.records

    def test_a_home_within_the_folder_is_not_searched(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        _write(folder, **{"ratings.csv": GOOD, "home/home.json": "{}", "home/runs/1/report.json": "{}"})
        land_now(con, folder)
        assert not caplog.records

    def test_links_in_a_circle_are_followed_once(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _write(folder, **{"ratings/2024/a.csv": GOOD})
        (folder / "ratings/2024/2025").symlink_to(folder / "ratings")
        assert len(land_now(con, folder).files) == 1


class TestFolders:
    def test_an_unreadable_file_in_a_source_is_refused(self, folder: Path) -> None:
        _write(folder, **{"ratings/a.csv": GOOD, "ratings/b.7z": "x", "ratings/c.7z": "x"})
        with pytest.raises(
            UsageError, match=r"holds files that cannot be read: b\.7z, c\.7z \(an archive"
        ) as caught:
            check_input_folder(folder, LENIENT)
        assert caught.value.hint

    @pytest.mark.parametrize("name", ["ratings", "ratings.csv", "ratings.parquet"])
    def test_spark_output_is_read(self, con: duckdb.DuckDBPyConnection, folder: Path, name: str) -> None:
        """Empty parts, of no byte or with a header only, are usual there."""
        parts = {"part-00000-a-c000.csv": GOOD, "part-00001-a-c000.csv": "", "part-00002-a-c000.csv": RATINGS}
        _write(folder, **{f"{name}/{part}": text for part, text in parts.items()}, **{f"{name}/_SUCCESS": ""})
        assert len(land_now(con, folder).files) == 2
        assert len(raw_ratings(con)) == 2000

    def test_parts_without_any_row_are_refused(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _write(folder, **{"ratings/part-0.csv": RATINGS, "ratings/part-1.csv": RATINGS + "\n"})
        with pytest.raises(NightError, match="The ratings hold no row"):
            land_now(con, folder)

    def test_hadoop_parts_need_no_suffix(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _write(folder, **{"ratings/part-00000": GOOD, "ratings/_SUCCESS": ""})
        land_now(con, folder)
        assert len(raw_ratings(con)) == 2000

    @pytest.mark.parametrize("suffix", ["csv", "parquet"])
    def test_partition_folders_give_a_column(
        self, con: duckdb.DuckDBPyConnection, folder: Path, suffix: str
    ) -> None:
        """The same bytes under two values are two contents."""
        for value in ("view", "add%20it", "__HIVE_DEFAULT_PARTITION__"):
            path = folder / f"events/event={value}/part-0.{suffix}"
            path.parent.mkdir(parents=True)
            if suffix == "csv":
                path.write_text("userId,itemId,timestamp\n1,2,100000000\n")
            else:
                pq.write_table(pa.table({"userId": [1], "itemId": [2], "timestamp": [100_000_000]}), path)
        for _ in range(2):
            assert len(land_now(con, folder).files) == 3
            found = rows(con, "select event, user_id, item_id, timestamp from raw_events order by event")
            assert found == [(value, "1", "2", "100000000") for value in ("add it", "view", None)]

    @pytest.mark.parametrize("name", ["EVENT", "Event"])
    def test_folders_give_a_column_in_any_capitals(
        self, con: duckdb.DuckDBPyConnection, folder: Path, name: str
    ) -> None:
        _write(folder, **{f"events/{name}=View/a.csv": "userId,itemId,timestamp\n1,2,100000000\n"})
        land_now(con, folder)
        assert rows(con, "select event from raw_events") == [("View",)]

    def test_a_folder_of_another_name_is_mentioned(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        _write(folder, **{"events/action=view/a.csv": "userId,itemId,timestamp\n1,2,100000000\n"})
        with pytest.raises(UsageError, match=r"no column 'event'.* Its folders give: action\."):
            land_now(con, folder)

    def test_a_column_in_the_file_wins_over_its_folder(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        _write(folder, **{"events/event=view/a.csv": "userId,itemId,event,timestamp\n1,2,like,100000000\n"})
        land_now(con, folder)
        assert rows(con, "select event from raw_events") == [("like",)]

    def test_date_folders_are_read(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        _write(
            folder,
            **{"ratings/2024/01/a.csv": GOOD, "ratings/date=2024-02-01/a.csv": GOOD + "x,2,3,100000000\n"},
        )
        assert [file.path for file in land_now(con, folder).files] == [
            "ratings/2024/01/a.csv", "ratings/date=2024-02-01/a.csv",
        ]  # fmt: skip

    def test_a_source_only_in_a_sub_folder_is_refused(self, folder: Path) -> None:
        _write(folder, **{"ratings/old/a.csv": GOOD})
        with pytest.raises(UsageError, match="holds no ratings file") as caught:
            check_input_folder(folder, LENIENT)
        assert "old/a.csv is in a sub-folder" in caught.value.hint

    @pytest.mark.parametrize("marker", ["_delta_log/0.json", "metadata/v1.metadata.json", ".hoodie/x"])
    def test_a_table_of_several_versions_is_refused(self, folder: Path, marker: str) -> None:
        _write(folder, **{"ratings/part-0.parquet": "x", f"ratings/{marker}": "{}"})
        with pytest.raises(UsageError, match="rows that were deleted since"):
            check_input_folder(folder, LENIENT)
