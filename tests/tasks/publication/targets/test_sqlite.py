"""The SQLite target: its errors, a full disk, the write-ahead log, and values read back unchanged."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.errors import NightError, TransientError, UsageError
from tasks.publication.publish import publish
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import open_target, read_target
from tasks.publication.targets.schema import run_table_name
from tasks.publication.targets.sqlite import SQLiteTarget
from tests.examples import examples
from tests.tasks.publication.published_lists import BIGINTS, OWNER, TEXTS, make_lists, read, write_lists


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "lists.db"
    with open_target(f"sqlite:///{path}", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
    return path


# -- errors -----------------------------------------------------------------------------------------------


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/none/lists.db"
    with pytest.raises(UsageError, match="none does not exist"), open_target(address, owner=OWNER):
        pass


def test_a_folder_in_place_of_the_file_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="is a folder, not a SQLite database") as refused,
        open_target(f"sqlite:///{tmp_path}", owner=OWNER),
    ):
        pass
    assert refused.value.hint.endswith(f"sqlite:///{tmp_path}/recommendations.db")


def test_a_device_in_place_of_the_file_is_reported() -> None:
    with pytest.raises(UsageError, match="is a device"), open_target("sqlite:////dev/null", owner=OWNER):
        pass


@pytest.mark.parametrize("closed", ["file", "folder"])
def test_a_read_only_place_is_reported_before_the_night(
    database: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    """The superuser, as whom tests may run, may write everywhere: the answer of the system is planted."""
    place = database if closed == "file" else database.parent
    monkeypatch.setattr("os.access", lambda path, mode: path != place)
    with (
        pytest.raises(NightError, match=f"{place} is read-only"),
        open_target(f"sqlite:///{database}", owner=OWNER),
    ):
        pass
    with read_target(f"sqlite:///{database}") as target:
        assert target.has_schema


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and quite a lot of them. " * 50)
    with (
        pytest.raises(UsageError, match="not a SQLite database"),
        open_target(f"sqlite:///{path}", owner=OWNER),
    ):
        pass
    assert path.read_text().startswith("These are notes")


def test_writing_without_an_owner_is_refused(database: Path) -> None:
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


def test_a_held_write_lock_is_reported_after_a_wait(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SQLiteTarget, "busy_seconds", 0.1)
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        with locked_by_another_process(database):
            assert target.live_run() is None, "reading needs no write lock"
            with pytest.raises(TransientError, match="held the write lock"):
                target.record_run({"run_id": 1, "status": "failed"})
        target.record_run({"run_id": 1, "status": "failed"})


def test_an_error_after_the_switch_is_logged_only(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The old run that could not be dropped is dropped by the next night."""
    monkeypatch.setattr(SQLiteTarget, "busy_seconds", 0.1)
    lists = {run: make_lists(tmp_path / str(run), run) for run in (1, 2, 3)}
    with ExitStack() as until_dropped, open_target(f"sqlite:///{database}", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        publish(target, 1, lists[1], expected_live=None, keep_runs=1)

        def lock_after_the_switch(step: str) -> None:
            if step == "switched":
                until_dropped.enter_context(locked_by_another_process(database))

        published = publish(target, 2, lists[2], expected_live=1, keep_runs=1, on_step=lock_after_the_switch)
        assert published.switched
        assert published.rows == lists[2].n_rows
        assert "older ones could not be removed" in caplog.text
        assert target.live_run() == 2
        assert target.loaded_runs() == {1, 2}
        until_dropped.close()
        publish(target, 3, lists[3], expected_live=2, keep_runs=1)
        assert target.loaded_runs() == {3}


@pytest.mark.parametrize(
    ("name", "is_transient"),
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
def test_only_lock_errors_are_transient(database: Path, name: str, is_transient: bool) -> None:
    error = sqlite3.OperationalError()
    error.sqlite_errorname = name
    with read_target(f"sqlite:///{database}") as target:
        explained = target.explain(error)
    assert type(explained) is (TransientError if is_transient else NightError)


def test_a_bug_is_not_explained(database: Path) -> None:
    with read_target(f"sqlite:///{database}") as target:
        with pytest.raises(sa.exc.OperationalError, match="no such column"), target.read() as con:
            con.execute(sa.text("select mistake from items"))
        assert target.explain(ValueError("a mistake")) is None


def test_a_full_disk_leaves_the_live_lists(small_disk: Path, tmp_path: Path) -> None:
    """Once there is space, the next night publishes."""
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


def test_the_write_ahead_log_stays_small(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is much smaller than the file that it fills; it is deleted with the last connection."""
    monkeypatch.setattr("tasks.publication.publish.BLOCK_ROWS", 2_000)
    wide = "x" * 400  # 40,000 rows, 16 MB
    rows = [(user, rank, rank, 1.0, wide, None, None) for user in range(1, 4001) for rank in range(1, 11)]
    nothing: dict = {"similar_items": [], "fallback_recommendations": [], "items": []}
    lists = write_lists(tmp_path, recommendations=rows, **nothing)
    log = Path(f"{database}-wal")
    sizes = []
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)

        def measure(step: str) -> None:
            sizes.append(log.stat().st_size)

        publish(target, 1, lists, expected_live=None, keep_runs=1, on_step=measure)
        assert max(sizes) < 8 * 2**20 < database.stat().st_size
    assert not log.exists()


@pytest.mark.parametrize("run", [0, -1, True, 1.0, "1; drop table items"])
def test_tables_are_named_after_positive_integers_only(run: object) -> None:
    with pytest.raises(ValueError, match="no table"):
        run_table_name("recommendations", run)  # type: ignore[arg-type]


# -- values -----------------------------------------------------------------------------------------------

HOSTILE = (
    *("'; drop table items; --", '"', "\\", "a\tb\nc\r\n", "%_", " ", "007"),
    *("שלום \u202e مرحبا", "🎬 👩\u200d🚀", "x" * 10_000),
)
texts = st.sampled_from(HOSTILE) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30
)
scores = st.floats(allow_nan=False, allow_infinity=False)
ranked_lists = st.lists(st.tuples(texts, scores, texts), min_size=1, max_size=4)


@pytest.fixture(scope="module")
def text_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A database to which the examples of a test publish, each as a new run."""
    with open_target(f"sqlite:///{tmp_path_factory.mktemp('texts')}/lists.db", owner=OWNER) as target:
        target.ensure_schema(TEXTS)
        yield target


@pytest.fixture(scope="module")
def bigint_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The same for integer ids."""
    with open_target(f"sqlite:///{tmp_path_factory.mktemp('bigints')}/lists.db", owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        yield target


def publish_next(target: Target, **rows: list) -> Path:
    """Publish lists as the next run, the only one that is kept, and return the path of the database."""
    database, live = Path(target.place), target.live_run()
    run = (live or 0) + 1
    folder = database.parent / f"lists-{run}"
    folder.mkdir()
    publish(target, run, write_lists(folder, **rows), expected_live=live, keep_runs=1)
    return database


@settings(max_examples=examples(25))
@given(
    rows=st.dictionaries(texts, ranked_lists, min_size=1),
    titles=st.dictionaries(texts, st.none() | texts, min_size=1),
)
def test_hostile_texts_and_scores_are_read_back_unchanged(
    text_target: Target, rows: dict, titles: dict
) -> None:
    ranked = [
        (user, rank, item, score, "als", None if rank == 1 else score, reason if rank == 1 else None)
        for user in sorted(rows)
        for rank, (item, score, reason) in enumerate(rows[user], 1)
    ]
    database = publish_next(
        text_target,
        recommendations=ranked,
        similar_items=[(item, 1, item, 0.0) for item in sorted(titles)],
        fallback_recommendations=[("all", 1, next(iter(titles)), 0.0)],
        items=[(item, title, title) for item, title in titles.items()],
    )
    columns = "user_id, rank, item_id, score, model, model_score, reason_item_id"
    assert sorted(read(database, f"select {columns} from recommendations")) == sorted(ranked)
    found = dict(read(database, "select item_id, title from items"))  # also the items of earlier examples
    assert {item: found[item] for item in titles} == titles


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1) | st.none())
@settings(max_examples=examples(10))
def test_64_bit_ids_are_read_back_unchanged(bigint_target: Target, user: int, reason: int | None) -> None:
    ranked = [(user, 1, user, 0.5, "als", None, reason), (user, 2, -user // 2, 0.5, "als", None, None)]
    nothing: dict = {"similar_items": [], "fallback_recommendations": []}
    database = publish_next(bigint_target, recommendations=ranked, items=[(user, None, None)], **nothing)
    found = read(database, "select user_id, item_id, reason_item_id from recommendations")
    assert found == [(user, user, reason), (user, -user // 2, None)]


def test_runs_of_equal_lists_have_about_equal_sizes(database: Path, tmp_path: Path) -> None:
    with open_target(f"sqlite:///{database}", owner=OWNER) as target:
        for run in (1, 2):
            lists = make_lists(tmp_path / f"lists-{run}", run, users=2000)
            publish(target, run, lists, expected_live=target.live_run(), keep_runs=2)
        second, first = (run.bytes for run in target.published_runs())
    assert second == pytest.approx(first, rel=0.1)


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.tuples(st.none() | scores, st.none() | st.integers(0, 9)), min_size=1, max_size=9),
    block_rows=st.integers(1, 4),
)
def test_columns_empty_in_some_blocks_are_read_back(
    bigint_target: Target, monkeypatch: pytest.MonkeyPatch, values: list, block_rows: int
) -> None:
    monkeypatch.setattr("tasks.publication.publish.BLOCK_ROWS", block_rows)
    ranked = [(7, rank, rank, 0.5, "als", score, reason) for rank, (score, reason) in enumerate(values, 1)]
    nothing: dict = {"similar_items": [], "fallback_recommendations": []}
    database = publish_next(bigint_target, recommendations=ranked, items=[(1, None, "Drama")], **nothing)
    found = read(
        database, "select rank, model_score, reason_item_id, variant from recommendations order by rank"
    )
    assert found == [(row[1], row[5], row[6], None) for row in ranked]
