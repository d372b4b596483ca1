"""What is around a PostgreSQL target: rights, addresses, other schemas, encodings, a server that goes, a full disk."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from tasks.errors import NightError, TransientError, UsageError
from tasks.publication.publish import publish
from tasks.publication.targets.connect import open_target, read_target
from tests.tasks.postgres_server import Server, new_schema
from tests.tasks.publication.published_lists import BIGINTS, OWNER, make_lists
from tests.tasks.publication.targets.conftest import publish_run
from tests.tasks.serving import Serving


@pytest.fixture
def serving(published: Serving) -> Serving:
    return published


# -- rights and addresses ---------------------------------------------------------------------------------


def as_role(serving: Serving, role: str, *grants: str) -> str:
    """The address of a role that is made for this test and granted something."""
    serving.execute(
        f"do $$ begin if exists (select from pg_roles where rolname = '{role}') then "
        f"drop owned by {role}; drop role {role}; end if; end $$",
        f"create role {role} login",
        *grants,
    )
    return serving.url.replace("postgres:@", f"{role}:secret77@")


def schema_of(serving: Serving) -> str:
    return str(serving.query("select current_schema()")[0][0])


def test_a_reader_may_read_the_lists_and_nothing_else(serving: Serving) -> None:
    url = as_role(serving, "app", "grant recs_reader to app")
    with psycopg.connect(url, autocommit=True) as con:
        assert con.execute("select count(*) from login_recommendations(1, 10)").fetchone() == (10,)
        assert con.execute("select count(*) from recommendations").fetchone() == (300,)
        for forbidden in (
            "select * from recommendations_1", "select * from published_runs", "delete from items",
            "update active_run set run_id = 1", "insert into item_rules (rule, item_id) values ('block', 1)",
            "drop view recommendations", "create table mine (a int)",
        ):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                con.execute(forbidden)


def test_a_role_that_may_not_create_is_told_so(serving: Serving) -> None:
    url = as_role(serving, "poor", f"grant usage on schema {schema_of(serving)} to poor")
    with (
        pytest.raises(NightError, match=r"A right is missing in .* permission denied"),
        open_target(url, owner=OWNER) as target,
    ):
        target.live_run()


def test_who_may_not_make_tables_is_told_before_the_night(server: Server, tmp_path: Path) -> None:
    serving = Serving(new_schema(server.url), tmp_path)
    url = as_role(serving, "reader", f"grant usage on schema {schema_of(serving)} to reader")
    told = rf"may not make tables in .* \(schema {schema_of(serving)}\)"
    with pytest.raises(NightError, match=told), open_target(url, owner=OWNER):
        pass
    with read_target(url) as target:
        assert not target.has_schema


def test_rules_and_what_was_seen_need_no_more_rights_than_documented(serving: Serving) -> None:
    rights = "grant select, insert, delete on item_rules, seen_since to editor"
    url = as_role(serving, "editor", f"grant usage on schema {schema_of(serving)} to editor", rights)
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("set timezone = 'Asia/Tokyo'")
        con.execute("insert into item_rules (rule, item_id) values ('block', 1)")
        con.execute("delete from item_rules where item_id = 1")
        con.execute("insert into seen_since (user_id, item_id) values (42, 17)")
        (age,) = con.execute("select now() at time zone 'utc' - seen_at from seen_since").fetchone()
    assert abs(age) < timedelta(minutes=1)


@pytest.mark.parametrize("has_role", [False, True])
def test_a_publisher_that_may_not_see_to_the_readers_role_publishes_all_the_same(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, has_role: bool
) -> None:
    serving = Serving(new_schema(server.url), tmp_path)
    if has_role:
        serving.execute("create role recs_reader")
    url = as_role(serving, "humble", f"grant all on schema {schema_of(serving)} to humble")
    with open_target(url, owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        assert publish_run(target, serving, 1)
    assert "No role recs_reader can read the lists" in caplog.text


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda url: url.replace("/postgres?", "/nowhere?"), NightError, "does not exist"),
        (lambda url: url.replace("postgres:@", "nobody:secret77@"), NightError, "refuses the user"),
        (
            lambda url: url + quote(" -csearch_path=nowhere"),
            NightError,
            "has no schema that its search_path names",
        ),
        (lambda url: "postgresql://joe:secret77@127.0.0.1:1/x", TransientError, "cannot be reached"),
        (lambda url: "postgresql://joe:secret77@no.such.host.invalid/x", TransientError, "cannot be reached"),
        (
            lambda url: "postgresql://joe:secret77@127.0.0.1/x?no_such_option=1",
            UsageError,
            "part that PostgreSQL does not know",
        ),
    ],
)
def test_a_wrong_address_is_a_clear_error_without_its_password(
    serving: Serving, change: Callable[[str], str], error: type[NightError], said: str
) -> None:
    with pytest.raises(error, match=said) as caught, open_target(change(serving.url), owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
    assert type(caught.value) is error, "what another try does not mend is not tried again"
    told = f"{caught.value} {caught.value.hint}"
    assert "secret77" not in told
    assert "Traceback" not in told


def test_a_wrong_password_is_called_that(server: Server) -> None:
    with psycopg.connect(server.url, autocommit=True) as con:
        con.execute("create role joe login password 'right'")
        rules = Path(con.execute("show hba_file").fetchone()[0])
        con.execute("grant create on schema public to joe")
        rules.write_text(f"local all joe scram-sha-256\n{rules.read_text()}")
        con.execute("select pg_reload_conf()")
    for password in (":secret77", ""):
        url = server.url.replace("postgres:@", f"joe{password}@")
        with pytest.raises(NightError, match="refuses the user or the password") as caught:
            open_target(url, owner=OWNER).__enter__()
        assert type(caught.value) is NightError
        assert "secret77" not in f"{caught.value} {caught.value.hint}"
    with open_target(server.url.replace("postgres:@", "joe:right@"), owner=OWNER) as target:
        assert not target.has_schema


# -- what is around it ------------------------------------------------------------------------------------


def test_what_lies_in_other_schemas_is_not_ours(server: Server, tmp_path: Path) -> None:
    url = new_schema(server.url)
    ours = url.rpartition("search_path%3D")[2]
    both = Serving(url + quote(",public"), tmp_path)
    theirs = ("recommendations_2023", "items")
    for table in theirs:
        both.execute(f"create table public.{table} (price float)")
    with both.opened() as target:
        target.ensure_schema(BIGINTS)
        for run in (1, 2, 3):
            assert publish_run(target, both, run)
        assert target.loaded_runs() == {2, 3}
    public = "select tablename from pg_tables where schemaname = 'public' order by tablename desc"
    assert both.query(public) == [(table,) for table in theirs]
    assert both.query(f"select count(*) from {ours}.items") == [(40,)]


def test_text_is_utf8_whatever_the_environment_says(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    lists = make_lists(serving.folder / "titled", 2)
    items = pq.read_table(lists.folder / "items.parquet")
    titles = ["Amélie"] * len(items)
    pq.write_table(items.set_column(1, "title", pa.array(titles)), lists.folder / "items.parquet")
    with serving.opened() as target:
        publish(target, 2, lists, expected_live=1, keep_runs=2)
    monkeypatch.delenv("PGCLIENTENCODING")
    assert serving.query("select distinct title from items") == [("Amélie",)]


def test_a_database_that_cannot_hold_all_titles_is_refused(server: Server) -> None:
    with psycopg.connect(server.url, autocommit=True) as con:
        con.execute("create database narrow encoding 'LATIN1' locale 'C' template template0")
    url = server.url.replace("/postgres?", "/narrow?")
    with pytest.raises(UsageError, match="encoded in LATIN1"), open_target(url, owner=OWNER):
        pass


def test_a_time_limit_for_statements_does_not_end_a_night(server: Server, tmp_path: Path) -> None:
    serving = Serving(new_schema(server.url) + quote(" -cstatement_timeout=100"), tmp_path)
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        assert publish_run(target, serving, 1, users=10_000)


def test_the_address_may_name_the_application(server: Server) -> None:
    with (
        open_target(f"{new_schema(server.url)}&application_name=shop", owner=OWNER) as target,
        target.read() as con,
    ):
        assert con.execute(sa.text("show application_name")).scalar() == "shop"


def test_of_two_homes_that_come_first_at_once_one_is_refused(postgres: str) -> None:
    url, both, told = new_schema(postgres), threading.Barrier(2), []

    def claim(owner: str) -> None:
        with open_target(url, owner=owner) as target:
            both.wait()
            try:
                target.ensure_schema(BIGINTS)
            except UsageError as error:
                told.append(str(error))

    homes = [threading.Thread(target=claim, args=(owner,)) for owner in ("one", "two")]
    for home in homes:
        home.start()
    for home in homes:
        home.join()
    assert len(told) == 1
    assert "belongs to another home" in told[0]


# -- the server itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["block", "loaded", "attached"])
def test_a_server_stopped_and_started_during_the_load(server: Server, tmp_path: Path, when: str) -> None:
    serving = Serving(new_schema(server.url), tmp_path)

    def restart(point: str) -> None:
        if point == when:
            server.restart()

    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        assert publish_run(target, serving, 1)
        with pytest.raises(TransientError):
            publish_run(target, serving, 2, on_step=restart)
        assert serving.query("select distinct run_id from recommendations") == [(1,)]
        assert publish_run(target, serving, 2), "the pool finds the server again"
        assert target.loaded_runs() == {1, 2}
    server.stop()
    with pytest.raises(TransientError, match="cannot be reached"), serving.opened():
        pass
    server.start()
    with serving.opened() as target:
        assert target.live_run() == 2


def test_a_full_disk_leaves_the_live_lists_and_the_next_night_succeeds(
    small_disk: Path, server: Server, tmp_path: Path
) -> None:
    server.give(small_disk)
    with psycopg.connect(server.url, autocommit=True) as con:
        con.execute(f"create tablespace small location '{small_disk}'")
    serving = Serving(new_schema(server.url) + quote(" -cdefault_tablespace=small"), tmp_path)
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        assert publish_run(target, serving, 1)
        with pytest.raises(NightError, match=r"disk of .* is full"):
            publish_run(target, serving, 2, users=30_000)
        assert target.live_run() == 1
        assert publish_run(target, serving, 2)
        assert target.loaded_runs() == {1, 2}


def test_passwords_stay_out_of_logs_and_errors(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    url = as_role(serving, "keeper", f"grant all on schema {schema_of(serving)} to keeper")
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(NightError) as caught, open_target(url, owner=OWNER):
            pass
        serving.execute(f"grant all on all tables in schema {schema_of(serving)} to keeper")
        with (
            open_target(url, owner=OWNER) as target,
            pytest.raises(sa.exc.ProgrammingError, match="nonsense") as bug,
            target.write() as con,
        ):
            con.execute(sa.text("select nonsense"))
    told = "".join(traceback.format_exception(caught.value)) + "".join(traceback.format_exception(bug.value))
    assert "secret77" not in caplog.text + told + caught.value.hint
    assert "secret77" in url
