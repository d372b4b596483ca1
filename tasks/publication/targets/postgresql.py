"""PostgreSQL as the serving database: one partition per run and kind, and one row that names the live run.

A run is loaded into tables that no reader sees, indexed, and attached as partitions; then one UPDATE of `active_run`
switches all readers. Readers never wait for a lock: the views never change, and old partitions are detached
concurrently before they are dropped. One night at a time publishes: it holds an advisory lock, and switches in the
session that holds it.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from tasks.errors import LockedError, NightError, TransientError, UsageError
from tasks.publication.targets import schema
from tasks.publication.targets.base import OnStep, Row, Target, arrow_schema, prefetch
from tasks.publication.targets.postgresql_copy import HEADER, TRAILER, encoded
from tasks.publication.targets.postgresql_errors import explanation
from tasks.publication.targets.schema import KINDS, IdTypes, Kind
from tasks.storage.warehouse import SQL

log = logging.getLogger(__name__)

_CONNECT = {
    "client_encoding": "utf8",  # binary COPY is sent in UTF-8, whatever PGCLIENTENCODING says
    "connect_timeout": 10,  # s
    "keepalives_idle": 30,  # s: firewalls drop connections that are silent during a long index build
    "application_name": "nightly-recs",
}
_LIBPQ = {"dbname": "PGDATABASE"}
"""libpq's variables that are not called after their keyword."""

_TRY_ADVISORY_LOCK = sa.select(
    sa.func.pg_try_advisory_lock(sa.func.hashtext("nightly-recs"), sa.func.hashtext(sa.func.current_schema()))
)
_LOCK_WAIT = 2.0  # s: the server takes a moment to notice that the process with the lock has died


class PostgreSQLTarget(Target):
    """One schema of a PostgreSQL database, version 14 or later: the first of the connection's search_path."""

    schemes = ("postgresql", "postgres")
    example = "postgresql://user:password@host/database?options=-csearch_path%3Dschema"
    patience = 30.0
    """Seconds to wait for transactions of others."""

    _lock_connection: sa.Connection | None = None  # holds the advisory lock inside `publication_lock`
    _lock_pid = 0

    @classmethod
    def identity(cls, url: sa.URL) -> str:
        """Return host, port, database and options, as libpq completes them from its variables."""

        def part(given: object, keyword: str, otherwise: str) -> str:
            written = url.query.get(keyword)
            found = given or (written if isinstance(written, str | None) else ",".join(written))
            return str(found or os.environ.get(_LIBPQ.get(keyword, f"PG{keyword.upper()}")) or otherwise)

        host, port = part(url.host, "host", "localhost"), part(url.port, "port", "5432")
        rest = {name: part(None, name, "") for name in ("options", "service")}
        if not (
            port.isdecimal() and re.fullmatch(r"[\w.:-]+", host)
        ):  # several hosts, or the folder of a socket
            rest, host, port = rest | {"host": host, "port": port}, "", ""
        return sa.URL.create(
            "postgresql",
            host=host or None,
            port=int(port) if port else None,
            database=part(url.database, "dbname", part(url.username, "user", "")),
            query={name: value for name, value in rest.items() if value},
        ).render_as_string()

    @classmethod
    def connect(cls, url: sa.URL, *, owner: str | None) -> PostgreSQLTarget:
        """Connect to the server.

        Raises:
            TransientError: the server cannot be reached.
            NightError: the server refuses the connection, or the role lacks a right.
            UsageError: the database cannot hold all characters.
        """
        host = url.host or url.query.get("host") or "localhost"
        host = host if isinstance(host, str) else ",".join(host)
        port = f":{url.port}" if url.port else ""
        place = f"postgresql://{host}{port}/{url.database or ''}"
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
            pool_pre_ping=True,  # a connection may be idle for hours while models are fitted
            hide_parameters=True,
        )

        @sa.event.listens_for(engine, "connect")
        def configure_session(con: psycopg.Connection, _: object) -> None:
            con.execute(f"set lock_timeout = {int(1000 * cls.patience)}")
            con.execute("set statement_timeout = 0")  # an index build may take long
            # Restrict the search_path to its first schema, so that tables of other schemas are not taken for ours.
            pin = "select set_config('search_path', quote_ident(current_schema()), false) where current_schema() <> ''"
            if con.execute(pin).fetchone() is None:
                raise NightError(
                    f"{place} has no schema that its search_path names and this role may use.",
                    "Make it (create schema recs authorization recs) or grant usage on it, and name it in "
                    "RECS_PUBLISH__URL: …?options=-csearch_path%3Drecs",
                )
            con.commit()

        target = cls(engine, place=place, owner=owner)
        target._check_database()
        return target

    def _check_database(self) -> None:
        """Add the schema to `place`, and check encoding and rights before the night's work, not after it."""
        with self.read() as con:
            name, encoding, may_create = con.exec_driver_sql(
                "select current_schema(), current_setting('server_encoding'), "
                "has_schema_privilege(current_schema(), 'create') "
                "and has_database_privilege(current_database(), 'temporary')"
            ).one()
        self.place += f" (schema {name})"
        if self.owner is None:
            return
        if encoding != "UTF8":
            raise UsageError(
                f"{self.place} is encoded in {encoding}, which cannot hold all titles.",
                "Publish to a database in UTF8: create database … encoding 'UTF8' template template0.",
            )
        if not may_create:
            raise NightError(
                f"The role that publishes may not make tables in {self.place}.",
                "Grant it create on the schema and temporary on the database: docs/serving.md.",
            )

    def explain(self, error: BaseException) -> NightError | None:
        """Return a readable error for an error of psycopg; a TransientError where another try may succeed."""
        return explanation(error, self.place) if isinstance(error, psycopg.Error) else None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection with one consistent view of the database, also over several statements."""
        with self.engine.connect().execution_options(isolation_level="REPEATABLE READ") as con, con.begin():
            yield con

    # -- schema -----------------------------------------------------------------------------------------

    def lock_schema(self, con: sa.Connection) -> None:
        """Take an advisory lock on schema changes, until the transaction of `con` ends.

        The lock_timeout is short because readers queue behind a statement that waits for a table lock.
        """
        current = sa.func.hashtext(sa.func.current_schema())
        con.execute(
            sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("nightly-recs schema"), current))
        )
        con.exec_driver_sql("set local lock_timeout = '100ms'")

    def _upgrade(self, ids: IdTypes) -> None:
        end = time.monotonic() + self.patience
        while True:
            try:
                return super()._upgrade(ids)
            except TransientError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.5)

    def create_views(self, con: sa.Connection, ids: IdTypes) -> None:
        """Create the partitioned tables, without a partition, and the views on them."""
        for kind in KINDS:
            con.execute(sa.schema.CreateTable(schema.partitioned_table(kind, ids)))
        _execute_script(con, _read_sql("serving/postgresql/views.sql"))

    def list_tables(self, con: sa.Connection, ids: IdTypes) -> list[sa.Table]:  # noqa: ARG002
        """Return the partitioned tables; their partitions get the same columns."""
        return [schema.partitioned_table(kind, ids) for kind in KINDS]

    def renew_views(self, con: sa.Connection, ids: IdTypes) -> None:  # noqa: ARG002
        """Replace the views, which a reader's transaction on them delays."""
        _execute_script(con, _read_sql("serving/postgresql/views.sql"))

    def finish_schema(self, con: sa.Connection, ids: IdTypes) -> None:
        """Create the login function, and the readers' role if this role may create one."""
        body = _read_sql("serving/login.sql")
        for place, name in enumerate(("user", "n", "segment"), start=1):
            body = body.replace(f":{name}", f"${place}")
        kinds = {"user_type": sql.SQL(ids.user), "item_type": sql.SQL(ids.item), "body": sql.SQL(body)}
        _execute_script(con, _format(_read_sql("serving/postgresql/login_function.sql"), **kinds))
        _execute_script(con, _read_sql("serving/postgresql/reader.sql"))
        # Autovacuum never analyses tables of so few rows, and the planner would assume thousands.
        _execute_script(con, "analyze active_run, seen_since")
        can_read = (
            "select has_schema_privilege(oid, current_schema(), 'usage') "
            "and has_table_privilege(oid, 'items', 'select') from pg_roles where rolname = 'recs_reader'"
        )
        if not con.exec_driver_sql(can_read).scalar():
            log.warning(
                "No role recs_reader can read the lists in %s, and the publishing role may not create or grant it. "
                "docs/serving.md shows the statements that an administrator must run.", self.place,
            )  # fmt: skip

    # -- publication ------------------------------------------------------------------------------------

    @contextmanager
    def publication_lock(self) -> Iterator[None]:
        """Hold the advisory lock on publishing, in the session in which `switch_active_run` then runs.

        Raises:
            LockedError: another session holds the lock.
        """
        with self.engine.connect() as con:
            end = time.monotonic() + _LOCK_WAIT
            while not con.scalar(_TRY_ADVISORY_LOCK):
                if time.monotonic() > end:
                    raise LockedError(
                        f"Another night is publishing to {self.place}.",
                        "Wait for it, or stop it; then run again.",
                    )
                time.sleep(0.02)
            self._lock_connection, self._lock_pid = con, _backend_pid(con)
            con.commit()
            try:
                yield
            finally:
                self._lock_connection = None
                con.invalidate()  # ends the session, whatever state it is in, and so releases the lock

    @contextmanager
    def switch_transaction(self) -> Iterator[sa.Connection]:
        """Yield a write transaction; inside `publication_lock`, in the session that holds the lock.

        Raises:
            TransientError: that session was lost, and the advisory lock with it.
        """
        if self._lock_connection is None:
            with self.write() as con:
                yield con
            return
        with self._lock_connection.begin():
            if _backend_pid(self._lock_connection) != self._lock_pid:  # the pool has reconnected
                raise TransientError(
                    f"The connection to {self.place} was lost, and with it the right to publish.",
                    "Run again: the night goes on where it stopped. The live lists are untouched.",
                )
            yield self._lock_connection

    def load(self, run: int, kind: Kind, blocks: Iterable[pa.RecordBatch], on_step: OnStep) -> None:
        """Create a run's table and COPY its rows in one transaction, so that they are written frozen.

        Otherwise the first reader of the rows, here the index build, would write and log their pages once more.
        """
        table = schema.run_table(kind, run, self.ids)

        def announced(blocks: Iterable[memoryview]) -> Iterator[memoryview]:
            for block in blocks:
                yield block
                on_step("block")

        with self.write() as con:
            con.execute(sa.schema.CreateTable(schema.partition(kind, run, self.ids)))
            self._copy(con, table, announced(prefetch(_encoded(table, blocks))), "format binary, freeze")

    def finish_load(self, run: int, on_step: OnStep) -> None:
        """Build the primary keys, gather statistics, attach the partitions. No reader waits for any of it."""
        for kind in KINDS:
            self._add_primary_key(kind, run)
            self._execute_autocommit("analyze {table}", table=schema.run_table_name(kind, run))
        on_step("keyed")
        with self.write() as con:
            for kind in KINDS:
                self._attach_partition(con, kind, run)
        self._wait_for_readers()
        on_step("attached")

    def _add_primary_key(self, kind: Kind, run: int) -> None:
        table, key = schema.run_table_name(kind, run), list(schema.primary_key_of(kind))
        with self.write() as con:
            con.exec_driver_sql("set local maintenance_work_mem = '512MB'")
            # The rows are sorted: one worker is as fast as several.
            con.exec_driver_sql("set local max_parallel_maintenance_workers = 0")
            con.exec_driver_sql(_format("alter table {t} add primary key ({key})", t=table, key=key))

    def _attach_partition(self, con: sa.Connection, kind: Kind, run: int) -> None:
        attach = "alter table {parent} attach partition {table} for values in ({run})"
        con.exec_driver_sql(_format(attach, **_partition_names(kind, run), run=run))

    def _detach_partition(self, kind: Kind, run: int) -> None:
        """Detach without locking readers out, or finish a detachment that was interrupted; nothing if not attached."""
        names = _partition_names(kind, run)
        found = "select inhdetachpending from pg_inherits where inhrelid = to_regclass(quote_ident(%s))"
        with self.read() as con:
            pending: bool | None = con.exec_driver_sql(found, (names["table"],)).scalar()
        if pending is not None:
            how = "finalize" if pending else "concurrently"
            self._execute_autocommit(f"alter table {{parent}} detach partition {{table}} {how}", **names)

    def _wait_for_readers(self) -> None:
        """Wait, up to `patience`, for the transactions that read lists before the run was attached.

        They would see `active_run` name the new run but not its partition, and so find no lists.
        """
        end, before = time.monotonic() + self.patience, self._readers()
        while before and time.monotonic() < end:
            time.sleep(0.02)
            before = {reader: pid for reader, pid in self._readers().items() if reader in before}
        if before:
            log.warning(
                "A process that has read lists in %s in a transaction that is still open sees empty lists until "
                "that transaction ends: process %s.", self.place, ", ".join(map(str, before.values())),
            )  # fmt: skip

    def _readers(self) -> dict[str, int]:
        """Return the transactions that use the lists, with their process ids."""
        found = (
            "select virtualtransaction, pid from pg_locks where pid <> pg_backend_pid() "
            "and database = (select oid from pg_database where datname = current_database()) "
            "and relation in (select to_regclass(quote_ident(name)) from unnest(%s::text[]) as name)"
        )
        with self.read() as con:
            rows = con.exec_driver_sql(found, ([*map(schema.partitioned_table_name, KINDS)],)).all()
        return {row.virtualtransaction: row.pid for row in rows}

    def size(self, run: int) -> int:
        """Return the bytes on disk of a run's tables, indexes included."""
        names = [schema.run_table_name(kind, run) for kind in KINDS]
        sizes = "select sum(pg_total_relation_size(to_regclass(quote_ident(name)))) from unnest(%s::text[]) as name"
        with self.read() as con:
            return int(con.exec_driver_sql(sizes, (names,)).scalar() or 0)

    def upsert_items(self, blocks: Iterable[pa.RecordBatch]) -> None:
        """Insert new items and update changed ones; unchanged rows are not written again."""
        items = schema.items_table(self.ids)
        new = items.to_metadata(sa.MetaData(), name="new_items")
        insert = postgresql.insert(items).from_select(items.c.keys(), sa.select(new))
        values = {name: insert.excluded[name] for name in ("title", "genres")}
        changed = sa.or_(*(items.c[name].is_distinct_from(value) for name, value in values.items()))
        upsert = insert.on_conflict_do_update(index_elements=["item_id"], set_=values, where=changed)
        for rows in _encoded(items, blocks):
            with self.write() as con:
                con.exec_driver_sql("create temporary table new_items (like items) on commit drop")
                self._copy(con, new, [rows])
                con.execute(upsert)

    def erase_deleted(self, tables: Sequence[str]) -> None:
        """Vacuum the tables, so that the server overwrites the deleted rows when it needs their space.

        When it does so, and what its write-ahead log and backups hold, is in the hands of its administrator.
        """
        self._execute_autocommit("vacuum {tables}", tables=[*tables, "seen_since", "items", "pipeline_runs"])

    def upsert(self, con: sa.Connection, table: sa.Table, row: Row) -> None:
        """Insert a row, or update the row with the same primary key."""
        insert = postgresql.insert(table).values(row)
        new = {column.name: insert.excluded[column.name] for column in table.c}
        con.execute(insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=new))

    def update_views(self, con: sa.Connection, live: int, previous: int | None, on_step: OnStep) -> None:  # noqa: ARG002
        """Do nothing: the views follow `active_run`."""
        on_step("in_switch")

    def remove_tables(self, run: int) -> None:
        """Detach and drop the tables of a run, once the transactions that read them have ended.

        Raises:
            TransientError: a transaction has not ended in time; another call goes on where this one stopped.
        """
        for kind in KINDS:
            self._detach_partition(kind, run)
            self._execute_autocommit("drop table if exists {table}", table=schema.run_table_name(kind, run))

    # -- statements -------------------------------------------------------------------------------------

    def _copy(
        self,
        con: sa.Connection,
        table: sa.Table,
        blocks: Iterable[memoryview],
        options: str = "format binary",
    ) -> None:
        names = {"table": table.name, "columns": table.c.keys(), "options": sql.SQL(options)}
        statement = _format("copy {table} ({columns}) from stdin ({options})", **names)
        driver: Any = con.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(HEADER)
                for block in blocks:
                    copy.write(block)
                copy.write(TRAILER)
        except psycopg.Error as error:  # COPY bypasses SQLAlchemy and `_raise_explained`
            raise self.explain(error) or error from error

    def _execute_autocommit(self, template: str, **names: Any) -> None:
        """Run a statement outside any transaction; it gives up after `patience` if it waits for a lock."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as con:
            con.exec_driver_sql(_format(template, **names))


def _partition_names(kind: Kind, run: int) -> dict[str, str]:
    return {"parent": schema.partitioned_table_name(kind), "table": schema.run_table_name(kind, run)}


def _encoded(table: sa.Table, blocks: Iterable[pa.RecordBatch]) -> Iterator[memoryview]:
    """Blocks as the bytes of a COPY into the columns of `table`, in their types."""
    names, columns = table.c.keys(), arrow_schema(table)
    for block in blocks:
        yield encoded(block.select(names).cast(columns))


def _backend_pid(con: sa.Connection) -> int:
    return con.scalar(sa.select(sa.func.pg_backend_pid())) or 0


def _read_sql(file: str) -> str:
    return (SQL / file).read_text(encoding="utf-8")


def _execute_script(con: sa.Connection, script: str) -> None:
    """Run statements that have no parameters, even if they contain a %."""
    con.execution_options(no_parameters=True).exec_driver_sql(script)


def _format(template: str, **names: Any) -> str:
    """Fill in parts that cannot be parameters: quoted names, lists of names, and integers."""

    def part(value: Any) -> sql.Composable:
        if isinstance(value, sql.Composable):
            return value
        if isinstance(value, int):
            return sql.Literal(value)
        return sql.SQL(", ").join(map(sql.Identifier, [value] if isinstance(value, str) else value))

    return sql.SQL(template).format(**{name: part(value) for name, value in names.items()}).as_string(None)
