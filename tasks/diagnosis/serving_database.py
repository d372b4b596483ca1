"""Examines the serving database: whether a night could connect, create its tables and switch the readers."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from tasks.config.settings import Settings
from tasks.diagnosis.finding import Finding
from tasks.errors import NightError
from tasks.publication.errors import OlderSchemaError
from tasks.publication.targets.connect import address_of, read_target, serving_url
from tasks.storage.home import Home

_NAME = "Database"
_BUSY_SECONDS = 5.0


def examine_database(home: Home, settings: Settings) -> Finding:
    """Return whether the serving database takes what a night does there. All of it is rolled back.

    Args:
        home: the home that publishes there.
        settings: name the database.

    Raises:
        NightError: the database cannot be opened, or is another home's.
    """
    url = serving_url(home, settings)
    file = _file_of(url)
    if file is not None and not file.exists():
        return _not_made_yet(file)
    try:
        with read_target(url) as target:
            target.check_owner(home.owner)
            place, live = target.place, target.live_run()
            if file is None:
                with target.engine.connect() as con:
                    _try_in_transaction(con, switches=target.has_schema)
    except OlderSchemaError as error:
        return Finding(_NAME, "look", str(error), error.hint)
    if file is not None:
        _try_on_file(file)
    what = "no lists yet" if live is None else f"run {live} is live"
    return Finding(_NAME, "OK", f"{place}: connects, may create and switch; {what}")


def _file_of(url: str) -> Path | None:
    """Return the file of a SQLite database; None for a server."""
    address = address_of(url)
    return Path(sa.make_url(address).database or "") if address.startswith("sqlite") else None


def _not_made_yet(file: Path) -> Finding:
    if os.access(file.parent, os.W_OK):
        return Finding(_NAME, "OK", f"{file} is not made yet; its folder can be written")
    return Finding(
        _NAME, "bad", f"{file} is not made yet, and its folder cannot be written",
        "Make the folder, give this user the right to write it, or correct RECS_PUBLISH__URL.",
    )  # fmt: skip


def _try_on_file(file: Path) -> None:
    """Create a table and rewrite the pointer to the live run in a transaction that is rolled back.

    Raises:
        NightError: the file, or its folder, where the write-ahead log lies, cannot be written.
    """
    try:
        with closing(
            sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
        ) as con:
            con.execute("begin immediate")
            con.execute("create table recs_doctor (n integer)")
            if con.execute("select count(*) from sqlite_master where name = 'active_run'").fetchone()[0]:
                con.execute("update active_run set run_id = run_id")
            con.execute("rollback")
    except sqlite3.Error as error:
        raise NightError(
            f"{file} cannot be written: {error}.",
            "Is a night publishing now, or is the file another user's? Give this user the right to write it.",
        ) from error
    if not os.access(file.parent, os.W_OK):
        raise NightError(
            f"The folder {file.parent} cannot be written.", "SQLite keeps its write-ahead log there."
        )


def _try_in_transaction(con: sa.Connection, *, switches: bool) -> None:
    """Create a table and plan the switch in a transaction that is rolled back; no row is locked.

    Raises:
        NightError: the role lacks the right.
    """
    doing = "create tables"
    transaction = con.begin()
    try:
        con.exec_driver_sql(f"create table recs_doctor_{os.getpid()} (n integer)")
        if switches:
            doing = "switch the readers"
            con.exec_driver_sql("update active_run set run_id = run_id where false")
    except (sa.exc.DBAPIError, NightError) as error:
        cause = getattr(error, "orig", error)
        raise NightError(
            f"This role cannot {doing} in {con.engine.url.database}: {str(cause).splitlines()[0]}.",
            "Grant it the rights that docs/serving.md lists.",
        ) from error
    finally:
        transaction.rollback()
