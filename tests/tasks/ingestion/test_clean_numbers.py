"""Cleaning of numbers with a decimal comma, which are never confused with thousands, and of words for no value."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tests.tasks.inputs import EVENTS, LENIENT, MOVIES, RATINGS, TAGS, counts, land_and_clean, rows

HEADER = RATINGS.replace(",", ";")
TIME = 900_000_000
UNSURE = "rating has a comma, for decimals or for thousands"


def write_ratings(folder: Path, *texts: str) -> None:
    (folder / "ratings.csv").write_text(
        HEADER + "".join(f"{user};7;{text};{TIME}\n" for user, text in enumerate(texts))
    )


def test_decimal_commas_are_read_and_said(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    write_ratings(folder, "1,5", "4", "3,25", "2,125", " 0,5 ", "5E-01")
    data = land_and_clean(con, folder)
    assert rows(con, "select rating from ratings order by user_id") == [
        (1.5,), (4,), (3.25,), (2.125,), (0.5,), (0.5,),
    ]  # fmt: skip
    assert data.notes == ("ratings of ratings.csv have decimal commas",)


@pytest.mark.parametrize(
    ("texts", "reasons"),
    [
        (["1,250", "3", "2,000"], [UNSURE, UNSURE]),
        (["1,5", "3", "2.5"], [UNSURE]),
        (["1,250", "2.5"], [UNSURE]),
        (["1,250,000", "3"], ["rating is not a number"]),
        (["1,5 stars", "3"], ["rating is not a number"]),
    ],
    ids=["thousands", "points", "thousands and points", "millions", "text"],
)
def test_a_comma_that_is_not_sure_is_rejected(
    con: duckdb.DuckDBPyConnection, folder: Path, texts: list[str], reasons: list[str]
) -> None:
    write_ratings(folder, *texts)
    data = land_and_clean(con, folder)
    assert rows(con, "select unnest(reasons) from quarantine") == [(reason,) for reason in reasons]
    assert data.notes == ()


def test_a_late_point_is_rejected_among_commas(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """The first 10,000 rows decide; 1.500 behind them could be 1500."""
    write_ratings(folder, *["1,5"] * 10_001, "1.500")
    assert land_and_clean(con, folder).counts[0].reasons == {
        "rating has a decimal point, and its file decimal commas": 1
    }


def test_each_file_has_its_own_decimal_sign(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings").mkdir()
    (folder / "ratings/a.csv").write_text(HEADER + f"1;7;1,5;{TIME}\n")
    (folder / "ratings/b.csv").write_text(HEADER + f"2;7;2.5;{TIME}\n")
    land_and_clean(con, folder)
    assert rows(con, "select rating from ratings order by 1") == [(1.5,), (2.5,)]


def test_values_of_events_have_decimal_commas(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "events.csv").write_text(EVENTS + f'1,2,buy,"12,50",{TIME}\n1,3,buy,"1,250",{TIME}\n')
    data = land_and_clean(con, folder)
    assert rows(con, "select value from events order by item_id") == [(12.5,), (1.25,)]
    assert data.notes == ("values of events.csv have decimal commas",)


def test_ids_lose_a_fraction_behind_a_comma(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """1,000 may be a thousand, so that only ,0 is taken away."""
    (folder / "ratings.csv").write_text(HEADER + f"17,0;1,000;3;{TIME}\n18,0;2,000;3;{TIME}\n")
    data = land_and_clean(con, folder)
    assert rows(con, "select user_id, item_id from ratings order by 1") == [(17, "1,000"), (18, "2,000")]
    assert data.notes == ("user ids of ratings.csv are read without .0",)


@pytest.mark.parametrize("word", ["NULL", "nan", "None", "\\N", "#N/A", "N/A", "[NULL]", "(null)", "<null>"])
def test_a_word_for_no_value_is_none_in_any_column(
    con: duckdb.DuckDBPyConnection, folder: Path, word: str
) -> None:
    (folder / "ratings.csv").write_text(RATINGS + f"1,2,{word},{TIME}\n")
    (folder / "tags.csv").write_text(TAGS + f"1,2,{word},{TIME}\n")
    (folder / "events.csv").write_text(EVENTS + f"1,2,view,{word},{TIME}\n1,2,{word},1,{TIME}\n")
    (folder / "movies.csv").write_text(MOVIES + f"2,{word},{word}\n")
    assert counts(land_and_clean(con, folder, LENIENT)) == {
        "events": (2, 1, 0, 1), "items": (1, 1, 0, 0), "ratings": (1, 0, 0, 1), "tags": (1, 0, 0, 1),
    }  # fmt: skip
    assert rows(con, "select item_id, title, genres from items") == [(2, None, [])]
    assert rows(con, "select event, value from events") == [("view", 1)]
    assert [reason for (reason,) in rows(con, "select unnest(reasons) from quarantine order by source")] == [
        f"{name} is missing: it says {word}" for name in ("event", "rating", "tag")
    ]
