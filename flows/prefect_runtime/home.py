"""Prefect's files and settings inside one home: no server to configure, no network.

Call `configure_prefect` before anything of Prefect is imported: Prefect reads its environment at import.

Run as a program, this module makes the empty database that new homes start from. `make setup` runs it, so that no
first night waits for Prefect's hundred migrations.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path


def configure_prefect(folder: Path, *, debug: bool) -> None:
    """Set the environment variables of Prefect that are not set yet: files in `folder`, no telemetry, a quiet log.

    A PREFECT_HOME of the user's stays, and then no database is put into `folder`.
    """
    if "PREFECT_HOME" not in os.environ:
        os.environ["PREFECT_HOME"] = str(folder.resolve())
        copy_empty_database(folder / "prefect.db")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # Our own watcher prints failures of flows and tasks, in one sentence.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "DEBUG" if debug else "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "flows,tasks,models")
    # Messages after the end of the flow have no flow to go to: the terminal shows them.
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def empty_database() -> Path:
    """Return the path of this installation's empty Prefect database, which may not exist."""
    return Path(sys.prefix) / "share" / "nightly-recs" / f"prefect-{version('prefect')}.db"


def copy_empty_database(path: Path) -> None:
    """Copy the empty database to `path`, unless a database is there. Without a copy, Prefect migrates one in 20 s."""
    if not path.exists() and empty_database().exists():
        _copy(empty_database(), path)


def make_empty_database() -> None:
    """Let Prefect migrate an empty database, once for all homes of this installation."""
    path = empty_database()
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        migrated = Path(folder) / "prefect.db"
        subprocess.run(
            [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
            env={**os.environ, "PREFECT_HOME": folder},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with contextlib.closing(sqlite3.connect(migrated)) as con:
            con.execute("pragma wal_checkpoint(truncate)")  # so that the one file holds everything
        _copy(migrated, path)


def _copy(database: Path, path: Path) -> None:
    """Copy atomically: a process that is killed meanwhile leaves no half of a database at `path`."""
    partial = path.with_suffix(".partial")
    shutil.copyfile(database, partial)
    partial.replace(path)


if __name__ == "__main__":
    make_empty_database()
