"""What publication needs of a serving database. One subclass per kind of database; no Prefect.

A run's lists are loaded into tables of their own that no reader sees, sealed once complete, and shown by one
switch. `published_runs` names the sealed runs; tables of any other run are leftovers of a killed load, and
`sweep` removes them.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa
import sqlalchemy as sa

from tasks.artifacts import IdType
from tasks.errors import TransientError
from tasks.publication.targets import schema as tables
from tasks.publication.targets.ownership import OwnedDatabase
from tasks.publication.targets.schema import Kind
from tasks.recommendation.item_rules import Rules, WrittenRule, rules_on
from tasks.storage.warehouse import SQL

_ARROW: Mapping[IdType, pa.DataType] = {"BIGINT": pa.int64(), "TEXT": pa.string()}
_ROWS_AT_ONCE = 50_000

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
At = Callable[[str], None]
"""Called with the name of each point that publication reaches; tests kill the process there."""


def pass_by(point: str) -> None:
    """Do nothing at a named point."""


def arrow_schema(table: sa.Table) -> pa.Schema:
    """Names and types of a table's columns."""
    arrow = {sa.BigInteger: pa.int64(), sa.Integer: pa.int32(), sa.Double: pa.float64(), sa.Text: pa.string()}
    return pa.schema([(column.name, arrow[type(column.type)]) for column in table.c])


class PublishedRun(NamedTuple):
    """A complete run in the serving database.

    Attributes:
        rows: of `recommendations`.
        switched: it has been live.
        digest: of all its rows, as `tasks.publication.checksum` makes it; None if an older version loaded it.
        bytes: on disk; None likewise.
    """

    run_id: int
    rows: int
    lists_key: str
    switched: bool
    digest: str | None
    bytes: int | None


class Target(OwnedDatabase):
    """One serving database, stamped with the home that publishes to it."""

    scheme: ClassVar[str]
    """How its addresses begin: `sqlite` in `sqlite:///lists.db`."""

    def __init__(self, engine: sa.Engine, *, place: str, owner: str | None) -> None:
        super().__init__(engine, place=place, owner=owner)
        self._warned_of: set[str] = set()

    # -- one per kind of database ---------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def connect(cls, url: sa.URL, *, owner: str | None) -> Target:
        """Open the database at `url`; without an owner, only to read."""

    @abstractmethod
    def load(self, run: int, kind: Kind, blocks: Iterable[pa.RecordBatch], at: At) -> None:
        """Make a table of a run from blocks sorted by primary key; passes `block` after each."""

    @abstractmethod
    def finish_load(self, run: int, at: At) -> None:
        """What is best done once all rows are in, such as indexes; passes a point after each step."""

    @abstractmethod
    def size(self, run: int) -> int | None:
        """Bytes on disk of a run that was loaded just now, indexes included; None where nobody knows."""

    @abstractmethod
    def upsert_items(self, blocks: Iterable[pa.RecordBatch]) -> None:
        """Add new items and mend changed ones in `items`; removes none."""

    @abstractmethod
    def upsert(self, con: sa.Connection, table: sa.Table, row: Row) -> None:
        """Insert a row, or update the one with its primary key."""

    @abstractmethod
    def show(self, con: sa.Connection, live: int, previous: int | None, at: At) -> None:
        """Make every view show `live` when the transaction of `con` ends; passes `in_switch` half-way."""

    @abstractmethod
    def remove_tables(self, run: int) -> None:
        """Drop the tables of a run that no view shows."""

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Inside, nobody else publishes here. By default nothing: the home's own lock does for its own file."""
        yield

    def begin_load(self, run: int) -> None:
        """Remove the tables of a load of this run that was cut short."""
        self.remove_tables(run)

    def switching(self) -> AbstractContextManager[sa.Connection]:
        """The transaction of a switch."""
        return self.write()

    # -- what is in it --------------------------------------------------------------------------------

    def live_run(self) -> int | None:
        """The run that readers see, None before the first publication."""
        if not self.claimed:
            return None
        with self.read() as con:
            live: int | None = con.scalar(sa.select(tables.active_run.c.run_id))
        return live

    def held_back(self) -> frozenset[int]:
        """Runs that somebody rolled back by hand: not switched on again unless forced."""
        if not self.claimed:
            return frozenset()
        with self.read() as con:
            return frozenset(con.scalars(sa.select(tables.held_back_runs.c.run_id)))

    def published_runs(self) -> tuple[PublishedRun, ...]:
        """The complete runs that are kept, newest first."""
        if not self.claimed:
            return ()
        t = tables.published_runs.c
        switched = t.switched_at.is_not(None).label("switched")
        with self.read() as con:
            columns = (t.run_id, t.rows, t.lists_key, switched, t.digest, t.bytes)
            return tuple(
                PublishedRun(*row) for row in con.execute(sa.select(*columns).order_by(t.run_id.desc()))
            )

    def loaded_runs(self) -> set[int]:
        """Runs that have any table, complete or not."""
        with self.read() as con:
            return {run for run in map(tables.run_of, self._names(con)) if run is not None}

    def rows(self, run: int, kind: Kind) -> Iterator[pa.RecordBatch]:
        """What a run's table holds, by its primary key: blocks like those that were loaded."""
        table = tables.run_table(kind, run, self.ids)
        schema = arrow_schema(table)
        by_key = sa.select(table).order_by(*table.primary_key)
        with self.read() as con:
            found = con.execution_options(stream_results=True, yield_per=_ROWS_AT_ONCE).execute(by_key)
            for block in found.partitions():
                yield pa.record_batch([*map(list, zip(*block, strict=True))], schema=schema)

    def count(self, run: int, kind: Kind) -> int:
        """Rows of one kind that a run has in the database."""
        table = tables.run_table(kind, run, self.ids)
        with self.read() as con:
            return con.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def live_tops(self, n: int) -> pa.Table | None:
        """The first `n` rows of each live list, (user_id, item_id); None before the first publication."""
        live = self.live_run()
        if live is None:
            return None
        lists = tables.run_table("recommendations", live, self.ids)
        schema = pa.schema({"user_id": _ARROW[self.ids.user], "item_id": _ARROW[self.ids.item]})
        top = sa.select(lists.c.user_id, lists.c.item_id).where(lists.c["rank"] <= n)
        with self.read() as con:
            blocks = con.execute(top).partitions(_ROWS_AT_ONCE)
            return pa.Table.from_batches(
                [pa.record_batch([*map(list, zip(*block, strict=True))], schema=schema) for block in blocks],
                schema,
            )

    def item_rules(self, day: date) -> Rules:
        """The rules that count on `day`, oldest first; none in a database made before there were any.

        Rows that cannot be read are left out, with a warning the first time.
        """
        if not self.claimed:
            return ()
        table = tables.rules_table(self.ids)
        columns = [table.c[name] for name in WrittenRule._fields]
        # Days as text: SQLAlchemy fails at the first that is none.
        as_text = [sa.cast(c, sa.Text) if isinstance(c.type, sa.Date) else c for c in columns]
        with self.read() as con:
            if not sa.inspect(con).has_table(table.name):
                return ()
            rows = [WrittenRule(*row) for row in con.execute(sa.select(*as_text).order_by(table.c.rule_id))]
        rules, faults = rules_on(day, rows)
        for fault in faults:
            if fault not in self._warned_of:
                log.warning("A row of item_rules in %s does not count: %s.", self.place, fault)
        self._warned_of.update(faults)
        return rules

    def query(self, file: str, **parameters: Any) -> Sequence[sa.Row[Any]]:
        """The rows of the one query in sql/`file`, whose `:parameters` are bound."""
        with self.read() as con:
            return con.execute(sa.text((SQL / file).read_text(encoding="utf-8")), parameters).all()

    # -- publication, driven by tasks/publication/publish.py ------------------------------------------------------

    def sweep(self, resuming: int | None) -> None:
        """Remove what killed nights left: half-loaded runs, and runs never shown except `resuming`.

        What a reader's transaction still holds is left to the next night, with a warning.
        """
        for run in self.published_runs():
            if not run.switched and run.run_id != resuming:
                self._try_to(self.drop_run, run.run_id)
        for orphan in self.loaded_runs() - {run.run_id for run in self.published_runs()}:
            self._try_to(self.remove_tables, orphan)

    def _try_to(self, remove: Callable[[int], None], run: int) -> None:
        try:
            remove(run)
        except TransientError as error:
            log.warning("What a killed night left in %s could not be removed yet: %s", self.place, error)

    def seal(self, run: int, *, lists_key: str, rows: int, digest: str, at: At = pass_by) -> None:
        """Call a loaded run complete: from here on it can be switched to."""
        self.finish_load(run, at)
        row = {"run_id": run, "lists_key": lists_key, "rows": rows, "digest": digest, "bytes": self.size(run)}
        with self.write() as con:
            con.execute(tables.published_runs.insert().values(row))

    def switch(
        self,
        run: int,
        *,
        expected_live: int | None,
        force: bool = False,
        hold_back: int | None = None,
        at: At = pass_by,
    ) -> bool:
        """Show a sealed run to all readers at one instant, if they still see `expected_live` (or `force`).

        `hold_back` is the run that is left by hand. Returns whether the switch took place: not to a run that somebody
        has dropped meanwhile either.
        """
        with self.switching() as con:
            held, published = tables.held_back_runs, tables.published_runs
            now = datetime.now(UTC)
            live = self._live_until_the_end(con)
            if live != expected_live and not force:
                return False
            here = published.update().where(published.c.run_id == run).values(switched_at=now)
            if con.execute(here).rowcount == 0:
                return False
            con.execute(held.delete().where(held.c.run_id == run))
            if hold_back is not None:
                con.execute(held.insert().values(run_id=hold_back, held_at=now))
            con.execute(tables.active_run.update().values(run_id=run))
            self.show(con, run, self._run_before(con, run), at)
        return True

    def drop_run(self, run: int) -> None:
        """Forget a run, then remove its tables; nothing if it is live, perhaps since a moment ago."""
        published = tables.published_runs
        with self.write() as con:
            live = self._live_until_the_end(con)
            if live == run:
                return
            con.execute(published.delete().where(published.c.run_id == run))
            if live is not None:
                self.show(con, live, self._run_before(con, live), pass_by)
        self.remove_tables(run)

    def _live_until_the_end(self, con: sa.Connection) -> int | None:
        """The live run; it stays the live one until the transaction of `con` ends, unless that switches."""
        live: int | None = con.scalar(sa.select(tables.active_run.c.run_id).with_for_update())
        return live

    def _run_before(self, con: sa.Connection, live: int) -> int | None:
        """The newest kept run older than the live one that nobody rolled back."""
        run, held = tables.published_runs.c, tables.held_back_runs.c
        older = sa.select(sa.func.max(run.run_id)).where(
            run.run_id < live, run.switched_at.is_not(None), run.run_id.not_in(sa.select(held.run_id))
        )
        before: int | None = con.scalar(older)
        return before

    # -- mirrors of the home's records ----------------------------------------------------------------

    def record_run(self, row: Row) -> None:
        """Write one row of `pipeline_runs`, or update it."""
        with self.write() as con:
            self.upsert(con, tables.pipeline_runs, row)

    def record_metrics(self, run: int, rows: Iterable[Row]) -> None:
        """Write a run's rows of `model_metrics`, replacing what it had; likewise the next two."""
        self._replace(tables.model_metrics, run, rows)

    def record_checks(self, run: int, rows: Iterable[Row]) -> None:
        """Write a run's rows of `run_checks`."""
        self._replace(tables.run_checks, run, rows)

    def record_stage_times(self, run: int, rows: Iterable[Row]) -> None:
        """Write a run's rows of `stage_times`."""
        self._replace(tables.stage_times, run, rows)

    def _replace(self, table: sa.Table, run: int, rows: Iterable[Row]) -> None:
        full = [{**dict.fromkeys(table.c.keys()), **row, "run_id": run} for row in rows]
        with self.write() as con:
            con.execute(table.delete().where(table.c.run_id == run))
            if full:
                con.execute(table.insert(), full)
