"""Prefect, set up to run inside one home: no server to configure, no network.

Imported and called before anything of Prefect is, because Prefect reads its environment while it is imported.

Run as a program, it makes the database that new homes begin with: `make setup` does, so that no first night waits for
Prefect's hundred migrations.
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


def settle_in(folder: Path, *, debug: bool) -> None:
    """Point Prefect at `folder`, unless the user has configured a server of their own."""
    if "PREFECT_HOME" not in os.environ:
        os.environ["PREFECT_HOME"] = str(folder.resolve())
        begin_database(folder / "prefect.db")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    # A flow's and a task's failures are told by our own watcher, in one sentence.
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "DEBUG" if debug else "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "flows,tasks,models")
    # What is said when the flow has ended is said on the terminal alone.
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")


def empty_database() -> Path:
    """Where this installation keeps Prefect's database as it is before the first flow; perhaps not there."""
    return Path(sys.prefix) / "share" / "nightly-recs" / f"prefect-{version('prefect')}.db"


def begin_database(path: Path) -> None:
    """Put Prefect's empty database at `path`, unless there is one; where none was made, Prefect makes it, in 20 s."""
    if not path.exists() and empty_database().exists():
        _copy(empty_database(), path)


def make_empty_database() -> None:
    """Let Prefect migrate an empty database once for all homes of this installation."""
    place = empty_database()
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "prefect.db"
        subprocess.run(
            [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
            env={**os.environ, "PREFECT_HOME": folder},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        with contextlib.closing(sqlite3.connect(made)) as con:
            con.execute("pragma wal_checkpoint(truncate)")  # all of it into the one file
        _copy(made, place)


def _copy(database: Path, place: Path) -> None:
    """At one instant: whoever is killed meanwhile leaves no half of a database."""
    partial = place.with_suffix(".partial")
    shutil.copyfile(database, partial)
    partial.replace(place)


if __name__ == "__main__":
    make_empty_database()
