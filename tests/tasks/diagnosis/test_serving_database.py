"""The rights in the serving database are tried, and nothing of that stays."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from tasks.config.settings import PublishSettings, Settings
from tasks.diagnosis.finding import Finding, examine_all
from tasks.diagnosis.serving_database import examine_database
from tasks.publication.targets.connect import open_target
from tasks.publication.targets.schema import IdTypes
from tasks.storage.home import Home, make_home
from tests.tasks.postgres_server import new_schema
from tests.tasks.serving import Serving

IDS = IdTypes("BIGINT", "BIGINT")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", "tiny")


def settings_for(serving: Serving) -> Settings:
    return Settings(publish=PublishSettings(url=SecretStr(serving.url)))


def examined(home: Home, settings: Settings) -> Finding:
    (found,) = examine_all([("Database", lambda: examine_database(home, settings))])
    return found


def tables(serving: Serving) -> list[tuple]:
    if serving.is_postgresql:
        return serving.query("select tablename from pg_tables where schemaname = current_schema() order by 1")
    return serving.query("select name from sqlite_master order by 1")


def test_rights_are_tried_and_nothing_stays(serving: Serving, home: Home) -> None:
    with open_target(serving.url, owner=home.owner) as target:
        target.ensure_schema(IDS)
    before = tables(serving)
    found = examined(home, settings_for(serving))
    assert found.verdict == "OK", found
    assert "may create and switch; no lists yet" in found.seen
    assert tables(serving) == before
    assert before


def test_database_of_another_home_is_bad(serving: Serving, home: Home) -> None:
    with open_target(serving.url, owner="tiny/other") as target:
        target.ensure_schema(IDS)
    found = examined(home, settings_for(serving))
    assert found.verdict == "bad"
    assert "belongs to another home" in found.seen


def test_older_schema_is_worth_a_look(serving: Serving, home: Home) -> None:
    with open_target(serving.url, owner=home.owner) as target:
        target.ensure_schema(IDS)
    serving.execute("update schema_version set version = 3")
    found = examined(home, settings_for(serving))
    assert found.verdict == "look"
    assert "was made by an older nightly-recs" in found.seen
    assert serving.query("select version from schema_version") == [(3,)], "it is not upgraded by looking"


def test_missing_file_needs_a_writable_folder(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is not made yet; its folder can be written" in examined(home, Settings()).seen
    assert not (home.path / "recommendations.db").exists()
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert examined(home, Settings()).verdict == "bad"


def test_file_that_another_process_writes_is_bad(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.diagnosis.serving_database._BUSY_SECONDS", 0.05)
    file = home.path / "recommendations.db"
    with open_target(f"sqlite:///{file}", owner=home.owner) as target:
        target.ensure_schema(IDS)
    assert examined(home, Settings()).verdict == "OK"
    with closing(sqlite3.connect(file, isolation_level=None)) as con:
        con.execute("begin immediate")
        found = examined(home, Settings())
    assert found.verdict == "bad"
    assert "cannot be written: database is locked" in found.seen
    file.chmod(stat.S_IRUSR)
    if not os.access(file, os.W_OK):  # root may write any file
        assert examined(home, Settings()).verdict == "bad"


def test_role_without_rights_is_bad(postgres: str, home: Home, tmp_path: Path) -> None:
    url = new_schema(postgres)
    serving = Serving(url, tmp_path)
    with open_target(url, owner=home.owner) as target:
        target.ensure_schema(IDS)
    ((schema,),) = serving.query("select current_schema()")
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("drop role if exists recs_weak")
        con.execute("create role recs_weak login password 'weak'")
        con.execute(f"grant usage on schema {schema} to recs_weak")
        con.execute(f"grant select on all tables in schema {schema} to recs_weak")
    weak = make_url(url).set(username="recs_weak", password="weak").render_as_string(hide_password=False)
    found = examined(home, settings_for(Serving(weak, tmp_path)))
    assert found.verdict == "bad"
    assert "cannot create tables" in found.seen
    assert "weak'" not in found.seen
    with psycopg.connect(url, autocommit=True) as con:
        con.execute(f"grant create on schema {schema} to recs_weak")
    assert "cannot switch the readers" in examined(home, settings_for(Serving(weak, tmp_path))).seen
    with psycopg.connect(url, autocommit=True) as con:
        con.execute("drop owned by recs_weak")
        con.execute("drop role recs_weak")


def test_server_that_does_not_answer_is_bad(home: Home) -> None:
    settings = Settings(publish=PublishSettings(url=SecretStr("postgresql://recs:hunter2@127.0.0.1:9/recs")))
    found = examined(home, settings)
    assert found.verdict == "bad"
    assert "hunter2" not in f"{found.seen}{found.advice}"
