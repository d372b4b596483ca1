"""PostgreSQL as the serving database: a partition per run and kind, and one row that says which run is live.

A run is loaded into plain tables that nobody reads, indexed, and attached as partitions; then one UPDATE switches all
readers. Nothing that readers touch is ever locked against them: not the views, which never change, and not the
partitioned tables, from which old runs are detached concurrently before they are dropped. One night at a time
publishes: it holds an advisory lock, and switches by the very session that holds it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql

from tasks.errors import LockedError, NightError, TransientError, UsageError
from tasks.publication.targets import schema as tables
from tasks.publication.targets.ahead import ahead
from tasks.publication.targets.base import At, Row, Target, arrow_schema
from tasks.publication.targets.postgresql_copy import HEADER, TRAILER, encoded
from tasks.publication.targets.postgresql_errors import explanation
from tasks.publication.targets.schema import KINDS, IdTypes, Kind
from tasks.storage.warehouse import SQL

log = logging.getLogger(__name__)

_CONNECT = {
    "client_encoding": "utf8",  # what binary COPY is given, whatever the environment says
    "connect_timeout": 10,  # s
    "keepalives_idle": 30,  # s: a firewall forgets a connection that is silent during a long index build
    "application_name": "nightly-recs",
}
_LOCK = sa.select(
    sa.func.pg_try_advisory_lock(sa.func.hashtext("nightly-recs"), sa.func.hashtext(sa.func.current_schema()))
)
_LINGERING = 2.0  # s: a server takes a moment to notice that who held the lock has gone


class PostgreSQLTarget(Target):
    """One schema of a PostgreSQL database, version 14 or later: the first of the connection's search_path."""

    scheme = "postgresql"
    patience = 30.0
    """Seconds to wait for transactions of others that are in the way."""

    _holder: sa.Connection | None = None
    _holder_pid = 0

    @classmethod
    def connect(cls, url: sa.URL, *, owner: str | None) -> PostgreSQLTarget:
        """Connect to the server.

        Raises:
            TransientError: it cannot be reached.
            NightError: it refuses.
        """
        host = url.host or url.query.get("host") or "localhost"
        host = host if isinstance(host, str) else ",".join(host)
        port = f":{url.port}" if url.port else ""
        place = f"postgresql://{host}{port}/{url.database or ''}"
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
            pool_pre_ping=True,  # a night may leave it silent for hours
            hide_parameters=True,
        )

        @sa.event.listens_for(engine, "connect")
        def settle_in(con: psycopg.Connection, _: object) -> None:
            con.execute(f"set lock_timeout = {int(1000 * cls.patience)}")
            con.execute("set statement_timeout = 0")  # an index takes its time
            # The first schema is ours; what others hold is neither seen nor taken for ours.
            pin = "select set_config('search_path', quote_ident(current_schema()), false) where current_schema() <> ''"
            if con.execute(pin).fetchone() is None:
                raise NightError(
                    f"{place} has no schema that its search_path names and this role may use.",
                    "Make it (create schema recs authorization recs) or grant usage on it, and name it in "
                    "RECS_PUBLISH__URL: …?options=-csearch_path%3Drecs",
                )
            con.commit()

        target = cls(engine, place=place, owner=owner)
        target._look_around()
        return target

    def _look_around(self) -> None:
        """Learn the schema's name; what would stop a publication is told now, not after a night's work.

        Raises:
            UsageError: the database cannot hold all characters.
            NightError: a right is missing.
        """
        with self.read() as con:
            schema, encoding, may_create = con.exec_driver_sql(
                "select current_schema(), current_setting('server_encoding'), "
                "has_schema_privilege(current_schema(), 'create') "
                "and has_database_privilege(current_database(), 'temporary')"
            ).one()
        self.place += f" (schema {schema})"
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
        """The clear sentence behind a PostgreSQL error; transient where another try may succeed."""
        return explanation(error, self.place) if isinstance(error, psycopg.Error) else None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view of the database, also over several statements."""
        with self.engine.connect().execution_options(isolation_level="REPEATABLE READ") as con, con.begin():
            yield con

    # -- schema -----------------------------------------------------------------------------------------

    def change_schema_alone(self, con: sa.Connection) -> None:
        """Take turns; and have readers, who queue behind whoever waits for a lock, wait for moments only."""
        schema = sa.func.hashtext(sa.func.current_schema())
        con.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("nightly-recs schema"), schema)))
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
        """Make the partitioned tables, without a partition, and the views on them."""
        for kind in KINDS:
            con.execute(sa.schema.CreateTable(tables.partitioned_table(kind, ids)))
        _run(con, _read("serving/postgresql/views.sql"))

    def finish_schema(self, con: sa.Connection, ids: IdTypes) -> None:
        """Make the login function, and a role for readers where this role may make one."""
        body = _read("serving/login.sql")
        for place, name in enumerate(("user", "n", "segment"), start=1):
            body = body.replace(f":{name}", f"${place}")
        kinds = {"user_type": sql.SQL(ids.user), "item_type": sql.SQL(ids.item), "body": sql.SQL(body)}
        _run(con, _filled(_read("serving/postgresql/login_function.sql"), **kinds))
        _run(con, _read("serving/postgresql/reader.sql"))
        # Of so few rows nobody else ever does, and planners guess thousands.
        _run(con, "analyze active_run, seen_since")
        can_read = (
            "select has_schema_privilege(oid, current_schema(), 'usage') "
            "and has_table_privilege(oid, 'items', 'select') from pg_roles where rolname = 'recs_reader'"
        )
        if not con.exec_driver_sql(can_read).scalar():
            log.warning(
                "No role recs_reader can read the lists in %s, and the role that publishes may not see to it: "
                "docs/serving.md says what an administrator is to run.", self.place,
            )  # fmt: skip

    # -- publication ------------------------------------------------------------------------------------

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Inside, nobody else publishes to this schema, and `switch` works only while that is sure.

        Raises:
            LockedError: somebody else does.
        """
        with self.engine.connect() as holder:
            end = time.monotonic() + _LINGERING
            while not holder.scalar(_LOCK):
                if time.monotonic() > end:
                    raise LockedError(
                        f"Another night is publishing to {self.place}.",
                        "Wait for it, or stop it; then run again.",
                    )
                time.sleep(0.02)
            self._holder, self._holder_pid = holder, _session(holder)
            holder.commit()
            try:
                yield
            finally:
                self._holder = None
                holder.invalidate()  # ends the session, whatever it is doing: the lock is free

    @contextmanager
    def switching(self) -> Iterator[sa.Connection]:
        """The transaction of a switch; while publishing, that of the session that holds the lock."""
        if self._holder is None:
            with self.write() as con:
                yield con
            return
        with self._holder.begin():
            if _session(self._holder) != self._holder_pid:
                raise TransientError(
                    f"The connection to {self.place} was lost, and with it the right to publish.",
                    "Run again: the night goes on where it stopped. The live lists are untouched.",
                )
            yield self._holder

    def load(self, run: int, kind: Kind, blocks: Iterable[pa.RecordBatch], at: At) -> None:
        """Make the table in one transaction: as nobody sees it before, its rows are written frozen.

        Whoever reads rows first, here the index, would else write their pages, and log them, once more.
        """
        table = tables.run_table(kind, run, self.ids)

        def told(blocks: Iterable[memoryview]) -> Iterator[memoryview]:
            for block in blocks:
                yield block
                at("block")

        with self.write() as con:
            con.execute(sa.schema.CreateTable(tables.partition(kind, run, self.ids)))
            self._copy(con, table, told(ahead(_encoded(table, blocks))), "format binary, freeze")

    def finish_load(self, run: int, at: At) -> None:
        """Build the primary keys, gather statistics, attach. No reader waits for any of it."""
        for kind in KINDS:
            table, key = tables.run_table_name(kind, run), list(tables.key_of(kind))
            with self.write() as con:
                con.exec_driver_sql("set local maintenance_work_mem = '512MB'")
                con.exec_driver_sql(
                    "set local max_parallel_maintenance_workers = 0"
                )  # sorted rows: one is as fast
                con.exec_driver_sql(_filled("alter table {t} add primary key ({key})", t=table, key=key))
            self._alone("analyze {table}", table=table)
        at("keyed")
        with self.write() as con:
            for kind in KINDS:
                names = {"parent": tables.by_run(kind), "table": tables.run_table_name(kind, run), "run": run}
                attach = "alter table {parent} attach partition {table} for values in ({run})"
                con.exec_driver_sql(_filled(attach, **names))
        self._await_readers()
        at("attached")

    def _await_readers(self) -> None:
        """Wait, with patience, for the transactions that read lists before a run was attached.

        They would see the pointer to the new partition, and not the partition.
        """
        end, before = time.monotonic() + self.patience, self._readers()
        while before and time.monotonic() < end:
            time.sleep(0.02)
            before = {who: pid for who, pid in self._readers().items() if who in before}
        if before:
            log.warning(
                "Who has read lists in %s in a transaction that is still open finds none until it ends: process %s.",
                self.place, ", ".join(map(str, before.values())),
            )  # fmt: skip

    def _readers(self) -> dict[str, int]:
        """Transactions that have lists open, and their processes."""
        found = (
            "select virtualtransaction, pid from pg_locks where pid <> pg_backend_pid() "
            "and database = (select oid from pg_database where datname = current_database()) "
            "and relation in (select to_regclass(quote_ident(name)) from unnest(%s::text[]) as name)"
        )
        with self.read() as con:
            rows = con.exec_driver_sql(found, ([*map(tables.by_run, KINDS)],)).all()
        return {row.virtualtransaction: row.pid for row in rows}

    def size(self, run: int) -> int:
        """Bytes on disk of a run's tables, indexes included."""
        names = [tables.run_table_name(kind, run) for kind in KINDS]
        sizes = "select sum(pg_total_relation_size(to_regclass(quote_ident(name)))) from unnest(%s::text[]) as name"
        with self.read() as con:
            return int(con.exec_driver_sql(sizes, (names,)).scalar() or 0)

    def upsert_items(self, blocks: Iterable[pa.RecordBatch]) -> None:
        """Add new items and mend changed ones; unchanged rows are not written again."""
        items = tables.items_table(self.ids)
        new = items.to_metadata(sa.MetaData(), name="new_items")
        insert = postgresql.insert(items).from_select(items.c.keys(), sa.select(new))
        mended = {name: insert.excluded[name] for name in ("title", "genres")}
        changed = sa.or_(*(items.c[name].is_distinct_from(value) for name, value in mended.items()))
        mend = insert.on_conflict_do_update(index_elements=["item_id"], set_=mended, where=changed)
        for rows in _encoded(items, blocks):
            with self.write() as con:
                con.exec_driver_sql("create temporary table new_items (like items) on commit drop")
                self._copy(con, new, [rows])
                con.execute(mend)

    def upsert(self, con: sa.Connection, table: sa.Table, row: Row) -> None:
        """Insert a row, or update the one with its primary key."""
        insert = postgresql.insert(table).values(row)
        new = {column.name: insert.excluded[column.name] for column in table.c}
        con.execute(insert.on_conflict_do_update(index_elements=list(table.primary_key), set_=new))

    def show(self, con: sa.Connection, live: int, previous: int | None, at: At) -> None:  # noqa: ARG002
        """Nothing more: the views follow the pointer."""
        at("in_switch")

    def remove_tables(self, run: int) -> None:
        """Detach and drop the tables of a run, once the transactions that read them have ended.

        Raises:
            TransientError: one of them has not ended in time; another call goes on where this one stopped.
        """
        for kind in KINDS:
            names = {"parent": tables.by_run(kind), "table": tables.run_table_name(kind, run)}
            pending = self._is_detaching(names["table"])
            if pending is not None:
                how = "finalize" if pending else "concurrently"
                self._alone(f"alter table {{parent}} detach partition {{table}} {how}", **names)
            self._alone("drop table if exists {table}", **names)

    # -- statements -------------------------------------------------------------------------------------

    def _is_detaching(self, table: str) -> bool | None:
        """Whether a partition is half detached; None for a table that is no partition, or is not there."""
        found = "select inhdetachpending from pg_inherits where inhrelid = to_regclass(quote_ident(%s))"
        with self.read() as con:
            pending: bool | None = con.exec_driver_sql(found, (table,)).scalar()
        return pending

    def _copy(
        self,
        con: sa.Connection,
        table: sa.Table,
        blocks: Iterable[memoryview],
        options: str = "format binary",
    ) -> None:
        names = {"table": table.name, "columns": table.c.keys(), "options": sql.SQL(options)}
        statement = _filled("copy {table} ({columns}) from stdin ({options})", **names)
        driver: Any = con.connection.driver_connection
        try:
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(HEADER)
                for block in blocks:
                    copy.write(block)
                copy.write(TRAILER)
        except psycopg.Error as error:  # SQLAlchemy does not see what goes past it
            raise self.explain(error) or error from error

    def _alone(self, template: str, **names: Any) -> None:
        """Run a statement outside any transaction; one that waits for others gives up after `patience`."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as con:
            con.exec_driver_sql(_filled(template, **names))


def _encoded(table: sa.Table, blocks: Iterable[pa.RecordBatch]) -> Iterator[memoryview]:
    """Blocks as the bytes of a COPY into the columns of `table`, in their types."""
    names, schema = table.c.keys(), arrow_schema(table)
    for block in blocks:
        yield encoded(block.select(names).cast(schema))


def _session(con: sa.Connection) -> int:
    return con.scalar(sa.select(sa.func.pg_backend_pid())) or 0


def _read(file: str) -> str:
    return (SQL / file).read_text(encoding="utf-8")


def _run(con: sa.Connection, script: str) -> None:
    """Run statements that have no parameters, even where a % looks like one."""
    con.execution_options(no_parameters=True).exec_driver_sql(script)


def _filled(template: str, **names: Any) -> str:
    """A statement with what cannot be a parameter: names, quoted, lists of names, and integers."""

    def part(value: Any) -> sql.Composable:
        if isinstance(value, sql.Composable):
            return value
        if isinstance(value, int):
            return sql.Literal(value)
        return sql.SQL(", ").join(map(sql.Identifier, [value] if isinstance(value, str) else value))

    return sql.SQL(template).format(**{name: part(value) for name, value in names.items()}).as_string(None)
