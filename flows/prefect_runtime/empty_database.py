"""The empty database that Prefect's server starts from in a new home, written from SQL in a moment.

Prefect would make it by a hundred migrations, in 20 s. A later version of Prefect applies only those that are new.
Run as a program, this module makes the SQL file anew, after an update of Prefect in constraints.txt.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

SQL = Path(__file__).resolve().parents[2] / "sql" / "prefect" / "empty_database.sql"
_HEADER = """\
-- The empty SQLite database of Prefect's server, as its migrations make it; made by
-- `python -m flows.prefect_runtime.empty_database`: do not edit.
-- Inputs:  none.
-- Output:  Prefect's tables and indexes, all empty, and the migration in `alembic_version` that they correspond to.
-- Grain:   one row, in `alembic_version`.
"""
_STAND = "insert into alembic_version values"
_VERSION = "select version_num from alembic_version"


def write_empty_database(path: Path) -> None:
    """Write the empty database to `path`, unless a database is there or this Prefect lacks the migration it stands at.

    It appears whole: a process that is killed meanwhile leaves no half of a database at `path`.
    """
    if path.exists():
        return
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(partial)) as con:
        con.executescript(SQL.read_text(encoding="utf-8"))
        known = _has_migration(con.execute(_VERSION).fetchone()[0])
    if known:
        partial.replace(path)
    else:
        partial.unlink()


def _has_migration(revision: str) -> bool:
    """Return whether the installed Prefect has a migration. `find_spec` does not import Prefect."""
    spec = find_spec("prefect")
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent / "server" / "database" / "_migrations" / "versions" / "sqlite"
    return any(folder.glob(f"*_{revision}_*.py"))


def migrated_as_sql(folder: Path) -> str:
    """Let Prefect migrate an empty database in `folder`, and return it as the text of the SQL file."""
    subprocess.run(
        [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"],
        cwd=folder,
        env={**os.environ, "PREFECT_HOME": str(folder), "PYTHONHASHSEED": "0"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with contextlib.closing(sqlite3.connect(folder / "prefect.db")) as con:
        rows = con.execute("select sql from sqlite_master where sql is not null order by rowid")
        made = [f"{sql};" for (sql,) in rows]
        version = con.execute(_VERSION).fetchone()[0]
    lines = "\n".join([*made, f"{_STAND} ('{version}');"]).splitlines()
    return _HEADER + "".join(f"{line.rstrip()}\n" for line in lines)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        SQL.parent.mkdir(exist_ok=True)
        SQL.write_text(migrated_as_sql(Path(scratch)), encoding="utf-8")
