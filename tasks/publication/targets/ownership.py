"""A database that belongs to one home: its owner stamp, its schema, and transactions with readable errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tasks.errors import NightError, UsageError
from tasks.publication.errors import OlderSchemaError, OtherOwnerError, no_lists
from tasks.publication.targets import schema
from tasks.publication.targets.schema import KINDS, SCHEMA_VERSION, IdTypes

ANY_OWNER = "*"
"""Opens a database for writing whichever home owns it: only to take it over."""


class OwnedDatabase(ABC):
    """A database whose schema `ensure_schema` creates, and which is upgraded whenever its owner opens it.

    The row in `schema_version` is the owner stamp: schema version, owner and id types.

    Attributes:
        engine: connections in which transactions begin and end only where `read` and `write` say so.
        place: the database's address for messages; never holds a password.
        owner: the home that opens it; None opens it read-only.
    """

    def __init__(self, engine: sa.Engine, *, place: str, owner: str | None) -> None:
        self.engine = engine
        self.place = place
        self.owner = owner
        self._stamped_owner: str | None = None
        sa.event.listen(engine, "handle_error", self._raise_explained)
        self._ids = self._read_stamp()

    # -- one per kind of database ---------------------------------------------------------------------

    @abstractmethod
    def explain(self, error: BaseException) -> NightError | None:
        """Return a readable error for a driver's error; None if the error is a bug of ours."""

    def create_views(self, con: sa.Connection, ids: IdTypes) -> None:  # noqa: B027
        """Create tables and views that stay the same from run to run. By default it creates none."""

    def finish_schema(self, con: sa.Connection, ids: IdTypes) -> None:  # noqa: B027
        """Complete a new or upgraded schema, for example with functions. Idempotent. By default it does nothing."""

    @abstractmethod
    def list_tables(self, con: sa.Connection, ids: IdTypes) -> list[sa.Table]:
        """Return the tables that hold lists and exist, with the columns that they should have."""

    @abstractmethod
    def renew_views(self, con: sa.Connection, ids: IdTypes) -> None:
        """Give the views on lists the columns that an older version lacked; they show the same runs."""

    def lock_schema(self, con: sa.Connection) -> None:  # noqa: B027
        """Keep others from changing the schema until the transaction of `con` ends.

        By default nothing: SQLite's write transactions exclude each other anyway.
        """

    # -- owner and schema -----------------------------------------------------------------------------

    @property
    def has_schema(self) -> bool:
        """Whether the schema exists: True from the first `ensure_schema` on."""
        return self._ids is not None

    @property
    def ids(self) -> IdTypes:
        """The types of user and item ids, fixed when the schema is created.

        Raises:
            NoListsError: there is no schema yet.
        """
        if self._ids is None:
            raise no_lists(self.place)
        return self._ids

    def check_owner(self, home: str) -> None:
        """Raise unless the database was stamped by `home` or has no stamp yet.

        Raises:
            OtherOwnerError: the database belongs to another home.
        """
        if home != ANY_OWNER and self._stamped_owner not in (None, home):
            raise OtherOwnerError(
                f"{self.place} belongs to another home ({self._stamped_owner}), not to this one ({home}).",
                "Give each home a serving database, or a schema, of its own: RECS_PUBLISH__URL. "
                "If the other home is lost, this one can take its database over: recs adopt",
            )

    @property
    def stamped_owner(self) -> str | None:
        """The home that the database belongs to; None before the first lists."""
        return self._stamped_owner

    def take_over(self, home: str) -> None:
        """Make the database belong to `home`, with its lists; the home before is refused from now on."""
        with self.write() as con:
            con.execute(schema.schema_version.update().values(owner=home))
        self._stamped_owner = self.owner = home

    def ensure_schema(self, ids: IdTypes) -> None:
        """Create the schema if there is none; else check that it has the same id types.

        Raises:
            UsageError: the database belongs to another home, has other id types, has tables that are not ours, or
                has a newer schema.
        """
        if self._ids is None:
            self._create_schema(ids)
        if self.ids != ids:
            mine, theirs = (f"{i.user} user ids and {i.item} item ids" for i in (ids, self.ids))
            raise UsageError(
                f"{self.place} was made for {theirs}, but tonight's data has {mine}.",
                "Set data.user_id and data.item_id to the first night's types, or publish to a new database.",
            )

    def _upgrade(self, ids: IdTypes) -> None:
        """Add the tables and columns that an older schema lacks, in one transaction; lists stay as they are."""
        stamp, wanted = schema.schema_version, schema.fixed_tables(ids)
        with self.write() as con:
            self.lock_schema(con)
            wanted.create_all(con)
            inspector = sa.inspect(con)
            for table in (*wanted.sorted_tables, *self.list_tables(con, ids)):
                existing = {column["name"] for column in inspector.get_columns(table.name)}
                for column in table.columns:
                    if column.name not in existing:
                        definition = sa.schema.CreateColumn(column).compile(dialect=con.dialect)
                        con.exec_driver_sql(f"alter table {table.name} add column {definition}")
            self.renew_views(con, ids)
            self.finish_schema(con, ids)
            con.execute(stamp.update().values(version=SCHEMA_VERSION))

    def _create_schema(self, ids: IdTypes) -> None:
        with self.write() as con:
            self.lock_schema(con)
            # Another process may have created it while this one waited for the lock.
            if not sa.inspect(con).has_table(schema.schema_version.name):
                self._create_tables(con, ids)
        self._ids = self._read_stamp()

    def _create_tables(self, con: sa.Connection, ids: IdTypes) -> None:
        metadata = schema.fixed_tables(ids)
        ours = {*metadata.tables, *KINDS, *map(schema.partitioned_table_name, KINDS)}
        taken = sorted(
            name for name in self._table_names(con) if name in ours or schema.run_of(name) is not None
        )
        if taken:
            raise self._foreign_table_error(taken[0])
        metadata.create_all(con)
        con.execute(
            schema.schema_version.insert().values(
                version=SCHEMA_VERSION, owner=self.owner, user_id_type=ids.user, item_id_type=ids.item
            )
        )
        con.execute(schema.active_run.insert().values(run_id=None))
        self.create_views(con, ids)
        self.finish_schema(con, ids)

    def _read_stamp(self) -> IdTypes | None:
        """Return the id types in the stamp, None without a stamp; upgrade an older schema if opened by its owner.

        Raises:
            UsageError: another owner, a newer schema, an older one opened read-only, or a table that is not ours.
        """
        stamp = schema.schema_version
        with self.read() as con:
            inspector = sa.inspect(con)
            if not inspector.has_table(stamp.name):
                return None
            if not {*stamp.c.keys()} <= {column["name"] for column in inspector.get_columns(stamp.name)}:
                raise self._foreign_table_error(stamp.name)
            found = con.execute(sa.select(stamp)).one()
        if found.version > SCHEMA_VERSION:
            raise UsageError(
                f"{self.place} was made by a newer nightly-recs (its schema is {found.version}, "
                f"this one knows {SCHEMA_VERSION}).",
                "Upgrade nightly-recs, or publish to a new database.",
            )
        self._stamped_owner = found.owner
        if self.owner is not None:
            self.check_owner(self.owner)
        ids = IdTypes(found.user_id_type, found.item_id_type)
        if found.version < SCHEMA_VERSION:
            if self.owner is None:
                raise OlderSchemaError(
                    f"{self.place} was made by an older nightly-recs (its schema is {found.version}, this one's "
                    f"{SCHEMA_VERSION}).",
                    "The next recs run upgrades it, and recs prune does so at once; its lists stay.",
                )
            self._upgrade(ids)
        return ids

    # -- transactions ---------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection with one consistent view of the database."""
        with self.engine.connect() as con, con.begin():
            yield con

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Yield a connection in a write transaction, committed at the end and rolled back on an error."""
        with self.engine.connect().execution_options(writes=True) as con, con.begin():
            yield con

    def _foreign_table_error(self, table: str) -> UsageError:
        return UsageError(
            f"{self.place} has a table {table!r} that nightly-recs did not make.",
            "Publish to a database of its own: RECS_PUBLISH__URL.",
        )

    def _table_names(self, con: sa.Connection) -> set[str]:
        """Return the names of all tables and views."""
        inspector = sa.inspect(con)
        return {*inspector.get_table_names(), *inspector.get_view_names()}

    def _raise_explained(self, context: sa.ExceptionContext) -> None:
        explained = self.explain(context.original_exception)
        if explained is not None:
            raise explained from context.original_exception
