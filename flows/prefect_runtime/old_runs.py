"""Remove the flow runs of nights long ago from the database of the nights' own Prefect server.

The server does not do it itself: Prefect removes no flow runs by default, and where it is set to, only in a server that
stays, and only by age.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path

SQL = Path(__file__).resolve().parents[2] / "sql" / "prefect" / "remove_old_runs.sql"
_FREE_SHARE = 0.25
"""Share of free pages from which the file is written anew; fewer are filled by the next nights."""
_WAIT = 5  # seconds, for the server of a night that was killed just now: it is ending
log = logging.getLogger(__name__)


def remove_old_runs(database: Path, nights: int) -> int:
    """Remove all but the newest flow runs, with their logs, events and artifacts; return how many were removed.

    Nothing is removed from a database with deployments: that of a server that stays, whose history is its owner's. A
    failure is only logged: the next night tries again.

    Args:
        database: the SQLite file of the server, which does not run.
        nights: how many flow runs stay; 1 or more.
    """
    if not database.is_file():
        return 0
    try:
        with contextlib.closing(
            sqlite3.connect(
                f"{database.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=_WAIT
            )
        ) as con:
            return _remove(con, nights)
    except sqlite3.Error as error:
        log.warning("Old flow runs stay in %s (%s); the next night tries again.", database, error)
        return 0


def _remove(con: sqlite3.Connection, nights: int) -> int:
    con.execute("pragma foreign_keys = on")
    con.execute("begin immediate")
    if _count(con, "select count(*) from deployment"):
        con.execute("rollback")
        return 0
    before = _count(con, "select count(*) from flow_run")
    for statement in SQL.read_text(encoding="utf-8").split(";\n"):
        con.execute(statement, {"nights": nights})
    removed = before - _count(con, "select count(*) from flow_run")
    con.execute("commit")
    if _count(con, "pragma freelist_count") > _FREE_SHARE * _count(con, "pragma page_count"):
        con.execute("vacuum")
    return removed


def _count(con: sqlite3.Connection, query: str) -> int:
    return int(con.execute(query).fetchone()[0])
