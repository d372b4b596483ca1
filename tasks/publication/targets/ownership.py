"""A database that belongs to one home: its stamp, its schema, and transactions whose errors are told plainly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from tasks.errors import NightError, UsageError
from tasks.publication.targets import schema as tables
from tasks.publication.targets.schema import KINDS, SCHEMA_VERSION, IdTypes

PUBLISH_SOME = "Publish some with: recs run"
"""What to do without lists, as far as a serving database can tell: it knows no home."""


def no_lists(place: str) -> UsageError:
    """What is said where nothing was published yet."""
    return UsageError(f"There are no lists in {place} yet.", PUBLISH_SOME)


class OwnedDatabase(ABC):
    """The schema in it is made by the first `claim`, and brought up to date whenever its owner opens it.

    Attributes:
        engine: connections in which transactions begin and end only where `read` and `write` say so.
        place: where it is, for people; never holds a password.
        owner: the home that opens it, None for who only reads.
    """

    def __init__(self, engine: sa.Engine, *, place: str, owner: str | None) -> None:
        self.engine = engine
        self.place = place
        self.owner = owner
        self._owned_by: str | None = None
        sa.event.listen(engine, "handle_error", self._translate)
        self._ids = self._stamped_ids()

    # -- one per kind of database ---------------------------------------------------------------------

    @abstractmethod
    def explain(self, error: BaseException) -> NightError | None:
        """The clear sentence behind a driver's error; None where the error is a bug of ours."""

    def create_views(self, con: sa.Connection, ids: IdTypes) -> None:  # noqa: B027
        """Make what `show` does not make anew each time."""

    def finish_schema(self, con: sa.Connection, ids: IdTypes) -> None:  # noqa: B027
        """What else a new or upgraded schema wants; may be called again."""

    def change_schema_alone(self, con: sa.Connection) -> None:  # noqa: B027
        """Keep others from changing the schema until the transaction of `con` ends; SQLite's transactions do anyway."""

    # -- whose it is ----------------------------------------------------------------------------------

    @property
    def claimed(self) -> bool:
        """Whether the schema exists: true from the first `claim` on."""
        return self._ids is not None

    @property
    def ids(self) -> IdTypes:
        """The types of user and item ids, fixed at the first claim."""
        if self._ids is None:
            raise no_lists(self.place)
        return self._ids

    def refuse_unless_of(self, home: str) -> None:
        """Do nothing, if what is there was published by `home` or by nobody.

        Raises:
            UsageError: it is another home's.
        """
        if self._owned_by not in (None, home):
            raise UsageError(
                f"{self.place} belongs to another home ({self._owned_by}), not to this one ({home}).",
                "Give each home a serving database, or a schema, of its own: RECS_PUBLISH__URL.",
            )

    def claim(self, ids: IdTypes) -> None:
        """Create the schema at first use; later only check that it is still the same home with the same ids.

        Raises:
            UsageError: it is another home's, holds other ids, tables not ours, or a newer schema.
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
        """Bring the schema of an older version to today's in one transaction; no list changes."""
        stamp, schema = tables.schema_version, tables.fixed_tables(ids)
        with self.write() as con:
            self.change_schema_alone(con)
            schema.create_all(con)
            inspector = sa.inspect(con)
            for table in schema.sorted_tables:
                there = {column["name"] for column in inspector.get_columns(table.name)}
                for column in table.columns:
                    if column.name not in there:
                        definition = sa.schema.CreateColumn(column).compile(dialect=con.dialect)
                        con.exec_driver_sql(f"alter table {table.name} add column {definition}")
            self.finish_schema(con, ids)
            con.execute(stamp.update().values(version=SCHEMA_VERSION))

    def _create_schema(self, ids: IdTypes) -> None:
        with self.write() as con:
            self.change_schema_alone(con)
            if not sa.inspect(con).has_table(tables.schema_version.name):  # else somebody made it meanwhile
                self._make_tables(con, ids)
        self._ids = self._stamped_ids()

    def _make_tables(self, con: sa.Connection, ids: IdTypes) -> None:
        schema = tables.fixed_tables(ids)
        ours = {*schema.tables, *KINDS, *map(tables.by_run, KINDS)}
        taken = sorted(name for name in self._names(con) if name in ours or tables.run_of(name) is not None)
        if taken:
            raise self._not_ours(taken[0])
        schema.create_all(con)
        con.execute(
            tables.schema_version.insert().values(
                version=SCHEMA_VERSION, owner=self.owner, user_id_type=ids.user, item_id_type=ids.item
            )
        )
        con.execute(tables.active_run.insert().values(run_id=None))
        self.create_views(con, ids)
        self.finish_schema(con, ids)

    def _stamped_ids(self) -> IdTypes | None:
        """The id types in the stamp, None without a stamp; refuses another owner or a newer schema."""
        stamp = tables.schema_version
        with self.read() as con:
            inspector = sa.inspect(con)
            if not inspector.has_table(stamp.name):
                return None
            if not {*stamp.c.keys()} <= {column["name"] for column in inspector.get_columns(stamp.name)}:
                raise self._not_ours(stamp.name)
            found = con.execute(sa.select(stamp)).one()
        if found.version > SCHEMA_VERSION:
            raise UsageError(
                f"{self.place} was made by a newer nightly-recs (its schema is {found.version}, "
                f"this one knows {SCHEMA_VERSION}).",
                "Upgrade nightly-recs, or publish to a new database.",
            )
        self._owned_by = found.owner
        if self.owner is not None:
            self.refuse_unless_of(self.owner)
        ids = IdTypes(found.user_id_type, found.item_id_type)
        if found.version < SCHEMA_VERSION:
            if self.owner is None:
                raise UsageError(
                    f"{self.place} was made by an older nightly-recs (its schema is {found.version}, this one's "
                    f"{SCHEMA_VERSION}).",
                    "The next recs run upgrades it, and recs prune does so at once; its lists stay.",
                )
            self._upgrade(ids)
        return ids

    # -- transactions ---------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view of the database."""
        with self.engine.connect() as con, con.begin():
            yield con

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that writes: all of it happens, or nothing."""
        with self.engine.connect().execution_options(writes=True) as con, con.begin():
            yield con

    def _not_ours(self, table: str) -> UsageError:
        return UsageError(
            f"{self.place} has a table {table!r} that nightly-recs did not make.",
            "Publish to a database of its own: RECS_PUBLISH__URL.",
        )

    def _names(self, con: sa.Connection) -> set[str]:
        inspector = sa.inspect(con)
        return {*inspector.get_table_names(), *inspector.get_view_names()}

    def _translate(self, context: sa.ExceptionContext) -> None:
        explained = self.explain(context.original_exception)
        if explained is not None:
            raise explained from context.original_exception
