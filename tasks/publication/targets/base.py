"""The interface of a serving database. One subclass per kind of database; no Prefect.

A run's lists are loaded into tables of their own that no reader sees, marked complete in `published_runs`, and shown
by one switch of the active run. Tables of a run that `published_runs` does not name are left from a killed load, and
`remove_leftovers` drops them.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from typing import Any, ClassVar, NamedTuple, TypeVar

import pyarrow as pa
import sqlalchemy as sa

from tasks.artifacts import IdType
from tasks.errors import TransientError
from tasks.publication.targets import schema
from tasks.publication.targets.ownership import OwnedDatabase
from tasks.publication.targets.schema import Kind
from tasks.recommendation.item_rules import Rules, WrittenRule, rules_on
from tasks.storage.warehouse import SQL

_ARROW: Mapping[IdType, pa.DataType] = {"BIGINT": pa.int64(), "TEXT": pa.string()}
_FETCH_ROWS = 50_000

log = logging.getLogger(__name__)

T = TypeVar("T")
Row = Mapping[str, Any]
OnStep = Callable[[str], None]
"""Called with the name of each step that publication has reached; tests kill the process there."""


def ignore_steps(step: str) -> None:
    """Do nothing: the default `OnStep`."""


def prefetch(items: Iterable[T]) -> Iterator[T]:
    """Yield the same items, each made in a thread while the caller uses the one before it.

    At most two items exist at a time. An exception of the iterable is raised here, in the item's place.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as worker:
        coming = worker.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = worker.submit(next, source, end)
            yield item  # type: ignore[misc]  # not the end, so it is one of them


def arrow_schema(table: sa.Table) -> pa.Schema:
    """Return the names and types of a table's columns as an Arrow schema."""
    arrow = {sa.BigInteger: pa.int64(), sa.Integer: pa.int32(), sa.Double: pa.float64(), sa.Text: pa.string()}
    return pa.schema([(column.name, arrow[type(column.type)]) for column in table.c])


class PublishedRun(NamedTuple):
    """A complete run in the serving database.

    Attributes:
        run_id: the run.
        rows: number of rows of `recommendations`.
        lists_key: key of the lists artifact that was loaded.
        switched: True if the run is or was live.
        digest: `tasks.publication.checksum` of all its rows; None if an older version loaded it.
        bytes: size on disk; None if an older version loaded it.
    """

    run_id: int
    rows: int
    lists_key: str
    switched: bool
    digest: str | None
    bytes: int | None


class Target(OwnedDatabase):
    """One serving database, stamped with the home that publishes to it."""

    schemes: ClassVar[tuple[str, ...]] = ()
    """URL schemes that this target serves: `sqlite` in `sqlite:///lists.db`."""
    example: ClassVar[str]
    """An address of this kind, for messages."""
    address_is_path: ClassVar[bool] = False
    """True if the address holds a file's path, which may contain an @, and no password."""

    def __init__(self, engine: sa.Engine, *, place: str, owner: str | None) -> None:
        super().__init__(engine, place=place, owner=owner)
        self._warned_of: set[str] = set()

    # -- one per kind of database ---------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def connect(cls, url: sa.URL, *, owner: str | None) -> Target:
        """Open the database at `url`; without an owner, read-only."""

    @classmethod
    @abstractmethod
    def identity(cls, url: sa.URL) -> str:
        """Return the address without user, password and defaults: equal for two addresses of one database."""

    @classmethod
    def check_address(cls, text: str, url: sa.URL) -> sa.URL:  # noqa: ARG003
        """Return the parts of an address as `connect` takes them.

        Args:
            text: the address as written.
            url: its parts.

        Raises:
            UsageError: this kind of database has no such address.
        """
        return url

    @abstractmethod
    def load(self, run: int, kind: Kind, blocks: Iterable[pa.RecordBatch], on_step: OnStep) -> None:
        """Create a run's table of one kind and fill it.

        Args:
            run: the run's id.
            kind: which of its tables.
            blocks: rows sorted by primary key, with the columns of `schema.run_table`.
            on_step: called with `block` after each block.
        """

    @abstractmethod
    def finish_load(self, run: int, on_step: OnStep) -> None:
        """Build indexes and the like, once all rows are loaded; calls `on_step` after each step."""

    @abstractmethod
    def size(self, run: int) -> int | None:
        """Return the bytes on disk of the run that was loaded just now, indexes included; None if unknown."""

    @abstractmethod
    def upsert_items(self, blocks: Iterable[pa.RecordBatch]) -> None:
        """Insert new items into `items` and update changed ones; deletes none."""

    @abstractmethod
    def upsert(self, con: sa.Connection, table: sa.Table, row: Row) -> None:
        """Insert a row, or update the row with the same primary key."""

    @abstractmethod
    def update_views(self, con: sa.Connection, live: int, previous: int | None, on_step: OnStep) -> None:
        """Point every view at a run, in the transaction of `con`.

        Args:
            con: the transaction of the switch; readers see the views change when it commits.
            live: the run that the views show.
            previous: the run that `previous_recommendations` shows; None makes it empty.
            on_step: called with `in_switch` half-way.
        """

    @abstractmethod
    def remove_tables(self, run: int) -> None:
        """Drop the tables of a run that no view shows."""

    @abstractmethod
    def erase_deleted(self, tables: Sequence[str]) -> None:
        """Give back the space of deleted rows, so that their bytes can no longer be read, as far as the database can.

        Args:
            tables: those of the runs from which rows were deleted.

        Raises:
            TransientError: a reader's transaction needs the old rows; another call goes on.
        """

    @contextmanager
    def publication_lock(self) -> Iterator[None]:
        """Keep other processes from publishing here for the duration of the block.

        By default this does nothing: the lock on the home is enough for the home's own file.
        """
        yield

    def begin_load(self, run: int) -> None:
        """Drop the tables that an interrupted load of this run left."""
        self.remove_tables(run)

    def switch_transaction(self) -> AbstractContextManager[sa.Connection]:
        """Return the transaction in which `switch_active_run` works."""
        return self.write()

    # -- reading -------------------------------------------------------------------------------------

    def live_run(self) -> int | None:
        """Return the run that readers see; None before the first publication."""
        if not self.has_schema:
            return None
        with self.read() as con:
            live: int | None = con.scalar(sa.select(schema.active_run.c.run_id))
        return live

    def held_back(self) -> frozenset[int]:
        """Return the runs that were rolled back by hand: no night makes them live again unless forced."""
        if not self.has_schema:
            return frozenset()
        with self.read() as con:
            return frozenset(con.scalars(sa.select(schema.held_back_runs.c.run_id)))

    def published_runs(self) -> tuple[PublishedRun, ...]:
        """Return the complete runs that are kept, newest first."""
        if not self.has_schema:
            return ()
        t = schema.published_runs.c
        switched = t.switched_at.is_not(None).label("switched")
        with self.read() as con:
            columns = (t.run_id, t.rows, t.lists_key, switched, t.digest, t.bytes)
            return tuple(
                PublishedRun(*row) for row in con.execute(sa.select(*columns).order_by(t.run_id.desc()))
            )

    def loaded_runs(self) -> set[int]:
        """Return the runs that have any table, complete or not."""
        with self.read() as con:
            return {run for run in map(schema.run_of, self._table_names(con)) if run is not None}

    def rows(self, run: int, kind: Kind) -> Iterator[pa.RecordBatch]:
        """Yield a run's rows of one kind by primary key, with the columns that `load` took."""
        with self.read() as con:
            yield from self.rows_as_seen_by(con, run, kind)

    def rows_as_seen_by(self, con: sa.Connection, run: int, kind: Kind) -> Iterator[pa.RecordBatch]:
        """Yield the same rows as `rows`, as the transaction of `con` sees them."""
        table = schema.run_table(kind, run, self.ids)
        columns = arrow_schema(table)
        by_key = sa.select(table).order_by(*table.primary_key)
        found = con.execute(by_key, execution_options={"stream_results": True, "yield_per": _FETCH_ROWS})
        for block in found.partitions():
            yield pa.record_batch([*map(list, zip(*block, strict=True))], schema=columns)

    def count(self, run: int, kind: Kind) -> int:
        """Return how many rows of one kind a run has."""
        table = schema.run_table(kind, run, self.ids)
        with self.read() as con:
            return con.scalar(sa.select(sa.func.count()).select_from(table)) or 0

    def live_tops(self, n: int) -> pa.Table | None:
        """Return the first `n` rows of each live list as (user_id, item_id); None before the first publication."""
        live = self.live_run()
        if live is None:
            return None
        lists = schema.run_table("recommendations", live, self.ids)
        columns = pa.schema({"user_id": _ARROW[self.ids.user], "item_id": _ARROW[self.ids.item]})
        top = sa.select(lists.c.user_id, lists.c.item_id).where(lists.c["rank"] <= n)
        with self.read() as con:
            blocks = con.execute(top).partitions(_FETCH_ROWS)
            return pa.Table.from_batches(
                [pa.record_batch([*map(list, zip(*block, strict=True))], schema=columns) for block in blocks],
                columns,
            )

    def item_rules(self, day: date) -> Rules:
        """Return the rules of `item_rules` that apply on `day`, oldest first; none in a database without that table.

        Rows that cannot be read are left out, with a warning the first time.
        """
        if not self.has_schema:
            return ()
        table = schema.rules_table(self.ids)
        columns = [table.c[name] for name in WrittenRule._fields]
        # Days as text: SQLAlchemy raises at the first value that is no date.
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
        """Return the rows of the one query in sql/`file`, with its `:parameters` bound."""
        with self.read() as con:
            return con.execute(sa.text((SQL / file).read_text(encoding="utf-8")), parameters).all()

    # -- publication, driven by tasks/publication/publish.py ------------------------------------------

    def remove_leftovers(self, resuming: int | None) -> None:
        """Drop half-loaded runs of killed nights, and complete runs that were never live except `resuming`.

        A table that a reader's transaction still uses is left to the next night, with a warning.
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
            log.warning("Leftovers of a killed night in %s could not be removed yet: %s", self.place, error)

    def mark_complete(
        self, run: int, *, lists_key: str, rows: int, digest: str, on_step: OnStep = ignore_steps
    ) -> None:
        """Finish the load of a run and record it in `published_runs`: from here on it can be made live.

        Args:
            run: the run's id; all its rows are loaded.
            lists_key: key of the lists artifact.
            rows: number of rows of `recommendations`.
            digest: checksum of all rows of the run.
            on_step: called after each step of `finish_load`.
        """
        self.finish_load(run, on_step)
        row = {"run_id": run, "lists_key": lists_key, "rows": rows, "digest": digest, "bytes": self.size(run)}
        with self.write() as con:
            con.execute(schema.published_runs.insert().values(row))

    def switch_active_run(
        self,
        run: int,
        *,
        expected_live: int | None,
        force: bool = False,
        hold_back: int | None = None,
        on_step: OnStep = ignore_steps,
    ) -> bool:
        """Make a complete run live for all readers at one instant.

        Args:
            run: the run to show.
            expected_live: switch only if this run is still live (fencing).
            force: switch whichever run is live.
            hold_back: the run that a rollback leaves; recorded in `held_back_runs`.
            on_step: called with `in_switch`.

        Returns:
            False if another run is live by now, or if `run` was dropped meanwhile; nothing has changed then.
        """
        with self.switch_transaction() as con:
            held, published = schema.held_back_runs, schema.published_runs
            now = datetime.now(UTC)
            live = self._lock_active_run(con)
            if live != expected_live and not force:
                return False
            mark_switched = published.update().where(published.c.run_id == run).values(switched_at=now)
            if con.execute(mark_switched).rowcount == 0:
                return False
            con.execute(held.delete().where(held.c.run_id == run))
            if hold_back is not None:
                con.execute(held.insert().values(run_id=hold_back, held_at=now))
            con.execute(schema.active_run.update().values(run_id=run))
            self.update_views(con, run, self._previous_run(con, run), on_step)
        return True

    def drop_run(self, run: int) -> None:
        """Delete a run from `published_runs`, then drop its tables; do nothing if it is live by now."""
        published = schema.published_runs
        with self.write() as con:
            live = self._lock_active_run(con)
            if live == run:
                return
            con.execute(published.delete().where(published.c.run_id == run))
            if live is not None:
                self.update_views(con, live, self._previous_run(con, live), ignore_steps)
        self.remove_tables(run)

    def _lock_active_run(self, con: sa.Connection) -> int | None:
        """Return the live run and lock its row: no other transaction switches until that of `con` ends."""
        live: int | None = con.scalar(sa.select(schema.active_run.c.run_id).with_for_update())
        return live

    def _previous_run(self, con: sa.Connection, live: int) -> int | None:
        """Return the newest kept run before the live one that was live and was not rolled back."""
        run, held = schema.published_runs.c, schema.held_back_runs.c
        older = sa.select(sa.func.max(run.run_id)).where(
            run.run_id < live, run.switched_at.is_not(None), run.run_id.not_in(sa.select(held.run_id))
        )
        before: int | None = con.scalar(older)
        return before

    # -- copies of the home's records -----------------------------------------------------------------

    def record_run(self, row: Row) -> None:
        """Insert or update one row of `pipeline_runs`."""
        with self.write() as con:
            self.upsert(con, schema.pipeline_runs, row)

    def record_metrics(self, run: int, rows: Iterable[Row]) -> None:
        """Replace a run's rows of `model_metrics`."""
        self._replace(schema.model_metrics, run, rows)

    def remove_old_details(self, kept: Collection[int]) -> None:
        """Delete figures of all runs but those in `kept` that take much space and that few need.

        These are the rows of `model_metrics` about slices of the users, and the rows of `run_outcomes` that a run
        scored of lists which a later one scored again.
        """
        metrics, outcomes, later = schema.model_metrics, schema.run_outcomes, schema.run_outcomes.alias()
        newest = sa.select(sa.func.max(later.c.scored_by)).where(later.c.run_id == outcomes.c.run_id)
        with self.write() as con:
            con.execute(
                metrics.delete().where(metrics.c.segment != schema.ALL_USERS, metrics.c.run_id.not_in(kept))
            )
            con.execute(
                outcomes.delete().where(
                    outcomes.c.scored_by.not_in(kept), outcomes.c.scored_by < newest.scalar_subquery()
                )
            )

    def record_checks(self, run: int, rows: Iterable[Row]) -> None:
        """Replace a run's rows of `run_checks`."""
        self._replace(schema.run_checks, run, rows)

    def record_outcomes(self, scored_by: int, rows: Iterable[Row]) -> None:
        """Replace the rows of `run_outcomes` that one night has scored; they are of earlier runs."""
        table = schema.run_outcomes
        full = [{**row, "scored_by": scored_by} for row in rows]
        with self.write() as con:
            con.execute(table.delete().where(table.c.scored_by == scored_by))
            if full:
                con.execute(table.insert(), full)

    def record_stage_times(self, run: int, rows: Iterable[Row]) -> None:
        """Replace a run's rows of `stage_times`."""
        self._replace(schema.stage_times, run, rows)

    def record_drift(self, run: int, rows: Iterable[Row]) -> None:
        """Replace a run's rows of `run_drift`."""
        self._replace(schema.run_drift, run, rows)

    def _replace(self, table: sa.Table, run: int, rows: Iterable[Row]) -> None:
        full = [{**dict.fromkeys(table.c.keys()), **row, "run_id": run} for row in rows]
        with self.write() as con:
            con.execute(table.delete().where(table.c.run_id == run))
            if full:
                con.execute(table.insert(), full)
