"""The SQLite target: whose it is, what it refuses, and how it says what went wrong."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from tasks.errors import NightError, TransientError
from tasks.publication.publish import publish
from tasks.publication.targets.connect import open_target, read_target
from tasks.publication.targets.schema import run_table_name
from tasks.publication.targets.sqlite import SQLiteTarget
from tests.tasks.publication.published_lists import BIGINTS, OWNER, make_lists, read


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "lists.db"
    with open_target(f"sqlite:///{path}", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
    return path


# -- what goes wrong outside ------------------------------------------------------------------------------


def test_a_missing_folder(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/none/lists.db"
    with pytest.raises(NightError, match="none does not exist"), open_target(address, owner=OWNER):
        pass


def test_a_folder_where_the_file_should_be(tmp_path: Path) -> None:
    with (
        pytest.raises(NightError, match="cannot be opened"),
        open_target(f"sqlite:///{tmp_path}", owner=OWNER),
    ):
        pass


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and quite a lot of them. " * 50)
    with (
        pytest.raises(NightError, match="not a SQLite database"),
        open_target(f"sqlite:///{path}", owner=OWNER),
    ):
        pass
    assert path.read_text().startswith("These are notes")


def test_a_read_only_database(database: Path) -> None:
    with read_target(f"sqlite:///{database}") as target, pytest.raises(NightError, match="is read-only"):
        target.record_run({"run_id": 1, "status": "failed"})


HOLD_THE_LOCK = """
import sqlite3, sys
con = sqlite3.connect(sys.argv[1], isolation_level=None)
con.execute("begin immediate")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(database: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD_THE_LOCK, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        yield
        other.communicate()


def test_somebody_holds_the_write_lock(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SQLiteTarget, "busy_seconds", 0.1)
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        with locked_by_another_process(database):
            assert target.live_run() is None, "reading needs no write lock"
            with pytest.raises(TransientError, match="held the write lock"):
                target.record_run({"run_id": 1, "status": "failed"})
        target.record_run({"run_id": 1, "status": "failed"})


def test_what_cannot_be_dropped_after_the_switch_waits_for_the_next_night(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SQLiteTarget, "busy_seconds", 0.1)
    lists = {run: make_lists(tmp_path / str(run), run) for run in (1, 2, 3)}
    with ExitStack() as until_retained, open_target(f"sqlite:///{database}", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, lists[1], expected_live=None, keep_runs=1)

        def lock_after_the_switch(point: str) -> None:
            if point == "switched":
                until_retained.enter_context(locked_by_another_process(database))

        published = publish(target, 2, lists[2], expected_live=1, keep_runs=1, on_step=lock_after_the_switch)
        assert published.switched
        assert published.rows == lists[2].n_rows
        assert "older ones could not be removed" in caplog.text
        assert target.live_run() == 2
        assert target.loaded_runs() == {1, 2}
        until_retained.close()
        publish(target, 3, lists[3], expected_live=2, keep_runs=1)
        assert target.loaded_runs() == {3}


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("SQLITE_BUSY", True),
        ("SQLITE_BUSY_SNAPSHOT", True),
        ("SQLITE_LOCKED_SHAREDCACHE", True),
        ("SQLITE_IOERR_LOCK", True),
        ("SQLITE_IOERR_SHMLOCK", True),
        ("SQLITE_IOERR_WRITE", False),
        ("SQLITE_IOERR_CORRUPTFS", False),
        ("SQLITE_FULL", False),
        ("SQLITE_READONLY", False),
        ("SQLITE_CANTOPEN", False),
        ("SQLITE_CORRUPT", False),
    ],
)
def test_only_what_may_pass_is_tried_again(database: Path, name: str, passes: bool) -> None:
    error = sqlite3.OperationalError()
    error.sqlite_errorname = name
    with read_target(f"sqlite:///{database}") as target:
        explained = target.explain(error)
    assert type(explained) is (TransientError if passes else NightError)


def test_a_fault_of_ours_is_not_explained_away(database: Path) -> None:
    with read_target(f"sqlite:///{database}") as target:
        with pytest.raises(sa.exc.OperationalError, match="no such column"), target.read() as con:
            con.execute(sa.text("select mistake from items"))
        assert target.explain(ValueError("a mistake")) is None


def test_a_full_disk_leaves_the_live_lists_and_once_there_is_space_the_next_night_succeeds(
    small_disk: Path, tmp_path: Path
) -> None:
    database, other_files = small_disk / "recommendations.db", small_disk / "other-files"
    url = f"sqlite:///{database}"
    lists = [make_lists(tmp_path / f"{users}", run, users=users) for run, users in ((1, 30), (2, 10_000))]
    with open_target(url, owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, lists[0], expected_live=None, keep_runs=2)
    other_files.write_bytes(bytes(9 * 2**20))
    for _ in range(2):
        with (
            open_target(url, owner=OWNER) as target,
            pytest.raises(NightError, match=r"The disk is full: .* cannot grow"),
        ):
            publish(target, 2, lists[1], expected_live=1, keep_runs=2)
        assert read(database, "select distinct run_id, count(*) from recommendations") == [(1, 300)]
    other_files.unlink()
    with open_target(url, owner=OWNER) as target:
        assert publish(target, 2, lists[1], expected_live=1, keep_runs=2).switched
        assert target.loaded_runs() == {1, 2}
    assert [file.name for file in small_disk.iterdir()] == ["recommendations.db"]


def test_the_log_stays_small_and_goes_with_the_last_connection(database: Path, tmp_path: Path) -> None:
    lists = make_lists(tmp_path / "lists", 1, users=40_000)
    log = Path(f"{database}-wal")
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, lists, expected_live=None, keep_runs=1)
        assert log.stat().st_size < 8 * 2**20 < database.stat().st_size
    assert not log.exists()


@pytest.mark.parametrize("run", [0, -1, True, 1.0, "1; drop table items"])
def test_a_table_is_named_after_an_integer_or_not_at_all(run: object) -> None:
    with pytest.raises(ValueError, match="no table"):
        run_table_name("recommendations", run)  # type: ignore[arg-type]
