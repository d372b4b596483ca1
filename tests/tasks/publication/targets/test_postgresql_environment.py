"""The PostgreSQL target's environment: rights, addresses, other schemas, encodings, a stopped server, a full disk."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
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
def serving(shared_published: Serving) -> Serving:
    """A schema in which run 1 is live; tests that publish to it use `published`."""
    return shared_published


@pytest.fixture
def empty(postgres: str, tmp_path: Path) -> Serving:
    """A schema in which nothing is published."""
    return Serving(new_schema(postgres), tmp_path)


# -- rights and addresses ---------------------------------------------------------------------------------


def as_role(serving: Serving, role: str, *grants: str) -> str:
    """Create a role anew, grant it something, and return its address."""
    serving.execute(drop_role(role), f"create role {role} login", *grants)
    return serving.url.replace("postgres:@", f"{role}:secret77@")


def drop_role(role: str) -> str:
    return (
        f"do $$ begin if exists (select from pg_roles where rolname = '{role}') then "
        f"drop owned by {role}; drop role {role}; end if; end $$"
    )


def schema_of(serving: Serving) -> str:
    return str(serving.query("select current_schema()")[0][0])


def test_recs_reader_may_read_lists_and_nothing_else(serving: Serving) -> None:
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


def test_a_publisher_without_create_is_refused(serving: Serving) -> None:
    url = as_role(serving, "poor", f"grant usage on schema {schema_of(serving)} to poor")
    with (
        pytest.raises(NightError, match=r"A right is missing in .* permission denied"),
        open_target(url, owner=OWNER) as target,
    ):
        target.live_run()


def test_missing_rights_are_reported_when_a_target_is_opened(empty: Serving) -> None:
    url = as_role(empty, "reader", f"grant usage on schema {schema_of(empty)} to reader")
    message = rf"may not make tables in .* \(schema {schema_of(empty)}\)"
    with pytest.raises(NightError, match=message), open_target(url, owner=OWNER):
        pass
    with read_target(url) as target:
        assert not target.has_schema


def test_writing_rules_and_seen_items_needs_documented_rights(serving: Serving) -> None:
    rights = "grant select, insert, delete on item_rules, seen_since to editor"
    url = as_role(serving, "editor", f"grant usage on schema {schema_of(serving)} to editor", rights)
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("set timezone = 'Asia/Tokyo'")
        con.execute("insert into item_rules (rule, item_id) values ('block', 1)")
        con.execute("delete from item_rules where item_id = 1")
        con.execute("insert into seen_since (user_id, item_id) values (42, 17)")
        (age,) = con.execute("select now() at time zone 'utc' - seen_at from seen_since").fetchone()
    assert abs(age) < timedelta(minutes=1)


@pytest.fixture
def no_readers_role(empty: Serving) -> Iterator[None]:
    """Rename the role recs_reader, which belongs to the whole server, while a test runs."""
    roles = "select rolname from pg_roles where rolname = 'recs_reader'"
    existed = bool(empty.query(roles))
    if existed:
        empty.execute("alter role recs_reader rename to renamed_reader")
    yield
    empty.execute(drop_role("recs_reader"))
    if existed:
        empty.execute("alter role renamed_reader rename to recs_reader")


@pytest.mark.parametrize("has_role", [False, True])
def test_a_publisher_that_cannot_grant_recs_reader_publishes(
    empty: Serving, no_readers_role: None, caplog: pytest.LogCaptureFixture, has_role: bool
) -> None:
    """With a warning, whether the role exists or not."""
    if has_role:
        empty.execute("create role recs_reader")
    url = as_role(empty, "humble", f"grant all on schema {schema_of(empty)} to humble")
    with open_target(url, owner=OWNER) as target:
        target.ensure_schema(BIGINTS)
        assert publish_run(target, empty, 1)
    assert "No role recs_reader can read the lists" in caplog.text


@pytest.mark.parametrize(
    ("change", "error", "message"),
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
def test_a_wrong_address_is_reported_without_its_password(
    serving: Serving, change: Callable[[str], str], error: type[NightError], message: str
) -> None:
    with (
        pytest.raises(error, match=message) as caught,
        open_target(change(serving.url), owner=OWNER) as target,
    ):
        target.ensure_schema(BIGINTS)
    assert type(caught.value) is error, "only transient errors are tried again"
    output = f"{caught.value} {caught.value.hint}"
    assert "secret77" not in output
    assert "Traceback" not in output


def test_a_wrong_password_is_reported(empty: Serving) -> None:
    (hba_file,) = empty.query("show hba_file")[0]
    rules = Path(hba_file).read_text()
    empty.execute(
        "create role joe login password 'right'", f"grant usage, create on schema {schema_of(empty)} to joe"
    )
    Path(hba_file).write_text(f"local all joe scram-sha-256\n{rules}")
    empty.execute("select pg_reload_conf()")
    try:
        for password in (":secret77", ""):
            url = empty.url.replace("postgres:@", f"joe{password}@")
            with pytest.raises(NightError, match="refuses the user or the password") as caught:
                open_target(url, owner=OWNER).__enter__()
            assert type(caught.value) is NightError
            assert "secret77" not in f"{caught.value} {caught.value.hint}"
        with open_target(empty.url.replace("postgres:@", "joe:right@"), owner=OWNER) as target:
            assert not target.has_schema
    finally:
        Path(hba_file).write_text(rules)
        empty.execute(drop_role("joe"), "select pg_reload_conf()")


# -- schemas, encodings, settings of the session ----------------------------------------------------------


def test_tables_of_other_schemas_are_left_alone(postgres: str, tmp_path: Path) -> None:
    url, other = new_schema(postgres), new_schema(postgres).rpartition("search_path%3D")[2]
    ours = url.rpartition("search_path%3D")[2]
    both = Serving(url + quote(f",{other}"), tmp_path)
    theirs = ("recommendations_2023", "items")
    for table in theirs:
        both.execute(f"create table {other}.{table} (price float)")
    with both.opened() as target:
        target.ensure_schema(BIGINTS)
        for run in (1, 2, 3):
            assert publish_run(target, both, run)
        assert target.loaded_runs() == {2, 3}
    tables = f"select tablename from pg_tables where schemaname = '{other}' order by tablename desc"
    assert both.query(tables) == [(table,) for table in theirs]
    assert both.query(f"select count(*) from {ours}.items") == [(40,)]


def test_text_is_utf8_whatever_the_environment_says(
    published: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    lists = make_lists(published.folder / "titled", 2)
    items = pq.read_table(lists.folder / "items.parquet")
    titles = ["Amélie"] * len(items)
    pq.write_table(items.set_column(1, "title", pa.array(titles)), lists.folder / "items.parquet")
    with published.opened() as target:
        publish(target, 2, lists, expected_live=1, keep_runs=2)
    monkeypatch.delenv("PGCLIENTENCODING")
    assert published.query("select distinct title from items") == [("Amélie",)]


def test_a_database_that_is_not_utf8_is_refused(postgres: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as con:
        con.execute("create database narrow encoding 'LATIN1' locale 'C' template template0")
        try:
            url = postgres.replace("/postgres?", "/narrow?")
            with pytest.raises(UsageError, match="encoded in LATIN1"), open_target(url, owner=OWNER):
                pass
        finally:
            con.execute("drop database narrow with (force)")


def test_a_statement_timeout_does_not_end_a_night(postgres: str, tmp_path: Path) -> None:
    serving = Serving(new_schema(postgres) + quote(" -cstatement_timeout=100"), tmp_path)
    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        assert publish_run(target, serving, 1, users=10_000)


def test_the_address_may_name_the_application(postgres: str) -> None:
    with (
        open_target(f"{new_schema(postgres)}&application_name=shop", owner=OWNER) as target,
        target.read() as con,
    ):
        assert con.execute(sa.text("show application_name")).scalar() == "shop"


def test_one_of_two_homes_that_create_a_schema_is_refused(postgres: str) -> None:
    url, both, refusals = new_schema(postgres), threading.Barrier(2), []

    def create_schema(owner: str) -> None:
        with open_target(url, owner=owner) as target:
            both.wait()
            try:
                target.ensure_schema(BIGINTS)
            except UsageError as error:
                refusals.append(str(error))

    homes = [threading.Thread(target=create_schema, args=(owner,)) for owner in ("one", "two")]
    for home in homes:
        home.start()
    for home in homes:
        home.join()
    assert len(refusals) == 1
    assert "belongs to another home" in refusals[0]


# -- the server itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["block", "loaded", "attached"])
def test_a_night_fails_when_the_server_restarts_during_it(server: Server, tmp_path: Path, step: str) -> None:
    """The live lists stay, and the next try publishes."""
    serving = Serving(new_schema(server.url), tmp_path)

    def restart(reached: str) -> None:
        if reached == step:
            server.restart()

    with serving.opened() as target:
        target.ensure_schema(BIGINTS)
        assert publish_run(target, serving, 1)
        with pytest.raises(TransientError):
            publish_run(target, serving, 2, on_step=restart)
        assert serving.query("select distinct run_id from recommendations") == [(1,)]
        assert publish_run(target, serving, 2), "the pool reconnects"
        assert target.loaded_runs() == {1, 2}
    server.stop()
    with pytest.raises(TransientError, match="cannot be reached"), serving.opened():
        pass
    server.start()
    with serving.opened() as target:
        assert target.live_run() == 2


def test_a_full_disk_leaves_the_live_lists(small_disk: Path, server: Server, tmp_path: Path) -> None:
    """The next night that fits publishes."""
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
    serving.execute(f"drop schema {schema_of(serving)} cascade", "drop tablespace small")


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
    output = "".join(traceback.format_exception(caught.value)) + "".join(
        traceback.format_exception(bug.value)
    )
    assert "secret77" not in caplog.text + output + caught.value.hint
    assert "secret77" in url
