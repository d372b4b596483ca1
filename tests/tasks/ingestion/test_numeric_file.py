"""Reading ids and times as numbers against reading the same files as text."""

from __future__ import annotations

import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.artifacts import CleanData
from tasks.config.data_settings import DataSettings
from tasks.ingestion import numeric_file
from tasks.storage.warehouse import run_file
from tests.examples import examples
from tests.tasks.inputs import EVENTS, LENIENT, RATINGS, TAGS, land_and_clean, rows

T = 1_000_000_000
CLEAN = ("ratings", "tags", "events", "quarantine")
LANDED = ("landed_ratings", "landed_tags", "landed_events")
TEXTS = DataSettings(max_reject_share=1, user_id="text", item_id="text")


def landed(
    folder: Path, min_size: int, given: DataSettings = LENIENT
) -> tuple[dict[str, list[tuple[Any, ...]]], CleanData, int]:
    """Land and clean a folder; return the rows of tables and views, the result, and how many rows are numbers."""
    before, numeric_file.MIN_SIZE = numeric_file.MIN_SIZE, min_size
    try:
        with duckdb.connect() as con:
            run_file(con, "warehouse/schema.sql")
            data = land_and_clean(con, folder, given)
            tables = {name: sorted(rows(con, f"from {name}"), key=str) for name in (*CLEAN, *LANDED)}
            numeric = sum(
                rows(con, f"select count(*) from raw_numeric_{name}")[0][0]
                for name in ("ratings", "tags", "events")
            )
    finally:
        numeric_file.MIN_SIZE = before
    return tables, data, numeric


def is_read_alike(folder: Path, given: DataSettings = LENIENT) -> int:
    """Assert that reading as numbers gives what reading as text does; return how many rows were read as numbers."""
    *as_text, none = landed(folder, 1 << 60, given)
    *as_numbers, numeric = landed(folder, 0, given)
    assert as_numbers == as_text
    assert none == 0
    return numeric


@pytest.mark.parametrize("given", [LENIENT, TEXTS], ids=["integers", "texts"])
def test_numbers_give_the_same_rows_as_text(tmp_path: Path, given: DataSettings) -> None:
    (tmp_path / "ratings.csv").write_text(
        RATINGS
        + f"1,2,3.50,{T}\n1,2,4,{T + 1}\n-7,,3,{T}\n8,9,x,{T}\n8,10,99,{T}\n8,9,1,\n8,9,,{T}\n9,9,4,5\n"
        f"9223372036854775807,-9223372036854775808,2,{T}\n10,11,5,20010909\n12,1,3,{T * 10}\n12,1,3,-{T}\n"
    )
    (tmp_path / "tags.csv").write_text(
        TAGS + f"1,2,Noir é - 7.5,{T}\n1,3, ,{T}\n2,2,NULL,{T}\n1,2,日本,{T}\n"
    )
    (tmp_path / "events.csv").write_text(
        EVENTS + f"1,2,view,,{T}\n1,2,view,1.50,{T}\n1,2,,1,{T}\n2,1,like,-3,{T}\n2,1,like,nan,{T}\n"
    )
    assert is_read_alike(tmp_path, given) == 21


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_times_of_any_unit_are_numbers(tmp_path: Path, unit: int) -> None:
    text = "".join(f"{user},2,3,{(T + user) * unit}\n" for user in range(30))
    (tmp_path / "ratings.csv").write_text(RATINGS + text + "1,3,3,5\n1,4,3,1000000000\n1,5,3,\n")
    assert is_read_alike(tmp_path) == 33


@pytest.mark.parametrize("moment", ["20260131", "202601312000", "20260131200000"])
def test_dates_written_as_numbers_are_dates(tmp_path: Path, moment: str) -> None:
    (tmp_path / "ratings.csv").write_text(RATINGS + f"1,2,3,{moment}\n1,3,3,{moment}\n1,4,3,{moment}\n")
    assert is_read_alike(tmp_path) == 3


@pytest.mark.parametrize(
    "line",
    [
        "07,2,3,1000000000", "+7,2,3,1000000000", "7.0,2,3,1000000000", "6.9,2,3,1000000000", "7e0,2,3,1000000000",
        " 7,2,3,1000000000", "7 ,2,3,1000000000", "-0,2,3,1000000000", "0x1F,2,3,1000000000", "1_0,2,3,1000000000",
        '"7",2,3,1000000000', '7,2,"3",1000000000', "7,2,3,1e9", "7,2,3,2001-09-09", "x,2,3,1000000000", "7,2,3",
        "7,2,3,1000000000,5", "", "9223372036854775808,2,3,1000000000", "7,2,3\0,1000000000", "NULL,2,3,1000000000",
        "7,2,3,1000000000\r",
    ],
)  # fmt: skip
def test_a_file_with_any_other_number_is_read_as_text(tmp_path: Path, line: str) -> None:
    """The line lies behind the first ones, by which most files are told."""
    many = f"1,2,3,{T}\n" * 2000
    (tmp_path / "ratings.csv").write_text(RATINGS + many + f"{line}\n" + many)
    assert is_read_alike(tmp_path) == 0


def test_lengths_that_cancel_do_not_deceive(tmp_path: Path) -> None:
    """`1e3` is shorter than 1000 by as much as `07` is longer than 7."""
    many = f"1,2,3,{T}\n" * 2000
    (tmp_path / "ratings.csv").write_text(RATINGS + many + f"1e3,2,3,{T}\n07,2,3,{T}\n")
    assert is_read_alike(tmp_path) == 0


CELL = st.one_of(
    st.sampled_from(["1", "20", "300"]),
    st.sampled_from(
        ["07", "-0", "7.0", "0.7", "1e3", "1e1", "0x10", " 7", "+12", "-", ".", "-5", "", "1_000"]
    ),
    st.text("01-.e", max_size=4),
)


@pytest.mark.slow
@settings(max_examples=examples(40), deadline=None)
@given(st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_any_file_is_read_alike(lines: list[tuple[str, ...]], returns: bool, ends: bool) -> None:
    first = [("1", "2", "3", str(T))] * 1200  # more than the first bytes, by which most files are told
    end = "\r\n" if returns else "\n"
    text = end.join(",".join(line) for line in [("userId", "movieId", "rating", "timestamp"), *first, *lines])
    with tempfile.TemporaryDirectory() as name:
        Path(name, "ratings.csv").write_text(text + end * ends, newline="")
        is_read_alike(Path(name))


def test_numbers_written_otherwise_are_longer() -> None:
    """All texts of up to five such characters: that the counts of bytes prove anything rests on it."""
    texts = ["".join(each) for length in range(1, 6) for each in product("0159-.", repeat=length)]
    found = duckdb.execute(
        "select text, number::text from (select text, try_cast(text as bigint) as number "
        "from (select unnest($texts) as text)) where number is not null",
        {"texts": texts},
    ).fetchall()
    assert len(found) > 1000
    assert [text for text, short in found if text != short and len(text) <= len(short)] == []


def test_counted_bytes_are_those_behind_the_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'a,b"\r\n1,-2.5\r\n/,"\0')
    assert numeric_file.count_bytes(path, has_header=True) == (12, 7, 1, 1, 2, 1)
