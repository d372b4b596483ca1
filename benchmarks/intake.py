"""Landing and cleaning of a whole folder, beside a bare count of the same files by DuckDB."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from tasks.config.data_settings import DataSettings
from tasks.ingestion import file_digest
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land
from tasks.storage.warehouse import open_warehouse

COUNTED = {
    "ratings.csv": "select count(*), sum(rating) from read_csv($file)",
    "tags.csv": "select count(*) from read_csv($file)",
    "events.csv": "select count(*), sum(value) from read_csv($file)",
}
"""The files of users' actions, and the statement that reads each of them with the types that DuckDB finds."""


def landed_and_cleaned(folder: Path, source: Path) -> tuple[float, float]:
    """Land and clean a folder of input files in an empty warehouse; return the seconds of both.

    Args:
        folder: where to put the warehouse, which is removed.
        source: the input folder, of CSV files.
    """
    warehouse, settings = folder / "whole.duckdb", DataSettings()
    file_digest.forget_digests()
    try:
        with open_warehouse(warehouse) as con:
            began = time.perf_counter()
            intake = land(con, source, settings, landed_at=datetime.now(UTC))
            landed = time.perf_counter()
            clean(con, intake, settings)
            return landed - began, time.perf_counter() - landed
    finally:
        warehouse.unlink(missing_ok=True)


def bare_count(source: Path) -> float:
    """Return the seconds in which DuckDB counts and adds up what is in the files of `COUNTED` that are there."""
    with duckdb.connect() as con:
        began = time.perf_counter()
        for name, statement in COUNTED.items():
            if (source / name).is_file():
                con.execute(statement, {"file": str(source / name)}).fetchall()
        return time.perf_counter() - began
