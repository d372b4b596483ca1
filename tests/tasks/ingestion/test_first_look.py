"""A first night is refused before anything starts if its files lack columns or nothing in them can be a like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.config.settings import Settings
from tasks.errors import UsageError
from tasks.ingestion.first_look import check_input
from tests.tasks.inputs import GOOD

VIEWS = "who,what,when\nu-1,i-7,2026-01-01\n"
MAPPED: dict[str, Any] = {
    "data": {
        "events": {"user": "who", "item": "what", "timestamp": "when", "event": "", "constant_event": "view"}
    }
}
LIKED: dict[str, Any] = {
    "utility": {
        "positive_events": {"view": 1},
        "signals": {"view": {"source": "events", "event": "view"}},
    }
}


def test_all_missing_columns_are_named_with_settings_to_copy(folder: Path) -> None:
    (folder / "events.csv").write_text(VIEWS)
    with pytest.raises(
        UsageError, match="has no columns 'event', 'itemId', 'timestamp' and 'userId'"
    ) as caught:
        check_input(folder, Settings())
    assert caught.value.hint.splitlines() == [
        "Map the names in pipeline.toml, such as:",
        "[data.events]",
        'user = "who"',
        'item = "what"',
        'event = ""  # if all rows are one event',
        'constant_event = "view"',
        'timestamp = "when"',
    ]


def test_columns_of_parquet_are_looked_at(folder: Path) -> None:
    table = pa.table({"visitor_id": [1], "Product ID": [2], "stars": [3.0]})
    pq.write_table(table, folder / "ratings.parquet")
    with pytest.raises(UsageError, match="has no columns 'movieId', 'rating', 'timestamp' and") as caught:
        check_input(folder, Settings())
    assert caught.value.hint.splitlines()[1:] == [
        "[data.ratings]",
        'user = "visitor_id"',
        'item = "Product ID"',
        'rating = "stars"',
        'timestamp = ""  # if there are no times',
    ]


def test_a_file_without_ratings_may_hold_events(folder: Path) -> None:
    (folder / "ratings.csv").write_text("userId,movieId,timestamp\n1,2,100000000\n")
    with pytest.raises(UsageError, match="has no column 'rating'") as caught:
        check_input(folder, Settings())
    assert '[data.events] file = "ratings.csv"' in caught.value.hint


def test_one_event_without_a_threshold_is_refused(folder: Path) -> None:
    (folder / "events.csv").write_text(VIEWS)
    with pytest.raises(UsageError, match="none of the events has a threshold: view") as caught:
        check_input(folder, Settings.model_validate(MAPPED))
    assert "[utility.positive_events] with view = 1, and what weighs" in caught.value.hint
    check_input(folder, Settings.model_validate(MAPPED | LIKED))
    (folder / "ratings.csv").write_text(GOOD)
    check_input(folder, Settings.model_validate(MAPPED))


def test_a_file_that_cannot_be_read_is_left_to_the_night(folder: Path) -> None:
    for name, content in {
        "ratings.csv": b"",
        "tags.csv": b"\x1f\x8bnot gzip",
        "events.parquet": b"PAR1",
    }.items():
        (folder / name).write_bytes(content)
    check_input(folder, Settings())
