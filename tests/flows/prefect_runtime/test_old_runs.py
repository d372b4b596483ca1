"""Old flow runs go from the database of the nights' own server, with all that belongs to them; others' stay."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from flows import nightly
from flows.prefect_runtime import old_runs
from flows.prefect_runtime.empty_database import write_empty_database
from flows.prefect_runtime.old_runs import remove_old_runs
from tasks.config.load import load_settings
from tasks.errors import NightError
from tasks.monitoring.events import SilentWatcher

_DAY = "2026-11-{:02} 02:00:0{}.000000"
TABLES = (
    "flow_run", "flow_run_state", "task_run", "task_run_state", "log", "artifact", "events", "event_resources",
)  # fmt: skip


def add_night(con: sqlite3.Connection, day: int) -> None:
    """Add a flow run with a state, a task run, a log line, an artifact and an event, each a second later."""
    run, task, at = f"run-{day}", f"task-{day}", _DAY.format(day, 1)
    con.execute("insert or ignore into flow (id, name) values ('nightly', 'nightly')")
    con.execute(
        "insert into flow_run (id, name, flow_id, created) values (?, 'night', 'nightly', ?)",
        [run, _DAY.format(day, 0)],
    )
    con.execute(
        "insert into flow_run_state (id, flow_run_id, type, name) values (?, ?, 'COMPLETED', 'Completed')",
        [f"state-{day}", run],
    )
    con.execute(
        "insert into task_run (id, flow_run_id, name, task_key, dynamic_key) values (?, ?, 'fit', 'fit', '0')",
        [task, run],
    )
    con.execute(
        "insert into task_run_state (id, task_run_id, type, name) values (?, ?, 'COMPLETED', 'Completed')",
        [f"task-state-{day}", task],
    )
    con.execute(
        "insert into log (flow_run_id, name, level, message, timestamp, created) values (?, 'n', 20, 'm', ?, ?)",
        [run, at, at],
    )
    con.execute(
        "insert into artifact (id, key, flow_run_id, created) values (?, 'verdict', ?, ?)",
        [f"artifact-{day}", run, at],
    )
    con.execute("delete from artifact_collection where key = 'verdict'")
    con.execute("insert into artifact_collection (key, latest_id) values ('verdict', ?)", [f"artifact-{day}"])
    con.execute(
        "insert into events (id, event, resource_id, resource, payload, occurred, received, recorded, created)"
        " values (?, 'e', 'r', '{}', ?, ?, ?, ?, ?)",
        [f"event-{day}", "x" * 200_000, at, at, at, at],
    )
    con.execute(
        "insert into event_resources (event_id, resource_id, resource_role, resource, occurred, created)"
        " values (?, 'r', '', '{}', ?, ?)",
        [f"event-{day}", at, at],
    )


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Prefect's database with a flow run of each of five nights."""
    path = tmp_path / "prefect.db"
    write_empty_database(path)
    with contextlib.closing(sqlite3.connect(path)) as con:
        for day in range(1, 6):
            add_night(con, day)
        con.commit()
    return path


def query(path: Path, text: str) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as con:
        return con.execute(text).fetchall()


def counts(path: Path) -> dict[str, int]:
    return {table: query(path, f"select count(*) from {table}")[0][0] for table in TABLES}  # type: ignore[misc]


def test_only_the_newest_nights_stay(database: Path) -> None:
    before = database.stat().st_size
    assert remove_old_runs(database, 2) == 3
    assert counts(database) == dict.fromkeys(TABLES, 2)
    assert query(database, "select id from flow_run order by id") == [("run-4",), ("run-5",)]
    assert query(database, "select latest_id from artifact_collection") == [("artifact-5",)]
    assert query(database, "pragma foreign_key_check") == []
    assert database.stat().st_size < before - 500_000, "the file is written anew"


def test_nothing_goes_of_as_few_nights_as_are_kept(database: Path) -> None:
    for nights in (5, 6):
        assert remove_old_runs(database, nights) == 0
    assert counts(database) == dict.fromkeys(TABLES, 5)
    assert remove_old_runs(database.with_name("none.db"), 1) == 0
    assert not database.with_name("none.db").exists()


def test_an_artifact_whose_night_goes_is_no_longer_the_newest(database: Path) -> None:
    """The nights that stay failed before they made one."""
    with contextlib.closing(sqlite3.connect(database)) as con:
        con.execute("delete from artifact where id in ('artifact-4', 'artifact-5')")
        con.execute("update artifact_collection set latest_id = 'artifact-3'")
        con.commit()
    remove_old_runs(database, 2)
    assert query(database, "select count(*) from artifact_collection") == [(0,)]


def test_a_database_with_deployments_is_left_alone(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as con:
        con.execute("insert into deployment (id, name, flow_id) values ('d', 'demo', 'nightly')")
        con.commit()
    assert remove_old_runs(database, 1) == 0
    assert counts(database) == dict.fromkeys(TABLES, 5)


def test_a_database_in_use_is_left_until_the_next_night(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(old_runs, "_WAIT", 0.05)
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as con:
        con.execute("begin immediate")
        with caplog.at_level(logging.WARNING):
            assert remove_old_runs(database, 1) == 0
    assert "database is locked" in caplog.text
    assert remove_old_runs(database, 1) == 4
    database.write_bytes(b"no database" * 1000)
    assert remove_old_runs(database, 1) == 0, "a damaged file is Prefect's to report"


@pytest.mark.parametrize(
    ("api", "prefect_home", "left"),
    [(None, ".", 2), ("http://127.0.0.1:9/api", ".", 5), (None, "another", 5)],
)
def test_a_night_with_its_own_server_removes_them(
    database: Path, monkeypatch: pytest.MonkeyPatch, api: str | None, prefect_home: str, left: int
) -> None:
    """Here the server does not start, and the night goes on without it."""

    def no_server() -> None:
        raise NightError("no server")

    monkeypatch.setattr(nightly.server, "connected", no_server)
    monkeypatch.setattr(nightly.dag, "nightly", lambda _: None)
    home = SimpleNamespace(prefect=database.parent, path=database.parent)
    settings = load_settings(None, ["retention.nights=2"])
    night = SimpleNamespace(home=home, settings=settings, watcher=SilentWatcher(), record=None)
    with temporary_settings({PREFECT_API_URL: api, PREFECT_HOME: database.parent / prefect_home}):
        nightly.run_flow(night)  # type: ignore[arg-type]
    assert query(database, "select count(*) from flow_run") == [(left,)]
