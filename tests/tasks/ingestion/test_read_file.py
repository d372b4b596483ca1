"""Reading input files: every format gives the same rows, and every bad file a clear error."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.data_settings import DataSettings, RatingsColumns
from tasks.errors import NightError, UsageError
from tests.tasks.inputs import GOOD, MOVIES, RATINGS, TAGS, land_now, raw_ratings, rows

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
        assert raw_ratings(con) == ONE

    def test_typed_parquet_becomes_text(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        moments = pa.array([1_000_000_000, None], pa.timestamp("s", "UTC"))
        table = pa.table({"userId": [1, 2], "movieId": [5.0, None], "rating": [3.5, 4], "timestamp": moments})
        pq.write_table(table, folder / "ratings.parquet")
        pq.write_table(pa.table({"movieId": ["a"], "genres": [["Drama", "Noir"]]}), folder / "movies.parquet")
        land_now(con, folder)
        assert raw_ratings(con) == [("1", "5", "3.5", "2001-09-09 01:46:40+00"), ("2", None, "4.0", None)]
        assert rows(con, "select item_id, title, genres from raw_items") == [("a", None, '["Drama","Noir"]')]

    def test_columns_can_be_mapped(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "log.csv").write_text('who,"wh""at",stars,at\n1,2,3.5,100000000\n')
        columns = RatingsColumns(file="log", user="who", item='wh"at', rating="stars", timestamp="at")
        land_now(con, folder, DataSettings(ratings=columns))
        assert raw_ratings(con) == ONE

    def test_quoted_line_breaks_and_unicode_are_kept(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + '"é ""x"", y",日本,4,100000000\n', encoding="utf-8")
        (folder / "movies.csv").write_text(MOVIES + '1,"A\nB, the ""C""",Drama\n2,D,\n')
        land_now(con, folder)
        assert raw_ratings(con) == [('é "x", y', "日本", "4", "100000000")]
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
        assert len(raw_ratings(con)) == 2
        assert rows(con, "select rows from landed_files") == [(5,)]

    def test_an_open_quote_costs_only_its_own_line(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        """DuckDB's own reader loses half of these rows without a word."""
        good = "".join(f"{n},2,3,100000000\n" for n in range(400_000))
        (folder / "ratings.csv").write_text(
            RATINGS + '7,"2,3,100000000\n' + good + '8,2,"3\n9,2,3,100000000\n'
        )
        land_now(con, folder)
        assert len(raw_ratings(con)) == 400_001
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
        assert [row[0] for row in raw_ratings(con)] == ["1", "2", "3"]


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
            (
                "ratings.csv",
                GOOD.replace("movieId", "movie_id").encode(),
                UsageError,
                "no column 'movieId'. The nearest is 'movie_id'",
            ),
            ("ratings.csv", b"userId,userId,movieId,rating,timestamp\n1,1,1,1,1\n", UsageError, "twice"),
            ("ratings.csv", (GOOD + "é,2,3,100000000\n").encode("latin-1"), NightError, "not UTF-8"),
            ("ratings.parquet", b"", NightError, "is empty"),
            ("ratings.parquet", b"PAR1 no such thing PAR1", NightError, "damaged or incomplete"),
        ],
        ids=[
            "empty", "header only", "missing column", "column twice", "latin-1", "empty parquet", "no parquet",
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


class TestTruncated:
    @pytest.mark.parametrize("keep", [0.3, 0.9])
    def test_parquet_without_its_footer(
        self, con: duckdb.DuckDBPyConnection, folder: Path, tmp_path: Path, keep: float
    ) -> None:
        whole = _parquet(tmp_path)
        (folder / "ratings.parquet").write_bytes(whole[: int(len(whole) * keep)])
        with pytest.raises(NightError, match=r"looks truncated: .* footer"):
            land_now(con, folder)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (GOOD[:-12].encode(), r"line 2,001, its last, has too few columns and no line end: '1999,2,'"),
            (GOOD.replace("\n", "\r\n")[:-13].encode(), r"line 2,001, its last, has too few columns"),
            (GOOD[:-12].encode("utf-16"), r"line 2,001, its last, has too few columns"),
            (GOOD.encode("utf-16")[:-1], "its last character is cut"),
            (GOOD.encode() + b"1,\xc3", "line 2002, its last, ends within a character"),
            (GOOD.encode() + b'"1', "line 2,002, its last, ends within quotes"),
            (GOOD.encode() + b'1,"2\n', "line 2,002, its last, ends within quotes"),
            (GOOD.encode() + bytes(100), "it ends with NUL bytes"),
            (GOOD.encode().rstrip() + bytes(100), "it ends with NUL bytes"),
        ],
        ids=["lf", "crlf", "utf-16", "odd byte", "character", "quote", "quote and lf", "nul", "nul in value"],
    )
    def test_text_that_ends_within_a_line(
        self, con: duckdb.DuckDBPyConnection, folder: Path, content: bytes, words: str
    ) -> None:
        (folder / "ratings.csv").write_bytes(content)
        with pytest.raises(NightError, match=f"looks truncated: {words}") as caught:
            land_now(con, folder)
        assert caught.value.hint.startswith("Deliver it again, whole")
        assert rows(con, "from landed_files") == []

    def test_a_bad_quote_in_the_last_line_is_no_early_end(
        self, con: duckdb.DuckDBPyConnection, folder: Path
    ) -> None:
        (folder / "ratings.csv").write_text(RATINGS + '1,2,3.5,100000000\n"12" x",2,3,100000000\n')
        land_now(con, folder)
        assert rows(con, "select line, reasons from raw_rejects") == [(3, ["broken quotes"])]

    def test_a_whole_last_line_needs_no_line_end(self, con: duckdb.DuckDBPyConnection, folder: Path) -> None:
        (folder / "ratings.csv").write_text(RATINGS + "1,2\n1,2,3.5,100000000")
        land_now(con, folder)
        assert raw_ratings(con) == ONE
