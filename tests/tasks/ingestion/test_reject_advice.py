"""The error for too many rejected rows says what was seen, and what to write into the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tests.tasks.inputs import RATINGS, land_and_clean

TIME = "900000"


def error(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    lines: list[str],
    settings: DataSettings | None = None,
    **options: Any,
) -> tuple[str, str]:
    (folder / "ratings.csv").write_text(RATINGS + "\n".join(lines))
    with pytest.raises(NightError) as caught:
        land_and_clean(con, folder, settings or DataSettings(), **options)
    return str(caught.value), (caught.value.hint or "").partition("Look at them: ")[0]


def rated(*values: float) -> list[str]:
    return [f"{n},2,{value},{TIME}" for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "scale", "seen", "advice"),
    [
        (
            [0, 1, 1, 0],
            (0.5, 5),
            "The ratings reach from 0 to 1 (50% are 0), and the scale of the settings from 0.5 to 5.",
            "If their scale is 0 to 1, write into pipeline.toml: [data] rating_min = 0, rating_max = 1 and [utility] "
            "relevant_rating = 1 (the least rating that is a like). ",
        ),
        (
            [2, 7, 9, 10],
            (0.5, 5),
            "The ratings reach from 2 to 10",
            "If their scale is 1 to 10, write into pipeline.toml: [data] rating_min = 1, rating_max = 10 and [utility] "
            "relevant_rating = 7 (the least rating that is a like). ",
        ),
        (
            [0.29, 0.31, 0.6, 0.97],
            (0.5, 5),
            "The ratings reach from 0.29 to 0.97",
            "If their scale is 0 to 1, write into pipeline.toml: [data] rating_min = 0, rating_max = 1 and [utility] "
            "relevant_rating = 0.74 (the least rating that is a like). ",
        ),
        (
            [-1, -1, 8, 1],
            (1, 10),
            "The ratings reach from -1 to 8 (50% are -1)",
            "If -1 means that there is no rating, write [data.ratings] not_rated = [-1]; if it is the lowest, [data] "
            "rating_min = -1. ",
        ),
        (
            [0, 0, 0, 1, 8, 10],
            (0.5, 5),
            "(50% are 0)",
            "Write into pipeline.toml: [data] rating_min = 1, rating_max = 10 and [utility] relevant_rating = 7 (the "
            "least rating that is a like), and, if 0 means that there is no rating, [data.ratings] not_rated = [0]. ",
        ),
        (
            [99, -9, 3, 10],
            (-10, 10),
            "reach from -9 to 99",
            "If 99 means that there is no rating, write [data.ratings] not_rated = [99]; else [data] rating_min = -9, "
            "rating_max = 99 and [utility] relevant_rating = 63 (the least rating that is a like). ",
        ),
    ],
    ids=["thumbs", "1 to 10", "0 to 1", "-1 is watched", "0 is not rated", "99 is not rated"],
)
def test_another_scale_is_described(
    con: duckdb.DuckDBPyConnection,
    folder: Path,
    values: list[float],
    scale: tuple[float, float],
    seen: str,
    advice: str,
) -> None:
    settings = DataSettings(rating_min=scale[0], rating_max=scale[1])
    message, hint = error(con, folder, rated(*values), settings)
    assert seen in message
    assert hint == advice


def test_other_ids_than_those_of_the_first_night(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    message, hint = error(con, folder, [f"{uuid},2,3,{TIME}"], id_types=("BIGINT", "BIGINT"))
    assert message.endswith(f"user id is not an integer (1). Such an id is {uuid!r}.")
    assert hint.startswith(
        "The first night fixed this home's user ids to integers: deliver integers as before, or start"
    )
    _, hint = error(con, folder, [f"a,2,3,{TIME}"], DataSettings(user_id="integer"))
    assert hint == "Set data.user_id to auto or text, or mend the ids. "


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("1,2,3,1.70E+09", "Export the file again without Excel"),
        (f"7.65E+16,2,3,{TIME}", "Export the file again without Excel"),
        ("1,2,3,31/12/2025", "Write times as 2026-01-31"),
        ("1,2,3,tomorrow", "Times are seconds, milliseconds"),
        (f"NULL,2,3,{TIME}", "Leave such rows out of the file"),
        (f",2,3,{TIME}", "Leave such rows out of the file"),
        ('1,2,3,"1,70E+09"', "Export the file again without Excel"),
        (f'"7,65E+16",2,3,{TIME}', "Export the file again without Excel"),
        (
            f"1,2,NULL,{TIME}",
            'If such a row says that the user met the item, write [data.ratings] not_rated = [""]',
        ),
        (
            f"1,2,,{TIME}",
            'If such a row says that the user met the item, write [data.ratings] not_rated = [""]',
        ),
        (f'1,2,"1,250",{TIME}', "Decimal commas are read if no number of the file has a point"),
        ("1,2,3,2027-02-01", "Is the clock right?"),
    ],
)
def test_advice_goes_with_the_most_frequent_reason(
    con: duckdb.DuckDBPyConnection, folder: Path, line: str, advice: str
) -> None:
    assert error(con, folder, [line])[1].startswith(advice)


@pytest.mark.parametrize(
    ("rating", "advice"),
    [
        ("4/5", "Write ratings as numbers, such as 3.5, and thumbs as 1 and 0. "),
        (
            "unseen",
            "Write ratings as numbers, such as 3.5, and thumbs as 1 and 0. If that one means that there is no rating, "
            'write [data.ratings] not_rated = ["unseen"]. ',
        ),
    ],
)
def test_a_rating_that_is_no_number_is_shown(
    con: duckdb.DuckDBPyConnection, folder: Path, rating: str, advice: str
) -> None:
    message, hint = error(con, folder, [f"{user},2,{rating},{TIME}" for user in range(3)])
    assert message.endswith(f"rating is not a number (3). The most frequent such rating is {rating!r}.")
    assert hint == advice


def test_the_scale_is_that_of_decimal_commas(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    message, hint = error(con, folder, [f'{user},2,"{user},5",{TIME}' for user in range(10)])
    assert "The ratings reach from 0.5 to 9.5" in message
    assert hint.startswith("If their scale is 0 to 10, write into pipeline.toml: [data] rating_min = 0")


def test_times_and_ratings_get_advice_where_both_fail(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    _, hint = error(con, folder, [f"{user},2,{user},0" for user in range(7, 11)])
    assert "rating_max = 10" in hint
    assert '[data.ratings] timestamp = ""' in hint
