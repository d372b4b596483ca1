"""Prefect inside a home: its files stay there, and a new home starts from an empty database."""

import contextlib
import os
import sqlite3
import sys
from pathlib import Path

import pytest

from flows.prefect_runtime import home as prefect_home


def test_a_configured_prefect_home_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ, "PREFECT_HOME": "/theirs"})
    prefect_home.configure_prefect(tmp_path, debug=True)
    assert os.environ["PREFECT_HOME"] == "/theirs"


def configured(folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: str) -> Path:
    """Return a home's database path after `configure_prefect` in an environment with no other PREFECT_ variables."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    monkeypatch.setattr(os, "environ", others | environment)
    prefect_home.configure_prefect(folder, debug=False)
    return folder / "prefect.db"


def test_a_new_home_copies_the_empty_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "installed"))
    home = tmp_path / "home"
    home.mkdir()
    assert not configured(home, monkeypatch).exists(), "this installation has none: Prefect makes it"
    prefect_home.empty_database().parent.mkdir(parents=True)
    prefect_home.empty_database().write_bytes(b"migrated")
    assert not configured(home, monkeypatch, PREFECT_HOME=str(tmp_path)).exists(), (
        "the user has a PREFECT_HOME"
    )
    assert configured(home, monkeypatch).read_bytes() == b"migrated"
    (home / "prefect.db").write_bytes(b"in use")
    assert configured(home, monkeypatch).read_bytes() == b"in use"


@pytest.mark.slow
def test_the_empty_database_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    prefect_home.make_empty_database()
    made = prefect_home.empty_database()
    with contextlib.closing(sqlite3.connect(made)) as con:
        assert con.execute("select count(*) from flow_run").fetchone() == (0,)
    before = made.stat().st_mtime_ns
    prefect_home.make_empty_database()
    assert made.stat().st_mtime_ns == before
    assert [path.name for path in made.parent.iterdir()] == [made.name]
