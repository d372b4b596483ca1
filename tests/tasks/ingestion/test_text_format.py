"""Text files as they come: without header, with other separators and encodings, and by what they hold."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.data_settings import DataSettings
from tasks.errors import NightError, UsageError
from tests.tasks.inputs import GOOD, MOVIES, RATINGS, land_now, raw_ratings, rows

ROW = "1,2,3.5,100000000\n"
ONE = [("1", "2", "3.5", "100000000")]
COLUMNS = ["userId", "movieId", "rating", "timestamp"]
Con = duckdb.DuckDBPyConnection


class TestWithoutHeader:
    @pytest.mark.parametrize(
        ("name", "separator"),
        [
            ("ratings.dat", "::"),
            ("u.data", "\t"),
            ("ratings.txt", " "),
            ("ratings.csv", ","),
            ("ratings.psv", "|"),
        ],
    )
    @pytest.mark.parametrize("is_set", [True, False], ids=["separator set", "separator found"])
    def test_settings_name_the_columns(
        self, con: Con, folder: Path, name: str, separator: str, is_set: bool
    ) -> None:
        (folder / name).write_text(ROW.replace(",", separator))
        section = {"file": name, "columns": COLUMNS, "separator": separator if is_set else ""}
        land_now(con, folder, DataSettings.model_validate({"ratings": section}))
        assert raw_ratings(con) == ONE
        assert rows(con, "select line from landed_ratings") == [(1,)]

    def test_movielens_1m_as_it_comes(self, con: Con, folder: Path) -> None:
        (folder / "ratings.dat").write_text(
            "1::2::4::100000000\r\n3::4::5::100000001\r\n3::4\r\n", newline=""
        )
        (folder / "movies.dat").write_bytes(
            '1::Amélie, "so" (2001)::Drama|Noir\n2::"A" b::\n'.encode("latin-1")
        )
        items = {"columns": ["movieId", "title", "genres"], "separator": "::", "encoding": "latin-1"}
        settings = {"ratings": {"columns": COLUMNS, "separator": "::"}, "items": items}
        land_now(con, folder, DataSettings.model_validate(settings))
        assert raw_ratings(con) == [("1", "2", "4", "100000000"), ("3", "4", "5", "100000001")]
        assert rows(con, "select line, raw, reasons from raw_rejects") == [(3, "3::4", ["too few columns"])]
        assert rows(con, "select item_id, title, genres from raw_items order by line") == [
            ("1", 'Amélie, "so" (2001)', "Drama|Noir"),
            ("2", '"A" b', None),
        ]

    @pytest.mark.parametrize("separator", [",", "::", "\t"])
    def test_a_missing_header_is_named(self, con: Con, folder: Path, separator: str) -> None:
        (folder / "ratings.dat").write_text(ROW.replace(",", separator))
        with pytest.raises(
            UsageError, match=r"ratings\.dat has no header: its first line looks like data"
        ) as caught:
            land_now(con, folder)
        assert 'data.ratings.columns = ["userId", "movieId", "rating", "timestamp"]' in caught.value.hint

    @pytest.mark.parametrize(
        ("line", "is_data"),
        [
            ("1,2,like", True), ('"1","2","3"', True), ("a1,b2,like,2024-01-01T00:00:00Z", True),
            ("ab,cd,5,1700000000", True), ("user,item,1990", False), ("user,item,stars,time", False),
        ],
    )  # fmt: skip
    def test_a_first_line_with_numbers_or_times_is_data(
        self, con: Con, folder: Path, line: str, is_data: bool
    ) -> None:
        (folder / "ratings.csv").write_text(f"{line}\n{line}\n")
        with pytest.raises(UsageError, match="has no header" if is_data else "has no column"):
            land_now(con, folder)

    def test_a_header_wins_over_the_setting(
        self, con: Con, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (folder / "ratings.csv").write_text("movieId,userId,rating,timestamp\n2,1,3.5,100000000\n")
        land_now(con, folder, DataSettings.model_validate({"ratings": {"columns": COLUMNS}}))
        assert raw_ratings(con) == ONE
        assert "a header, so that data.ratings.columns is not needed" in caplog.text

    @pytest.mark.parametrize(
        ("section", "words"),
        [
            (
                {"columns": COLUMNS[:3]},
                "has 4 columns when separated by ',', but data.ratings.columns names 3",
            ),
            ({"columns": COLUMNS, "separator": ";"}, "Set data.ratings.separator = ',': that gives 4."),
            ({"columns": ["userId", "movieId", "stars", "timestamp"]}, "columns names no column 'rating'"),
            ({"separator": ";"}, "has no header"),
        ],
    )
    def test_wrong_settings_are_explained(
        self, con: Con, folder: Path, section: dict[str, Any], words: str
    ) -> None:
        (folder / "ratings.csv").write_text(ROW)
        with pytest.raises(UsageError) as caught:
            land_now(con, folder, DataSettings.model_validate({"ratings": section}))
        assert words in f"{caught.value} {caught.value.hint}"

    def test_dots_stand_for_any_other_columns(self, con: Con, folder: Path) -> None:
        """MovieLens 100K: `u.item` has 24 columns."""
        (folder / "u.data").write_text(ROW.replace(",", "\t"))
        (folder / "u.item").write_bytes(
            "1|Amélie (2001)|01-Jan-2001||url|0|1\n2|B||||1|0\n".encode("latin-1")
        )
        settings = {
            "ratings": {"file": "u.data", "columns": COLUMNS},
            "items": {"file": "u.item", "columns": ["movieId", "title", "..."], "encoding": "latin-1"},
        }
        land_now(con, folder, DataSettings.model_validate(settings))
        assert raw_ratings(con) == ONE
        titles = rows(con, "select item_id, title from raw_items order by line")
        assert titles == [("1", "Amélie (2001)"), ("2", "B")]

    def test_another_setting_reads_the_file_again(self, con: Con, folder: Path) -> None:
        (folder / "ratings.csv").write_text(ROW)
        land_now(con, folder, DataSettings.model_validate({"ratings": {"columns": COLUMNS}}))
        swapped = ["movieId", "userId", "rating", "timestamp"]
        land_now(con, folder, DataSettings.model_validate({"ratings": {"columns": swapped}}))
        assert raw_ratings(con) == [("2", "1", "3.5", "100000000")]


class TestSeparator:
    @pytest.mark.parametrize(
        ("name", "separator"),
        [
            ("ratings.csv", ";"),
            ("ratings.csv", "\t"),
            ("ratings.tsv", ","),
            ("ratings.txt", "\t"),
            ("ratings.dat", "::"),
        ],
    )
    def test_the_header_tells_and_it_is_said_once(
        self, con: Con, folder: Path, caplog: pytest.LogCaptureFixture, name: str, separator: str
    ) -> None:
        (folder / name).write_text((RATINGS + ROW).replace(",", separator))
        land_now(con, folder)
        land_now(con, folder)
        assert raw_ratings(con) == ONE
        said = [record.getMessage() for record in caplog.records]
        expected = (
            [] if (name, separator) == ("ratings.txt", ",") else [f"columns separated by {separator!r}"]
        )
        assert len(said) == len(expected) == 1
        assert expected[0] in said[0]

    def test_one_sentence_for_files_read_alike(
        self, con: Con, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (folder / "ratings").mkdir()
        for day in "abc":
            (folder / "ratings" / f"{day}.csv").write_text(
                f"userId;movieId;rating;timestamp\n{day};2;3;100000000\n"
            )
        land_now(con, folder)
        assert [record.getMessage() for record in caplog.records] == [
            f"{folder}/ratings/a.csv and 2 more are read by what they hold: columns separated by ';'."
        ]

    def test_book_crossing_is_read(self, con: Con, folder: Path) -> None:
        content = '"User-ID";"ISBN";"Book-Rating";"Date"\r\n"1";"019515344X";"5";"100000000"\r\n'
        (folder / "BX-Book-Ratings.csv").write_text(content, newline="")
        section = {
            "file": "BX-Book-Ratings", "user": "User-ID", "item": "ISBN", "rating": "Book-Rating", "timestamp": "Date"
        }  # fmt: skip
        land_now(con, folder, DataSettings.model_validate({"ratings": section}))
        assert raw_ratings(con) == [("1", "019515344X", "5", "100000000")]

    @pytest.mark.parametrize("separator", ["||", "::"])
    def test_quotes_count_if_the_whole_header_is_quoted(self, con: Con, folder: Path, separator: str) -> None:
        lines = [COLUMNS, ["1", f"2{separator}x", "3.5", "100000000"]]
        text = "".join(separator.join(f'"{cell}"' for cell in line) + "\n" for line in lines)
        (folder / "ratings.csv").write_text(text)
        land_now(con, folder, DataSettings.model_validate({"ratings": {"separator": separator}}))
        assert raw_ratings(con) == [("1", f"2{separator}x", "3.5", "100000000")]

    def test_a_wrong_setting_names_the_right_separator(self, con: Con, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        with pytest.raises(UsageError, match="separates its columns by ',', not by ';'"):
            land_now(con, folder, DataSettings.model_validate({"ratings": {"separator": ";"}}))

    @pytest.mark.parametrize(
        ("first", "words"), [("\n", "an empty line"), ("sep=,\n", "Excel's line 'sep=,'")]
    )
    def test_a_line_before_the_header_is_named(self, con: Con, folder: Path, first: str, words: str) -> None:
        (folder / "ratings.csv").write_text(first + GOOD)
        with pytest.raises(UsageError, match=words):
            land_now(con, folder)

    def test_blanks_around_names_are_ignored(self, con: Con, folder: Path) -> None:
        (folder / "ratings.csv").write_text("userId, movieId , rating,timestamp\n" + ROW)
        land_now(con, folder)
        assert raw_ratings(con) == ONE


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_utf16_is_read_and_said(
        self, con: Con, folder: Path, caplog: pytest.LogCaptureFixture, encoding: str
    ) -> None:
        (folder / "ratings.tsv").write_bytes((RATINGS + ROW).replace(",", "\t").encode(encoding))
        land_now(con, folder)
        assert raw_ratings(con) == ONE
        assert f"is read by what it holds: {encoding.upper()} text" in caplog.text

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
    def test_utf16_by_setting(
        self, con: Con, folder: Path, caplog: pytest.LogCaptureFixture, encoding: str
    ) -> None:
        (folder / "ratings.csv").write_bytes((RATINGS + ROW).encode(encoding))
        land_now(con, folder, DataSettings.model_validate({"ratings": {"encoding": "utf-16"}}))
        assert raw_ratings(con) == ONE
        assert not caplog.records

    @pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "gb18030", "cp1251"])
    def test_other_encodings_by_setting(self, con: Con, folder: Path, encoding: str) -> None:
        title = {"gb18030": "电影", "cp1251": "Фильм"}.get(encoding, "Amélie")
        (folder / "ratings.csv").write_text(GOOD)
        (folder / "movies.csv").write_bytes((MOVIES + f"1,{title},Drama\n").encode(encoding))
        land_now(con, folder, DataSettings.model_validate({"items": {"encoding": encoding}}))
        assert rows(con, "select title from raw_items") == [(title,)]

    @pytest.mark.parametrize("far", [0, 200_000], ids=["first bytes", "far behind"])
    def test_an_unknown_encoding_is_named_with_line(self, con: Con, folder: Path, far: int) -> None:
        before = "".join(f"{n},a title,Drama\n" for n in range(far // 10))
        (folder / "ratings.csv").write_text(GOOD)
        (folder / "movies.csv").write_bytes((MOVIES + before + "1,Amélie,Drama\n").encode("cp1252"))
        line = 2 + far // 10
        words = rf"not UTF-8: line {line} holds the byte 0xE9, which in cp1252 reads '1,Amélie,Drama'"
        with pytest.raises(NightError, match=words) as caught:
            land_now(con, folder)
        assert 'data.items.encoding = "cp1252"' in caught.value.hint
        assert "iconv" not in caught.value.hint

    def test_a_wrong_setting_is_named(self, con: Con, folder: Path) -> None:
        (folder / "ratings.csv").write_text(GOOD)
        with pytest.raises(NightError, match="is not utf-16") as caught:
            land_now(con, folder, DataSettings.model_validate({"ratings": {"encoding": "utf-16"}}))
        assert "data.ratings.encoding" in caught.value.hint


class TestFirstBytes:
    @pytest.mark.parametrize(
        ("name", "content", "found"),
        [
            ("ratings.csv", gzip.compress((RATINGS + ROW).encode()), "gzip"),
            ("ratings.csv.gz", (RATINGS + ROW).encode(), "plain text"),
            ("ratings.parquet", (RATINGS + ROW).encode(), "plain text"),
            ("ratings.csv", gzip.compress((RATINGS + ROW).encode("utf-16")), "gzip, UTF-16 text"),
        ],
        ids=["gzip named csv", "csv named gz", "csv named parquet", "utf-16 in gzip"],
    )
    def test_content_is_read_whatever_its_name(
        self, con: Con, folder: Path, caplog: pytest.LogCaptureFixture, name: str, content: bytes, found: str
    ) -> None:
        (folder / name).write_bytes(content)
        land_now(con, folder)
        assert raw_ratings(con) == ONE
        assert f"{name} is read by what it holds: {found}." in caplog.text

    def test_parquet_named_csv_is_read(
        self, con: Con, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        table = pa.table({"userId": [1], "movieId": [2], "rating": [3.5], "timestamp": [100_000_000]})
        pq.write_table(table, folder / "ratings.csv")
        land_now(con, folder)
        assert raw_ratings(con) == ONE
        assert "is read by what it holds: Parquet." in caplog.text

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"<!DOCTYPE html><html><title>Not found</title>", 'an HTML or XML page titled "Not found"'),
            (b"<?xml version='1.0'?><Error><Message>Access Denied</Message>", '"Access Denied"'),
            (b'{"userId": 1}\n', "is JSON"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "a Git LFS pointer"),
            (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "an Excel workbook"),
            (b"SQLite format 3\0", "an SQLite database"),
            (b"user\0Id,movieId\n1,2\n", "NUL bytes in its first line"),
            (bytes(1000), "NUL bytes in its first line"),
            (b"\xef\xbb\xbf", "is empty"),
            (b"\xff\xfe", "is empty"),
        ],
        ids=[
            "html",
            "xml",
            "json",
            "lfs",
            "7z",
            "xls",
            "sqlite",
            "nul",
            "all nul",
            "bom only",
            "utf-16 bom only",
        ],
    )
    def test_other_content_is_named(self, con: Con, folder: Path, content: bytes, words: str) -> None:
        (folder / "ratings.csv").write_bytes(content)
        with pytest.raises(NightError) as caught:
            land_now(con, folder)
        assert words in str(caught.value)
        assert caught.value.hint
        assert "iconv" not in caught.value.hint

    @pytest.mark.parametrize("taken_for", ["latin-1", "cp1252", "utf-8"])
    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "gzip"])
    def test_a_wrong_conversion_is_named(self, con: Con, folder: Path, encoding: str, taken_for: str) -> None:
        """Users convert a file that could not be read; from UTF-8 with its mark to UTF-8 nothing changes."""
        text = "\ufeff" * (encoding == "utf-16-be") + RATINGS + ROW
        before = gzip.compress(text.encode()) if encoding == "gzip" else text.encode(encoding)
        (folder / "ratings.csv").write_text(before.decode(taken_for, "replace"), encoding="utf-8")
        if (encoding, taken_for) == ("utf-8-sig", "utf-8"):
            land_now(con, folder)
            return
        with pytest.raises(NightError, match="converted to UTF-8 as if it were") as caught:
            land_now(con, folder)
        assert caught.value.hint == "Deliver the file as it was before that: it needs no conversion."

    @pytest.mark.parametrize("ends", ["\r", "\r\n"])
    def test_line_ends_of_other_systems(self, con: Con, folder: Path, ends: str) -> None:
        (folder / "ratings.csv").write_bytes((RATINGS + ROW).replace("\n", ends).encode())
        land_now(con, folder)
        assert raw_ratings(con) == ONE

    def test_cr_and_lf_mixed_in_equal_numbers(self, con: Con, folder: Path) -> None:
        (folder / "ratings.csv").write_bytes(RATINGS.encode() + b"1,2,3,4\r2,2,3,4\r3,2,3,4\n")
        land_now(con, folder)
        assert [row[0] for row in raw_ratings(con)] == ["1", "2", "3"]


class TestHints:
    @pytest.mark.parametrize(
        ("separator", "shown"),
        [("#", "'#'"), ("~", "'~'"), ("^", "'^'"), ("\x01", '"\\u0001"'), ("##", "'##'"), ("$$", "'$$'")],
    )
    @pytest.mark.parametrize("columns", [[], COLUMNS])
    def test_an_unusual_separator_is_suggested(
        self, con: Con, folder: Path, separator: str, shown: str, columns: list[str]
    ) -> None:
        text = ROW * 3 if columns else GOOD
        (folder / "ratings.csv").write_text(text.replace(",", separator))
        with pytest.raises(UsageError) as caught:
            land_now(con, folder, DataSettings.model_validate({"ratings": {"columns": columns}}))
        assert f"data.ratings.separator = {shown}" in caught.value.hint
        section = {"columns": columns, "separator": separator}
        land_now(con, folder, DataSettings.model_validate({"ratings": section}))

    @pytest.mark.parametrize(
        ("before", "said"),
        [
            ("# export of 2024\n", "has its header in line 2, behind '# export of 2024'"),
            ("Report\n\n2024-01-01, all\n", "has its header in line 4, behind 'Report'"),
            ("// a; b\n", "has its header in line 2"),
        ],
    )
    def test_lines_before_the_header_are_named(self, con: Con, folder: Path, before: str, said: str) -> None:
        (folder / "ratings.csv").write_text(before + GOOD)
        with pytest.raises(UsageError, match=said) as caught:
            land_now(con, folder)
        assert caught.value.hint.endswith(f"tail -n +{before.count(chr(10)) + 1} ratings.csv > clean.csv")

    def test_a_comment_before_other_columns_is_named(self, con: Con, folder: Path) -> None:
        (folder / "ratings.csv").write_text("# export of 2024\nwho,what\n1,2\n")
        with pytest.raises(UsageError, match="begins with a comment line, '# export of 2024'"):
            land_now(con, folder)

    @pytest.mark.parametrize("header", [True, False])
    @pytest.mark.parametrize("columns", [[], COLUMNS])
    def test_aligned_columns_are_named(
        self, con: Con, folder: Path, header: bool, columns: list[str]
    ) -> None:
        lines = [f"{user:>6}   {user * 7:<8}{3.5:>5}  {100_000_000}" for user in range(1, 120)]
        names = ["userId   movieId  rating  timestamp"] if header else []
        (folder / "ratings.txt").write_text("\n".join(names + lines) + "\n")
        with pytest.raises(UsageError, match="aligns its columns by several blanks") as caught:
            land_now(con, folder, DataSettings.model_validate({"ratings": {"columns": columns}}))
        command = caught.value.hint.removeprefix("Replace them: ")
        subprocess.run(command, shell=True, cwd=folder, check=True)
        settings = {"file": "clean.csv", "columns": columns if not header else []}
        if header or columns:
            land_now(con, folder, DataSettings.model_validate({"ratings": settings}))
            assert len(raw_ratings(con)) == 119

    def test_json_in_a_csv_is_said_how_to_convert(self, con: Con, folder: Path) -> None:
        (folder / "ratings.csv").write_text('{"userId": 1}\n')
        with pytest.raises(NightError, match=r"ratings\.csv is JSON") as caught:
            land_now(con, folder)
        assert "duckdb.read_json('ratings.csv').write_csv('ratings-converted.csv')" in caught.value.hint
