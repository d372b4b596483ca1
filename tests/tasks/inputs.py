"""Headers of small input files, and functions that land and clean them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from tasks.artifacts import CleanData, Intake
from tasks.config.data_settings import DataSettings
from tasks.ingestion.clean import clean
from tasks.ingestion.land import land

RATINGS = "userId,movieId,rating,timestamp\n"
TAGS = "userId,movieId,tag,timestamp\n"
EVENTS = "userId,itemId,event,value,timestamp\n"
MOVIES = "movieId,title,genres\n"
USERS = "userId,age,gender\n"
LINKS = "userId,friendId,weight,timestamp\n"
RELATIONS = "head,relation,tail\n"
LENIENT = DataSettings(max_reject_share=1)
GOOD = RATINGS + "".join(f"{n},2,3,100000000\n" for n in range(2000))


def land_now(con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings = LENIENT) -> Intake:
    return land(con, folder, settings, landed_at=datetime(2027, 1, 1, 2))


def land_and_clean(
    con: duckdb.DuckDBPyConnection, folder: Path, settings: DataSettings = LENIENT, **options: Any
) -> CleanData:
    return clean(con, land_now(con, folder, settings), settings, **options)


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return con.execute(query).fetchall()


def counts(data: CleanData) -> dict[str, tuple[int, int, int, int]]:
    """Source → (rows_in, clean, duplicates, quarantined)."""
    return {c.source: (c.rows_in, c.clean, c.duplicates, c.quarantined) for c in data.counts}


def raw_ratings(con: duckdb.DuckDBPyConnection) -> list[tuple[Any, ...]]:
    return rows(con, "select user_id, item_id, rating, timestamp from landed_ratings order by file_id, line")
