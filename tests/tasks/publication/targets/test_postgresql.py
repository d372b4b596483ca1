"""The PostgreSQL target: open transactions of readers, the advisory lock, lost connections."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tasks.errors import LockedError, TransientError
from tasks.publication.publish import publish, rollback
from tasks.publication.targets.postgresql import PostgreSQLTarget
from tests.tasks.publication.published_lists import OWNER, make_lists
from tests.tasks.publication.targets.conftest import publish_run
from tests.tasks.serving import Serving


@pytest.fixture
def serving(published: Serving) -> Serving:
    return published


@contextmanager
def open_reader(serving: Serving) -> Iterator[psycopg.Connection]:
    """An application that has read the lists in a transaction that stays open."""
    with psycopg.connect(serving.url) as con:
        con.execute("select count(*) from recommendations")
        yield con


def end_sessions(serving: Serving, *, but: int = 0) -> None:
    """End the connections of a night, as an administrator or a failing network does."""
    serving.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        f"where application_name = 'nightly-recs' and pid <> {but} and pid <> pg_backend_pid()"
    )


# -- open transactions of readers -----------------------------------------------------------------------------------


def test_an_open_transaction_delays_only_the_removal_of_a_run(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The run that it read. Neither publication nor other readers wait for it."""
    monkeypatch.setattr(PostgreSQLTarget, "patience", 0.3)
    with open_reader(serving) as reader:
        for run in (2, 3, 4):
            with serving.opened() as target:
                assert publish_run(target, serving, run, keep_runs=1), (
                    "switched although the reader holds old runs"
                )
                assert "could not be removed" in caplog.text
            started = time.monotonic()
            assert serving.query("select distinct run_id from recommendations") == [(run,)]
            assert time.monotonic() - started < 1
        assert reader.execute("select distinct run_id from recommendations").fetchone() == (4,)
        assert serving.query("select count(*) > 0 from pg_inherits where inhdetachpending") == [(True,)]
    caplog.clear()
    with serving.opened() as target:
        publish_run(target, serving, 5, keep_runs=1)
        assert target.loaded_runs() == {5}
    assert not caplog.records
    assert serving.query("select count(*) from pg_inherits where inhdetachpending") == [(0,)]


def rows_by_run(con: psycopg.Connection) -> list[tuple]:
    """Rows of a login by run. The same statement each time, so that its cached plan is used."""
    return con.execute("select run_id, count(*) from login_recommendations(1, 10) group by run_id").fetchall()


def test_a_switch_waits_for_transactions_that_read_the_lists(serving: Serving) -> None:
    attached = threading.Event()

    def publish_second() -> None:
        with serving.opened() as target:
            publish_run(
                target, serving, 2, on_step=lambda step: attached.set() if step == "attached" else None
            )

    with psycopg.connect(serving.url) as con:
        assert rows_by_run(con) == [(1, 10)]
        night = threading.Thread(target=publish_second)
        night.start()
        assert not attached.wait(1.5)
        assert rows_by_run(con) == [(1, 10)]
        con.commit()
        assert attached.wait(5)
        night.join()
        assert rows_by_run(con) == [(2, 10)]


def test_a_switch_gives_up_waiting_for_readers_with_a_warning(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(PostgreSQLTarget, "patience", 0.3)
    with psycopg.connect(serving.url) as con:
        rows_by_run(con)
        with serving.opened() as target:
            assert publish_run(target, serving, 2)
        assert f"sees empty lists until that transaction ends: process {con.info.backend_pid}" in caplog.text


def test_a_repeatable_read_sees_one_run_through_a_publication(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgreSQLTarget, "patience", 0.3)
    with psycopg.connect(serving.url) as con:
        con.execute("set transaction isolation level repeatable read")
        first = con.execute("select * from recommendations order by user_id, rank").fetchall()
        with serving.opened() as target:
            publish_run(target, serving, 2)
        assert con.execute("select * from recommendations order by user_id, rank").fetchall() == first
        assert con.execute("select distinct run_id from similar_items").fetchall() == [(1,)]


def test_a_session_reuses_the_plan_of_logins(serving: Serving) -> None:
    long = make_lists(serving.folder / "long", 2, items=1000, n=500)
    with serving.opened() as target:
        publish(target, 2, long, expected_live=1, keep_runs=2)
    with serving.application() as con:
        for user in range(1, 11):
            con.execute("select * from login_recommendations(%s, %s, %s)", (user, 5, None), prepare=True)
        plans = con.execute("select custom_plans, generic_plans from pg_prepared_statements").fetchall()
    assert plans == [(5, 5)], (
        "PostgreSQL makes five custom plans, and then uses a generic one if it costs no more"
    )


def test_an_upgrade_waits_until_readers_have_gone(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgreSQLTarget, "patience", 1.0)
    serving.execute("alter table published_runs drop column bytes", "update schema_version set version = 2")
    with psycopg.connect(serving.url) as reader:
        reader.execute("select count(*) from published_runs")
        with pytest.raises(TransientError, match="in the way"), serving.opened():
            pass
        monkeypatch.setattr(PostgreSQLTarget, "patience", 10.0)
        leaving = threading.Timer(0.7, reader.rollback)
        leaving.start()
        with serving.opened() as target:
            assert [run.bytes for run in target.published_runs()] == [None]
        leaving.join()


# -- one night at a time ----------------------------------------------------------------------------------


def test_a_second_night_is_refused_but_a_rollback_is_not(serving: Serving) -> None:
    def publish_and_roll_back(step: str) -> None:
        if step == "loaded":
            with serving.opened() as other:
                with pytest.raises(LockedError, match="Another night is publishing"):
                    publish_run(other, serving, 3)
                assert rollback(other) == 1

    with serving.opened() as target:
        publish_run(target, serving, 2)
        assert not publish_run(target, serving, 4, on_step=publish_and_roll_back), (
            "it began before the rollback"
        )
        assert target.live_run() == 1
        assert publish_run(target, serving, 5), "the lock is free again"


def test_publication_waits_for_a_lock_that_is_soon_released(serving: Serving) -> None:
    held = threading.Event()

    def hold() -> None:
        with serving.opened() as other, other.publication_lock():
            held.set()
            time.sleep(0.5)

    ending = threading.Thread(target=hold)
    ending.start()
    assert held.wait(10)
    with serving.opened() as target:
        assert publish_run(target, serving, 2)
    ending.join()


def test_the_lock_of_a_killed_night_is_released(serving: Serving) -> None:
    code = (
        "import sys, time\n"
        "from tasks.publication.targets.connect import open_target\n"
        f"with open_target(sys.argv[1], owner={OWNER!r}) as target, target.publication_lock():\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, serving.url], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        with serving.opened() as target:
            with pytest.raises(LockedError):
                publish_run(target, serving, 2)
            holder.kill()
            holder.wait()
            for _ in range(50):  # the server notices in its own time
                try:
                    assert publish_run(target, serving, 2)
                    break
                except LockedError:
                    time.sleep(0.1)
            assert target.live_run() == 2


@pytest.mark.parametrize("step", ["leftovers_removed", "block", "keyed", "attached", "before_switch"])
def test_a_night_whose_connections_were_cut_does_not_switch(shared_published: Serving, step: str) -> None:
    """Even if the session with the lock reconnects. The next try switches."""

    def cut(reached: str) -> None:
        if reached == step:
            end_sessions(shared_published)

    with shared_published.opened() as target:
        live = target.live_run() or 0
        with pytest.raises(TransientError, match=r"closed the connection|was lost"):
            publish_run(target, shared_published, live + 1, on_step=cut)
        assert target.live_run() == live
        assert publish_run(target, shared_published, live + 1)
        assert target.live_run() == live + 1
        assert {live, live + 1} <= target.loaded_runs()
        assert len(target.loaded_runs()) == 2


def test_a_reconnected_session_may_not_switch(serving: Serving) -> None:
    with serving.opened() as target:
        target.remove_leftovers(None)
        with target.publication_lock():
            assert isinstance(target, PostgreSQLTarget)
            assert target._lock_connection is not None
            target._lock_connection.invalidate()  # as the pool does with a broken connection; it then reconnects
            with pytest.raises(TransientError, match="the right to publish"), target.switch_transaction():
                pass
