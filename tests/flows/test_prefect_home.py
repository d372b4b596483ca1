"""Prefect inside a home: its files stay there, and a killed night's server is ended by the next."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import prefect_home

MARK = "a-server-of-this-test"  # the session's real Prefect server is a child of ours, too


@pytest.fixture(autouse=True)
def _only_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_home, "_SERVER", MARK.encode())


@pytest.fixture
def server() -> subprocess.Popen[bytes]:
    """A child of this process that looks like Prefect's server."""
    command = [sys.executable, "-c", "import time; time.sleep(60)", MARK]
    with subprocess.Popen(command) as process:
        while not prefect_home._is_server(process.pid):  # until it has become that program
            time.sleep(0.01)
        yield process
        process.kill()


def test_the_server_of_a_killed_night_is_ended(
    tmp_path: Path, server: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    prefect_home.remember_server(tmp_path)
    assert (tmp_path / "server.pid").read_text().strip() == str(server.pid)
    for name in list(os.environ):
        if name.startswith("PREFECT_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    prefect_home.settle_in(tmp_path, debug=False)
    assert server.poll() is None, "a second night that finds the lock taken must not harm the first"
    prefect_home.end_orphan(tmp_path)
    assert server.poll() is None, "the server of an earlier night in this process serves the next one, too"
    monkeypatch.setattr(prefect_home, "_children", lambda _: [])
    prefect_home.end_orphan(tmp_path)
    assert server.wait(timeout=10) != 0
    assert not (tmp_path / "server.pid").exists()
    assert os.environ["PREFECT_HOME"] == str(tmp_path)


def test_a_pid_that_belongs_to_somebody_else_by_now_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_home, "_children", lambda _: [])
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as bystander:
        (tmp_path / "server.pid").write_text(f"{bystander.pid}\n")
        prefect_home.end_orphan(tmp_path)
        assert bystander.poll() is None
        bystander.kill()
    assert not (tmp_path / "server.pid").exists()


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
