"""Remove users from the SQLite files of others in the home: Prefect's, the tracker's.

None has a column of user ids. A warning in a log may quote a row of an input file, so lines of logs that have the id
as a word go, whatever the type of ids. In all other text an id is only recognised if it is text and long.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tasks.errors import NightError, TransientError
from tasks.forgetting.locked_bytes import files_of_database
from tasks.forgetting.subject import Subject

_MAGIC = b"SQLite format 3\0"
_LOG_TABLE, _LOG_COLUMN = "log", "message"


def side_databases(home: Path, serving: Path | None) -> list[Path]:
    """Return the SQLite files below a home but those of the serving database, which stay unopened."""
    found = []
    in_use = set() if serving is None else set(files_of_database(serving))
    for path in sorted(each for each in home.rglob("*") if each.is_file() and not each.is_symlink()):
        if path.resolve() in in_use:
            continue
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC:
                found.append(path)
    return found


def count_in_database(path: Path, subject: Subject) -> int:
    """Return how many values of a SQLite file name a user of the subject."""
    with closing(_open(path, "ro")) as con:
        return sum(1 for _ in _values(con, path, subject))


def clean_database(path: Path, subject: Subject) -> int:
    """Remove the subject's users from a SQLite file and write it anew; return how many values were changed.

    Raises:
        TransientError: a program has the file open.
        NightError: it is damaged.
    """
    with closing(_open(path, "rw")) as con:
        try:
            con.execute("begin immediate")
            found = list(_values(con, path, subject))
            for table, column, rowid, value in found:
                if (table, column) == (_LOG_TABLE, _LOG_COLUMN):
                    con.execute(f'delete from "{table}" where rowid = ?', (rowid,))  # noqa: S608  (a table's name)
                    continue
                cleaned = subject.mentions.blank(value)
                con.execute(f'update "{table}" set "{column}" = ? where rowid = ?', (cleaned, rowid))  # noqa: S608
            con.execute("commit")
            con.execute("vacuum")
            con.execute("pragma wal_checkpoint(truncate)")
        except sqlite3.DatabaseError as error:
            raise _explained(path, error) from error
    return len(found)


def _values(con: sqlite3.Connection, path: Path, subject: Subject) -> Iterator[tuple[str, str, int, str]]:
    """Yield the values that name a user: (table, column, rowid, value)."""
    words = [re.compile(rf"(?<!\w){re.escape(str(user))}(?!\w)") for user in subject.users]
    try:
        for table, columns in _tables(con):
            for column in columns:
                is_log = (table, column) == (_LOG_TABLE, _LOG_COLUMN)
                if not is_log and not subject.texts:
                    continue
                rows = con.execute(f'select rowid, "{column}" from "{table}"')  # noqa: S608  (names of the file's own)
                for rowid, value in rows.fetchall():
                    if not isinstance(value, str):
                        continue
                    by_word = is_log and any(word.search(value) for word in words)
                    if by_word or subject.mentions.in_text(value):
                        yield table, column, rowid, value
    except sqlite3.DatabaseError as error:
        raise _explained(path, error) from error


def _tables(con: sqlite3.Connection) -> list[tuple[str, list[str]]]:
    """Return the tables with their columns; those without row ids hold no text of others' making."""
    found = []
    listed = con.execute("select name, wr, type from pragma_table_list where schema = 'main'").fetchall()
    for name, without_rowid, kind in listed:
        if kind == "table" and not without_rowid and not name.startswith("sqlite_"):
            columns = [row[1] for row in con.execute(f'pragma table_info("{name}")')]
            found.append((name, columns))
    return found


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, timeout=5
    )


def _explained(path: Path, error: sqlite3.DatabaseError) -> NightError:
    if "locked" in str(error) or "busy" in str(error):
        return TransientError(
            f"{path} is open in another program.",
            "Stop it, such as Prefect's server, and give the command again.",
        )
    return NightError(f"{path} cannot be read ({error}).", "Move it away if nothing needs it, and run again.")
