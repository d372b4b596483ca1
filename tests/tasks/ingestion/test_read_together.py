"""Files read together give the same raw tables as files read one by one, whatever they hold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import NightError
from tasks.ingestion import land as landing
from tasks.ingestion.read_together import read_together
from tasks.storage.warehouse import run_file
from tests.examples import examples
from tests.tasks.ingestion.test_increments import deliver
from tests.tasks.inputs import EVENTS, MOVIES, RATINGS, TAGS, land_now, rows

SOURCES = ("ratings", "tags", "events", "items")
HEADERS = {"ratings": RATINGS, "tags": TAGS, "events": EVENTS, "movies": MOVIES}

line = st.one_of(
    st.sampled_from(
        [
            "1,2,3,100000000", " 1 ,2,3,100000000", "1,2,,", ",,,", "7,8,9", "1,2,3,4,5", "", " ", '1,"2",3,4',
            '1,"2,3,4', "é,ü,3,100000000", "1,2,3,1\0", "1;2;3;4", "\ufeff1,2,3,4", "1,2,3,4\r", "#,2,3,4", "\x1a",
        ]
    ),
    st.text("0123456789,.-ab \"'\r\n;|", max_size=20),
)  # fmt: skip
text = st.tuples(
    st.sampled_from(["ratings", "ratings", "tags", "events", "movies"]),
    st.booleans(),
    st.lists(line, max_size=8),
    st.sampled_from(["\n", "\n", "\r\n"]),
    st.booleans(),
)


def raw_tables(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Return every raw row with the path of its file in place of the file's id, and what is recorded of the files."""
    tables = {
        source: rows(
            con,
            f"select path, columns(raw_{source}.* exclude (file_id)) from raw_{source} "
            "inner join landed_files using (file_id) order by all",
        )
        for source in SOURCES
    }
    tables["rejects"] = rows(
        con,
        "select path, line, raw, reasons from raw_rejects inner join landed_files using (file_id) order by all",
    )
    tables["files"] = rows(
        con,
        "select source, path, kind, sha256, size, columns, rows, ignored_columns from landed_files order by all",
    )
    return tables


def landed(folder: Path, *, together: bool) -> dict[str, list[tuple[object, ...]]] | str:
    """Return the raw tables after a landing, or the error of one that failed."""
    with duckdb.connect() as con:
        run_file(con, "warehouse/schema.sql")
        with patch.object(landing, "read_together", read_together if together else lambda *_: set()):
            try:
                land_now(con, folder)
            except NightError as error:
                return str(error)
        return raw_tables(con)


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(text, min_size=2, max_size=6))
def test_files_together_equal_files_one_by_one(texts: list[tuple[str, bool, list[str], str, bool]]) -> None:
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        (folder / "ratings.csv").write_text(f"{RATINGS}1,1,3,100000000\n")
        for number, (source, has_more, lines, line_end, ends) in enumerate(texts):
            header = HEADERS[source].strip() + ",more" * has_more
            body = line_end.join([header, *lines]) + line_end * ends
            deliver(folder, f"{source}-{number}.csv", body)
        assert landed(folder, together=True) == landed(folder, together=False)


def test_most_files_are_read_together(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Only the one with quotes and the one with a short line are read on their own."""
    for day in range(10):
        deliver(folder, f"ratings-{day}.csv", f"{RATINGS}{day},1,3,100000000\n{day},2,3,100000000\n")
    deliver(folder, "ratings-quotes.csv", f'{RATINGS}"11",1,3,100000000\n')
    deliver(folder, "ratings-short.csv", f"{RATINGS}1,3\n12,1,3,100000000\n")
    with patch.object(landing, "read_input", wraps=landing.read_input) as alone:
        land_now(con, folder)
    assert sorted(call.args[1].path for call in alone.call_args_list) == [
        "incoming/ratings-quotes.csv", "incoming/ratings-short.csv",
    ]  # fmt: skip
    assert rows(con, "select count(*), count(distinct file_id), min(line), max(line) from raw_ratings") == [
        (22, 12, 2, 3)
    ]


@pytest.mark.parametrize("value", ["purchase", "a%2Fb"])
def test_values_of_folders_are_kept(con: duckdb.DuckDBPyConnection, folder: Path, value: str) -> None:
    header = "userId,itemId,value,timestamp\n"
    for day in range(3):
        deliver(folder, f"events/event={value}/{day}.csv", f"{header}{day},1,1,100000000\n")
    land_now(con, folder)
    assert rows(con, "select distinct event from raw_events") == [(value.replace("%2F", "/"),)]
