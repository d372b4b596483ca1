"""Landing: each content once, all of it or nothing, and a clear error for every file that cannot be read."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.settings import DataSettings, RatingsColumns
from tasks.errors import NightError, TransientError, UsageError
from tasks.ingestion.input_files import check_input_folder
from tasks.ingestion.land import plan_intake
from tasks.ingestion.read_file import read_input
from tasks.storage.warehouse import run_file
from tests.tasks.inputs import LENIENT, MOVIES, RATINGS, TAGS, land_now, rows

APPEND = DataSettings(kind="append", max_reject_share=1)


def raw(con: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    return rows(con, "select user_id, item_id, rating, timestamp from raw_ratings order by file_id, line")


ONE = [("1", "2", "3.5", "100000000")]


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("ratings.csv", (RATINGS + "1,2,3.5,100000000\n").encode()),
            ("ratings.CSV", (RATINGS + "1,2,3.5,100000000").encode()),
            ("ratings.csv", (RATINGS + "1,2,3.5,100000000\n").replace("\n", "\r\n").encode("utf-8-sig")),
            ("ratings.csv", b"x,timestamp,userId,movieId,rating\n9,100000000,1,2,3.5\n"),
            ("ratings.tsv", (RATINGS + "1,2,3.5,100000000\n").replace(",", "\t").encode()),
            ("ratings.TSV", (RATINGS + "1,2,3.5,100000000\n").replace(",", "\t").encode()),
            ("ratings.csv.gz", gzip.compress((RATINGS + "1,2,3.5,100000000\n").encode())),
            ("ratings/day[1].csv", (RATINGS + "1,2,3.5,100000000\n").encode()),
        ],
        ids=["csv", "no last line end", "bom and crlf", "other order", "tsv", "TSV", "gzip", "folder"],
    )
    def test_every_format_gives_the_same_rows(
        self, con: duckdb.DuckDBPyConnection, folder: Path, name: str, content: bytes
    ) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        land_now(con, folder)
        assert raw(con) == ONE

    def test_typed_parquet_becomes_text(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        moments = pa.array([1_000_000_000, None], pa.timestamp("s", "UTC"))
        table = pa.table({"userId": [1, 2], "movieId": [5.0, None], "rating": [3.5, 4], "timestamp": moments})
        pq.write_table(table, folder / "ratings.parquet")
        pq.write_table(pa.table({"movieId": ["a"], "genres": [["Drama", "Noir"]]}), folder / "movies.parquet")
        land_now(con, folder)
        assert raw(con) == [("1", "5", "3.5", "2001-09-09 01:46:40+00"), ("2", None, "4.0", None)]
        assert rows(con, "select item_id, title, genres from raw_items") == [("a", None, "Drama|Noir")]

    def test_columns_can_be_mapped(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "log.csv").write_text('who,"wh""at",stars,at\n1,2,3.5,100000000\n')
        columns = RatingsColumns(file="log", user="who", item='wh"at', rating="stars", timestamp="at")
        land_now(con, folder, DataSettings(ratings=columns))
        assert raw(con) == ONE

    def test_quoted_line_breaks_and_unicode_are_kept(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + '"é ""x"", y",日本,4,100000000\n', encoding="utf-8")
        (folder / "movies.csv").write_text(MOVIES + '1,"A\nB, the ""C""",Drama\n2,D,\n')
        land_now(con, folder)
        assert raw(con) == [('é "x", y', "日本", "4", "100000000")]
        assert rows(con, "select title from raw_items order by line") == [('A\nB, the "C"',), ("D",)]

    def test_a_misspelt_optional_column_is_logged(
        self, con: duckdb.DuckDBPyConnection, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (folder / "events.csv").write_text("userId,itemId,event,Value,timestamp\n1,2,watch,3,100000000\n")
        land_now(con, folder)
        assert "has no column 'value' and is read without; is it 'Value'?" in caplog.text

    def test_rows_keep_the_order_of_the_file(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        lines = [f"{n},{n % 7},3,{100_000_000 + n}\n" for n in range(150_000)]  # two of DuckDB's row groups
        (folder / "ratings.csv").write_text(RATINGS + "".join(lines))
        land_now(con, folder)
        wrong = "select count(*) from raw_ratings where line != user_id::bigint + 2"
        assert rows(con, wrong) == [(0,)]


class TestLines:
    def test_malformed_lines_are_kept_with_reason(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        bad = '1,2,3,100000000\n1,2\n1,2,3,4,5\n"a" b,2,3,4\n2,2,3,100000000\n'
        (folder / "ratings.csv").write_text(RATINGS + bad)
        land_now(con, folder)
        assert rows(con, "select line, raw, reasons from raw_rejects order by line") == [
            (3, "1,2", ["too few columns"]),
            (4, "1,2,3,4,5", ["too many columns"]),
            (5, '"a" b,2,3,4', ["broken quotes"]),
        ]
        assert len(raw(con)) == 2
        assert rows(con, "select rows from landed_files") == [(5,)]

    def test_an_open_quote_costs_only_its_own_line(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        """DuckDB's own reader loses half of these rows without a word."""
        good = "".join(f"{n},2,3,100000000\n" for n in range(400_000))
        (folder / "ratings.csv").write_text(RATINGS + '7,"2,3,100000000\n' + good + '8,2,"3')
        land_now(con, folder)
        assert len(raw(con)) == 400_000
        assert rows(con, "select line, raw, reasons from raw_rejects order by line") == [
            (2, '7,"2,3,100000000', ["broken quotes"]),
            (400_003, '8,2,"3', ["broken quotes"]),
        ]

    def test_short_lines_are_rejected_when_column_is_ignored(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp,note\n1,2,3,4,a\n1,2,3,4\n")
        land_now(con, folder)
        assert rows(con, "select line, reasons from raw_rejects") == [(3, ["too few columns"])]

    def test_mixed_line_ends_lose_no_row(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_bytes(
            RATINGS.encode() + b"1,2,3,100000000\r\n2,2,3,100000000\n\n3,2,3,100000000\r\n"
        )
        land_now(con, folder)
        assert [row[0] for row in raw(con)] == ["1", "2", "3"]


GOOD = RATINGS + "".join(f"{n},2,3,100000000\n" for n in range(2000))


def _parquet(tmp_path: Path) -> bytes:
    values = list(range(10_000))
    columns = dict.fromkeys(("userId", "movieId", "rating", "timestamp"), values)
    pq.write_table(pa.table(columns), tmp_path / "whole.parquet")
    return (tmp_path / "whole.parquet").read_bytes()


class TestBadInput:
    @pytest.mark.parametrize(
        ("name", "content", "error", "words"),
        [
            ("ratings.csv", b"", NightError, "is empty"),
            ("ratings.csv", RATINGS.encode(), NightError, "holds no row"),
            ("ratings.csv", GOOD.replace(",", ";").encode(), UsageError, "separates its columns by ';'"),
            ("ratings.tsv", GOOD.encode(), UsageError, "separates its columns by ','"),
            (
                "ratings.csv",
                GOOD.replace("movieId", "movie_id").encode(),
                UsageError,
                "no column 'movieId'. The nearest is 'movie_id'",
            ),
            ("ratings.csv", b"userId,userId,movieId,rating,timestamp\n1,1,1,1,1\n", UsageError, "twice"),
            ("ratings.csv", (GOOD + "é,2,3,100000000\n").encode("latin-1"), NightError, "not UTF-8"),
            ("ratings.csv", GOOD.encode("utf-16"), NightError, "not UTF-8"),
            ("ratings.csv.gz", gzip.compress(GOOD.encode())[:-300], NightError, "damaged or incomplete"),
            ("ratings.csv.gz", GOOD.encode(), NightError, "damaged or incomplete"),
            ("ratings.parquet", b"", NightError, "damaged or incomplete"),
            ("ratings.parquet", b"PAR1 no such thing", NightError, "damaged or incomplete"),
        ],
        ids=[
            "empty", "header only", "semicolons", "commas in tsv", "missing column", "column twice", "latin-1",
            "utf-16", "truncated gzip", "no gzip", "empty parquet", "no parquet",
        ],
    )  # fmt: skip
    def test_a_bad_file_is_named_and_nothing_lands(
        self,
        con: duckdb.DuckDBPyConnection,
        folder: Path,
        name: str,
        content: bytes,
        error: type[NightError],
        words: str,
    ) -> None:
        (folder / name).write_bytes(content)
        (folder / "tags.csv").write_text(TAGS + "1,2,noir,100000000\n")
        with pytest.raises(error) as caught:
            land_now(con, folder)
        assert type(caught.value) is error
        assert words in str(caught.value)
        assert str(folder / name) in str(caught.value)
        assert caught.value.hint
        assert rows(con, "from landed_files") == rows(con, "from raw_tags") == []

    def test_a_flipped_bit_in_gzip_is_noticed(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        """DuckDB does not look at the checksum."""
        data = bytearray(gzip.compress(GOOD.encode()))
        data[-6] ^= 1
        (folder / "ratings.csv.gz").write_bytes(data)
        with pytest.raises(NightError, match="damaged"):
            land_now(con, folder)

    @pytest.mark.parametrize("keep", [0.3, 0.9])
    def test_a_truncated_parquet_is_damaged(
        self, con: duckdb.DuckDBPyConnection, folder: Path, tmp_path: Path, keep: float
    ) -> None:
        whole = _parquet(tmp_path)
        (folder / "ratings.parquet").write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(NightError, match="damaged or incomplete"):
            land_now(con, folder)

    def test_a_missing_or_empty_folder_is_refused(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        with pytest.raises(UsageError, match="There is no folder"):
            plan_intake(con, folder / "nowhere", LENIENT)
        (folder / "movies.csv").write_text(MOVIES + "1,A,Drama\n")
        with pytest.raises(UsageError, match="holds no ratings, tags or events") as caught:
            land_now(con, folder)
        assert "ratings.csv" in caught.value.hint
        (folder / "ratings").mkdir()
        with pytest.raises(UsageError, match="holds no ratings file"):
            land_now(con, folder)

    def test_a_file_that_settings_name_must_be_there(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
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

    def test_check_input_folder_refuses_as_landing_would(self, folder: Path) -> None:
        with pytest.raises(UsageError, match="There is no folder"):
            check_input_folder(folder / "nowhere", LENIENT)
        with pytest.raises(UsageError, match="holds no ratings, tags or events"):
            check_input_folder(folder, LENIENT)
        (folder / "movies.csv").write_text(MOVIES + "1,A,Drama\n")
        with pytest.raises(UsageError, match="holds no ratings, tags or events"):
            check_input_folder(folder, LENIENT)
        (folder / "ratings.csv").write_text("not looked into")
        check_input_folder(folder, LENIENT)

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

    def test_one_source_twice_is_refused(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        (folder / "ratings.csv.gz").write_bytes(gzip.compress(GOOD.encode()))
        with pytest.raises(UsageError, match=r"twice: ratings\.csv and ratings\.csv\.gz"):
            plan_intake(con, folder, LENIENT)


class TestIntake:
    def test_plan_equals_landing(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        plan = plan_intake(con, folder, LENIENT)
        assert rows(con, "from landed_files") == []
        assert plan.new_files == 1
        assert land_now(con, folder) == plan
        again = land_now(con, folder)
        assert (again.new_files, again.data_hash) == (0, plan.data_hash)
        assert len(raw(con)) == 2000

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
        assert {row[0] for row in raw(con)} == {"2", "3"}
        (folder / "ratings/b.csv").unlink()
        intake = land_now(con, folder)
        assert [file.path for file in intake.files] == ["ratings/a.csv"]
        assert {row[0] for row in raw(con)} == {"3"}

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
        assert [row[0] for row in raw(con)] == ["1", "2"]

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
        assert [row[0] for row in raw(con)] == ["1", "2"]
        day.write_text(RATINGS + "3,2,3,100000000\n")
        land_now(con, folder)
        assert [row[0] for row in raw(con)] == ["3"]

    def test_another_column_mapping_reads_the_file_again(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,100000000\n")
        land_now(con, folder)
        swapped = DataSettings(ratings=RatingsColumns(item="userId", user="movieId"))
        assert land_now(con, folder, swapped).new_files == 1
        assert raw(con) == [("2", "1", "3", "100000000")]

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
        assert sorted(row[2] for row in raw(con)) == ["3", "misread"]

    def test_a_warehouse_without_reader_column_is_read_again(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        land_now(con, folder)
        con.execute("alter table landed_files drop column reader")
        run_file(con, "warehouse/schema.sql")
        assert land_now(con, folder).new_files == 1
        assert land_now(con, folder).new_files == 0
        assert len(raw(con)) == 2000

    def test_one_bad_file_leaves_the_warehouse_unchanged(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2,3,100000000\n")
        land_now(con, folder)
        before = rows(con, "from landed_files"), raw(con)
        (folder / "ratings.csv").write_text(RATINGS + "2,2,3,100000000\n")
        (folder / "tags.csv").write_text("nonsense\n")
        with pytest.raises(UsageError):
            land_now(con, folder)
        assert (rows(con, "from landed_files"), raw(con)) == before
