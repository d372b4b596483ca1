"""The example of docs/data.md for data of views only: its settings are read, and its rows are clean likes."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from tasks.config.load import load_settings
from tasks.ingestion.first_look import check_input
from tasks.ingestion.input_warnings import warn_of_input
from tests.tasks.inputs import land_and_clean, rows

DOCS = Path(__file__).resolve().parents[3] / "docs" / "data.md"


def test_the_settings_of_the_views_example_work(
    con: duckdb.DuckDBPyConnection, folder: Path, tmp_path: Path
) -> None:
    section = DOCS.read_text(encoding="utf-8").partition("### A whole example: views only")[2]
    block = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert block is not None
    (tmp_path / "shop.toml").write_text(block[1])
    (folder / "views.csv").write_text(
        "customer,product,viewed_at\nu-1,p-7,2026-01-31T20:00:00Z\nu-2,p-7,2026-01-31T21:00:00Z\n"
    )
    settings = load_settings(tmp_path / "shop.toml")
    check_input(folder, settings)
    land_and_clean(con, folder, settings.data)
    warn_of_input(con, settings)
    assert rows(con, "select user_id, item_id, event from events order by user_id") == [
        ("u-1", "p-7", "view"),
        ("u-2", "p-7", "view"),
    ]
