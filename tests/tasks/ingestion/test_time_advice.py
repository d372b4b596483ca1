"""Where nearly all rows are rejected for their times, the error says how times are written, and how to do without."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from tasks.config.data_settings import DataSettings
from tasks.errors import NightError
from tests.tasks.ingestion.test_reject_advice import error
from tests.tasks.inputs import EVENTS, RATINGS, land_and_clean

OUT = '[data.ratings] timestamp = "" into pipeline.toml. Then a row happened when its file was landed'
KNOWN = "Times are seconds, milliseconds"


@pytest.mark.parametrize("text", ["", "NULL", "nan", "[NULL]"])
def test_a_column_without_times_can_be_left_out(
    con: duckdb.DuckDBPyConnection, folder: Path, text: str
) -> None:
    message, hint = error(con, folder, [f"{user},2,3,{text}" for user in range(9)])
    assert "100.0%" in message
    assert hint.startswith(f"If the column holds no times, write {OUT}")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("0", "0 looks like a counter, or stands for no time. "),
        ("-1", "-1 looks like a counter, or stands for no time. "),
        ("17", "17 looks like a counter, or stands for no time. "),
        ("2019", "2019 looks like a year, which is no time: write dates. "),
        ("19700", "19700 looks like days since 1970: multiply them by 86400. "),
        ("45245.2", "45245.2 looks like a day number of Excel: format the column as yyyy-mm-dd hh:mm:ss"),
        ('"45245,2"', "45245,2 looks like a day number of Excel: format the column as yyyy-mm-dd hh:mm:ss"),
        ("12:30:00", ""),
        ("99999999999", ""),
        ("1.70E+09", "Export the file again without Excel"),
        ("31/12/2025", "Write times as 2026-01-31"),
    ],
)
def test_times_that_cannot_be_read_are_described(
    con: duckdb.DuckDBPyConnection, folder: Path, text: str, advice: str
) -> None:
    message, hint = error(con, folder, [f"{user},2,3,{text}" for user in range(9)])
    seen = text.strip('"')
    assert message.endswith(f" The most frequent such time is {seen!r}.")
    assert hint.startswith(advice)
    assert f"To do without times, write {OUT}" in hint
    assert (KNOWN in hint) == (not advice.startswith(("Export", "Write")))


def test_the_advice_names_the_source(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,900000000\n")
    (folder / "events.csv").write_text(EVENTS + "1,2,view,1,0\n")
    with pytest.raises(NightError, match="rows of events were rejected") as caught:
        land_and_clean(con, folder, DataSettings())
    assert '[data.events] timestamp = ""' in (caught.value.hint or "")


def test_a_few_missing_times_are_to_be_left_out(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    times = ["", "", "900000000", "900000000"]
    _, hint = error(con, folder, [f"{user},2,3,{text}" for user, text in enumerate(times)])
    assert hint == "Leave such rows out of the file. "


def test_the_advice_can_be_followed(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    (folder / "ratings.csv").write_text(RATINGS + "1,2,3,0\n1,3,4,NULL\n")
    settings = DataSettings.model_validate({"ratings": {"timestamp": ""}})
    assert land_and_clean(con, folder, settings).counts[0].clean == 2
