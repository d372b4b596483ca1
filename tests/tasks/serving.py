"""A serving database for tests, of either kind, and an application's view of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import open_target, read_target
from tasks.storage.warehouse import SQL
from tests.tasks.publication.published_lists import OWNER


@dataclass(frozen=True)
class Serving:
    """The address of a serving database.

    Attributes:
        url: the value of RECS_PUBLISH__URL.
        folder: a folder for the lists to publish.
    """

    url: str
    folder: Path

    @property
    def is_postgresql(self) -> bool:
        return self.url.startswith("postgresql")

    @property
    def place(self) -> str:
        """The database as messages name it."""
        with read_target(self.url) as target:
            return target.place

    def opened(self) -> AbstractContextManager[Target]:
        return open_target(self.url, owner=OWNER)

    @contextmanager
    def application(self) -> Iterator[Any]:
        """Yield an application's connection, in autocommit mode."""
        if self.is_postgresql:
            with psycopg.connect(self.url, autocommit=True) as con:
                yield con
        else:
            path = Path(self.url.removeprefix("sqlite:///"))
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, isolation_level=None)) as con:
                yield con

    def query(self, statement: str) -> list[tuple]:
        with self.application() as con:
            return con.execute(statement).fetchall()

    def execute(self, *statements: str) -> None:
        with self.application() as con:
            for statement in statements:
                con.execute(statement)

    def login(self) -> str:
        """Return the login query; its parameters are user, n and segment, in the driver's notation."""
        if self.is_postgresql:
            return "select * from login_recommendations(%(user)s, %(n)s, %(segment)s)"
        return (SQL / "serving/login.sql").read_text(encoding="utf-8").rstrip().rstrip(";")

    def tables(self) -> set[str]:
        catalog = (
            "select tablename from pg_tables where schemaname = current_schema()"
            if self.is_postgresql
            else "select name from sqlite_master where type = 'table'"
        )
        return {name for (name,) in self.query(catalog)}

    def runs_with_tables(self) -> set[int]:
        """Return the runs that have any table."""
        ends = {name.rpartition("_")[2] for name in self.tables()}
        return {int(end) for end in ends if end.isdigit()}

    def leftovers(self) -> list[tuple]:
        """Return locks, temporary tables, half-detached partitions and files that a killed night may leave."""
        if not self.is_postgresql:
            path = Path(self.url.removeprefix("sqlite:///"))
            return [(file.name,) for file in path.parent.glob(f"{path.name}-*")]
        return self.query(
            "select 'advisory lock', pid::text from pg_locks where locktype = 'advisory' "
            "union all select 'half detached', inhrelid::regclass::text from pg_inherits where inhdetachpending "
            "union all select 'temporary', relname from pg_class where relpersistence = 't' "
            "union all select 'open transaction', pid::text from pg_stat_activity "
            "where application_name = 'nightly-recs' and state <> 'idle'"
        )
