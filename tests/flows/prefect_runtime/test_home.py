"""Prefect inside a home: its files stay there."""

import contextlib
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from flows.prefect_runtime import home as prefect_home


def test_a_server_that_the_user_configured_stays_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "PREFECT_HOME": "/theirs"})
    prefect_home.settle_in(tmp_path, debug=True)
    assert os.environ["PREFECT_HOME"] == "/theirs"


def settled(folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Path:
    """The database of a home after `settle_in`, in an environment without other words on Prefect."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    monkeypatch.setattr(os, "environ", others | environment)
    prefect_home.settle_in(folder, debug=False)
    return folder / "prefect.db"


def test_a_new_home_begins_with_the_database_of_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "installed"))
    home = tmp_path / "home"
    home.mkdir()
    assert not settled(home, monkeypatch).exists(), "none was made: Prefect makes it"
    prefect_home.empty_database().parent.mkdir(parents=True)
    prefect_home.empty_database().write_bytes(b"migrated")
    assert not settled(home, monkeypatch, PREFECT_HOME=str(tmp_path)).exists(), "the user has a Prefect"
    assert settled(home, monkeypatch).read_bytes() == b"migrated"
    (home / "prefect.db").write_bytes(b"in use")
    assert settled(home, monkeypatch).read_bytes() == b"in use"


@pytest.mark.slow
def test_the_empty_database_is_made_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    prefect_home.make_empty_database()
    made = prefect_home.empty_database()
    with contextlib.closing(sqlite3.connect(made)) as con:
        assert con.execute("select count(*) from flow_run").fetchone() == (0,)
    before = made.stat().st_mtime_ns
    prefect_home.make_empty_database()
    assert made.stat().st_mtime_ns == before
    assert [path.name for path in made.parent.iterdir()] == [made.name]
