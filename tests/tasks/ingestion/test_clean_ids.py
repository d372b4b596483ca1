"""Cleaning of ids that programs have changed: fractions, words for no value, numbers that Excel rounded."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tasks.config.data_settings import DataSettings
from tests.tasks.inputs import LENIENT, MOVIES, RATINGS, counts, land_and_clean, rows

TIME = 900_000


def write_ratings(folder: Path, ids: list[tuple[str, str]]) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "".join(f"{user},{item},3,{TIME}\n" for user, item in ids))


def test_ids_with_a_fraction_meet_those_without(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Pandas writes a column of integers with one gap as 17.0, and the catalogue says 17."""
    write_ratings(folder, [("1", "17.0"), ("2", "18.0"), ("3", "")])
    (folder / "movies.csv").write_text(MOVIES + "17,A,Drama\n18,B,Noir\n")
    data = land_and_clean(con, folder)
    assert (data.item_id_type, counts(data)["ratings"]) == ("BIGINT", (3, 2, 0, 1))
    assert rows(con, "select item_id, title from ratings join items using (item_id) order by 1") == [
        (17, "A"),
        (18, "B"),
    ]
    assert data.notes == ("item ids of ratings.csv are read without .0",)


def test_a_fraction_goes_from_text_ids_if_all_have_it(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    write_ratings(folder, [("1.0", "17.0"), ("1.1", "18.0")])
    (folder / "movies.csv").write_text(MOVIES + "17,A,Drama\n")
    data = land_and_clean(con, folder, LENIENT.model_copy(update={"item_id": "text"}))
    assert (data.user_id_type, data.item_id_type) == ("TEXT", "TEXT")
    assert rows(con, "select user_id, item_id from ratings order by 1") == [("1.0", "17"), ("1.1", "18")]
    assert rows(con, "select title from items semi join ratings using (item_id)") == [("A",)]


@pytest.mark.parametrize(
    "word",
    [
        "NULL",
        "null",
        "None",
        "nan",
        "NaN",
        "N/A",
        "<NA>",
        "undefined",
        "\\N",
        " nan ",
        "[NULL]",
        "(null)",
        "#NV",
    ],
)
@pytest.mark.parametrize("others", [["a", "b"], ["1", "2"]], ids=["text", "integer"])
def test_a_word_for_no_value_is_no_id(
    con: duckdb.DuckDBPyConnection, folder: Path, word: str, others: list[str]
) -> None:
    write_ratings(folder, [*((other, "7") for other in others), (word, "7"), (others[0], word)])
    data = land_and_clean(con, folder)
    assert data.user_id_type == ("TEXT" if others == ["a", "b"] else "BIGINT")
    assert counts(data)["ratings"] == (4, 2, 0, 2)
    said = f"is missing: it says {word.strip()}"
    assert rows(con, "select reasons from quarantine order by line") == [
        ([f"user id {said}"],),
        ([f"item id {said}"],),
    ]


def test_ids_that_excel_rounded_are_rejected(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    write_ratings(
        folder,
        [
            ("a", "7.65E+16"),
            ("a", "1e+16"),
            ("a", "x"),
            ("7.65E+16", "y"),
            ("E+1", "1E5"),
            ('"7,65E+16"', "z"),
        ],
    )
    assert counts(land_and_clean(con, folder))["ratings"] == (6, 2, 0, 4)
    assert dict(rows(con, "select unnest(reasons), count(*) from quarantine group by 1")) == {
        "item id was rounded, as Excel does with long numbers": 2,
        "user id was rounded, as Excel does with long numbers": 2,
    }


def test_isbns_keep_their_leading_zeros(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    isbns = ["0195153448", "0002005018", "034545104X", "0345451040"]
    write_ratings(folder, [("1", isbn) for isbn in isbns])
    assert land_and_clean(con, folder).item_id_type == "TEXT"
    assert {row[0] for row in rows(con, "select item_id from ratings")} == set(isbns)


def test_case_counts_and_blanks_around_ids_do_not(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    write_ratings(folder, [("Ann", "-1"), ("ann", "-1"), (" ann ", " -2"), ("ANN", "-1 ")])
    land_and_clean(con, folder, DataSettings())
    assert rows(con, "select user_id, item_id from ratings order by all") == [
        ("ANN", -1), ("Ann", -1), ("ann", -2), ("ann", -1),
    ]  # fmt: skip
