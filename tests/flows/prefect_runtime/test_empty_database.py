"""The empty database of Prefect's server: written from SQL, and the same as the migrations make."""

import contextlib
import re
import sqlite3
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest

from flows.prefect_runtime import empty_database
from flows.prefect_runtime.empty_database import SQL, migrated_as_sql, write_empty_database
from tests.test_constraints import pinned


def test_an_empty_database_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "prefect.db"
    write_empty_database(path)
    with contextlib.closing(sqlite3.connect(path)) as con:
        assert con.execute("select count(*) from flow_run").fetchone() == (0,)
        assert con.execute("select count(*) from alembic_version").fetchone() == (1,)
    path.write_bytes(b"in use")
    write_empty_database(path)
    assert path.read_bytes() == b"in use"
    assert [found.name for found in tmp_path.iterdir()] == ["prefect.db"]


def test_no_database_is_written_for_a_prefect_without_its_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect then migrates a database of its own, which takes longer."""
    monkeypatch.setattr(empty_database, "find_spec", lambda _: None)
    write_empty_database(tmp_path / "prefect.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(
    version("prefect") != pinned()["prefect"], reason="another Prefect than constraints.txt's"
)
def test_the_migrations_make_the_same_database(tmp_path: Path) -> None:
    """If this fails after an update of Prefect: python -m flows.prefect_runtime.empty_database

    Constraints within a table come in any order.
    """
    made, kept = migrated_as_sql(tmp_path), SQL.read_text(encoding="utf-8")
    assert Counter(re.split(r"[\s,]+", made)) == Counter(re.split(r"[\s,]+", kept))
