"""The files of an open SQLite database are searched without the connection's locks being lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasks.config.data_settings import DataSettings
from tasks.forgetting.locked_bytes import files_of_database, holds_any
from tasks.forgetting.subject import subject_of
from tasks.forgetting.traces import search
from tasks.publication.targets.connect import open_target
from tasks.publication.targets.schema import IdTypes
from tasks.storage.home import Home, open_home

_WRITER = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('begin immediate')"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with text ids whose serving database has a schema and no lists."""
    (tmp_path / "in").mkdir()
    opened = open_home(str(tmp_path / "in"), tmp_path / "home")
    opened.fix_id_types("TEXT", "TEXT")
    with open_target(opened.default_url, owner=opened.owner) as target:
        target.ensure_schema(IdTypes("TEXT", "TEXT"))
    return opened


@pytest.fixture
def writing(home: Home) -> Iterator[Path]:
    """The home's database while a connection of this process writes to it."""
    path = home.path / "recommendations.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        con.execute("begin immediate")
        con.execute("insert into seen_since (user_id, item_id) values ('somebody-42', 'x')")
        yield path
        con.execute("rollback")


def another_can_write(path: Path) -> bool:
    """Return whether another process gets the lock for writing."""
    done = subprocess.run(
        [sys.executable, "-c", _WRITER, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "database is locked" in done.stderr
    return done.returncode == 0


def test_a_search_of_the_bytes_keeps_the_locks(writing: Path) -> None:
    assert not another_can_write(writing)
    for path in files_of_database(writing):
        holds_any(path, [b"somebody-42"])
    assert not another_can_write(writing)


def test_a_search_of_the_home_keeps_the_locks(home: Home, writing: Path) -> None:
    subject = subject_of(["somebody-42"], [], ("TEXT", "TEXT"), DataSettings())
    with open_target(home.default_url, owner=home.owner) as target:
        search(home, DataSettings(), target, subject)
    assert not another_can_write(writing)


def test_bytes_are_found_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    path.write_bytes(b"\0x\xff" * 1000 + b"somebody-42" + b"\0" * 1000)
    assert holds_any(path, [b"nobody", b"somebody-42"])
    assert not holds_any(path, [b"nobody"])
    assert not holds_any(path, [])
    with pytest.raises(OSError, match="cannot be read"):
        holds_any(tmp_path / "absent.db", [b"x"])


def test_the_files_of_a_database_are_those_beside_it(writing: Path) -> None:
    assert {path.name for path in files_of_database(writing)} == {
        "recommendations.db", "recommendations.db-wal", "recommendations.db-shm",
    }  # fmt: skip
