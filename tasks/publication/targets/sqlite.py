"""SQLite as the serving database: one table per run and kind, and views that one transaction replaces.

In WAL mode readers and the writer never wait for each other, and each reader's transaction sees one run from its first
read to its last. The driver is in autocommit mode and each transaction begins explicitly, because driver and SQLAlchemy
would otherwise commit DDL statement by statement.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import DropView

from tasks.errors import NightError, TransientError, UsageError
from tasks.publication.errors import no_lists
from tasks.publication.targets import schema
from tasks.publication.targets.address import VARIABLE, check_sqlite
from tasks.publication.targets.base import OnStep, Row, Target, ignore_steps, prefetch
from tasks.publication.targets.schema import KINDS, PREVIOUS, IdTypes, Kind
from tasks.storage.sqlite_address import sqlite_address

_WAL_BYTES = 64 * 2**20  # size to which a checkpoint truncates the write-ahead log
_PARAMETERS = 999  # of one statement: the limit before SQLite 3.32


class SQLiteTarget(Target):
    """A SQLite file in WAL mode."""

    schemes = ("sqlite",)
    example = "sqlite:////folder/recommendations.db"
    address_is_path = True
    busy_seconds: ClassVar[float] = 30.0
    """Seconds to wait for another process's write lock."""

    _used_before: int | None = None
    """Used bytes of the file when the load of the present run began."""

    @classmethod
    def check_address(cls, text: str, url: sa.URL) -> sa.URL:
        """Return the parts with `~` expanded; refuse hosts, options and paths that mean another file."""
        return check_sqlite(text, url)

    @classmethod
    def identity(cls, url: sa.URL) -> str:
        """Return the address of the file behind links and relative paths."""
        return sqlite_address(Path(url.database).resolve()) if url.database else "sqlite://"

    @classmethod
    def connect(cls, url: sa.URL, *, owner: str | None) -> SQLiteTarget:
        """Open the file; for an owner, create it if it is absent. The folder must exist.

        Raises:
            UsageError: the address names no file, its folder is missing, it is no SQLite database, or it is absent and
                there is no owner.
            NightError: the file cannot be opened, or not written by an owner.
        """
        if not url.database or url.database == ":memory:":
            raise UsageError(
                "The publication address names no file.", "Write it as sqlite:///folder/recommendations.db"
            )
        path = Path(url.database).absolute()
        if path.is_dir():
            raise UsageError(
                f"{path} is a folder, not a SQLite database.",
                f"Name a file in {VARIABLE}: {sqlite_address(path / 'recommendations.db')}",
            )
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is a device, not a SQLite database.", f"Name a file in {VARIABLE}.")
        if not path.parent.is_dir():
            raise UsageError(f"The folder {path.parent} does not exist.", f"Make it, or correct {VARIABLE}.")
        if owner is None and not path.exists():
            raise no_lists(str(path))
        if owner is not None:
            _check_writable(path)
        return cls(_engine(path, cls.busy_seconds, writes=owner is not None), place=str(path), owner=owner)

    def explain(self, error: BaseException) -> NightError | None:
        """Return a readable error for a SQLite error; a TransientError where only a lock was in the way."""
        name = getattr(error, "sqlite_errorname", "") if isinstance(error, sqlite3.Error) else ""
        for prefixes, kind, sentence, hint in _EXPLANATIONS:
            if name.startswith(prefixes):
                return kind(sentence.format(place=self.place, seconds=self.busy_seconds), hint)
        return None

    def begin_load(self, run: int) -> None:
        """Drop leftovers of an interrupted load, and note how large the file is."""
        super().begin_load(run)
        self._used_before = self._used()

    def load(self, run: int, kind: Kind, blocks: Iterable[pa.RecordBatch], on_step: OnStep) -> None:
        """Create a run's table and insert each block in its own transaction: the write-ahead log stays small."""
        table = schema.run_table(kind, run, self.ids)
        with self.write() as con:
            table.create(con)
        for _ in self._insert(sqlite.insert(table), table, blocks):
            on_step("block")

    def upsert_items(self, blocks: Iterable[pa.RecordBatch]) -> None:
        """Insert new items and update changed ones; unchanged rows are not written again."""
        items = schema.items_table(self.ids)
        insert = sqlite.insert(items)
        new = {"title": insert.excluded.title, "genres": insert.excluded.genres}
        changed = sa.or_(*(items.c[name].is_distinct_from(value) for name, value in new.items()))
        upsert = insert.on_conflict_do_update(index_elements=["item_id"], set_=new, where=changed)
        for _ in self._insert(upsert, items, blocks):
            pass

    def _insert(
        self, statement: sqlite.Insert, table: sa.Table, blocks: Iterable[pa.RecordBatch]
    ) -> Iterator[None]:
        """Insert each block in its own transaction, many rows a statement: twice as fast as row by row.

        Columns without a value in the block are written as NULL in the statement: to bind None takes Python's driver as
        long as three numbers.
        """
        names = table.c.keys()

        @cache
        def insert(filled: tuple[str, ...], rows: int) -> str:
            row = {name: None if name in filled else sa.null() for name in names}
            return str(statement.values([row] * rows).compile(self.engine))

        for filled, values in prefetch(_filled_values(block.select(names)) for block in blocks):
            per_statement = _PARAMETERS // len(filled) * len(filled)
            pieces = (
                tuple(values[start : start + per_statement]) for start in range(0, len(values), per_statement)
            )
            with self.write() as con:
                for length, same_size in groupby(pieces, len):
                    con.exec_driver_sql(insert(filled, length // len(filled)), list(same_size))
            yield

    def finish_load(self, run: int, on_step: OnStep) -> None:
        """Do nothing: the tables are clustered by their primary key, so there is no index to build."""

    def size(self, run: int) -> int | None:  # noqa: ARG002
        """Return by how many bytes the used part of the file grew since `begin_load`."""
        return None if self._used_before is None else self._used() - self._used_before

    def _used(self) -> int:
        names = ("page_count", "freelist_count", "page_size")
        with self.read() as con:
            pages, free, size = (int(con.exec_driver_sql(f"pragma {name}").scalar() or 0) for name in names)
        return (pages - free) * size

    def erase_deleted(self, tables: Sequence[str]) -> None:  # noqa: ARG002
        """Write the file anew without free pages, and empty the write-ahead log.

        Raises:
            TransientError: a reader's transaction is still open after `busy_seconds`, so that the log must stay.
        """
        raw = self.engine.raw_connection()
        try:
            cursor = raw.cursor()
            cursor.execute("vacuum")
            busy, *_ = cursor.execute("pragma wal_checkpoint(truncate)").fetchone()
        except sqlite3.Error as error:  # it bypasses SQLAlchemy and `_raise_explained`
            raise self.explain(error) or error from error
        finally:
            raw.close()
        if busy:
            raise TransientError(
                f"A reader's open transaction keeps deleted rows in the write-ahead log of {self.place}.",
                "End that program's transaction, then give the same command again.",
            )

    def upsert(self, con: sa.Connection, table: sa.Table, row: Row) -> None:
        """Insert a row, or update the row with the same primary key."""
        insert = sqlite.insert(table).values(row)
        con.execute(
            insert.on_conflict_do_update(
                index_elements=list(table.primary_key),
                set_={column.name: insert.excluded[column.name] for column in table.c},
            )
        )

    def update_views(self, con: sa.Connection, live: int, previous: int | None, on_step: OnStep) -> None:
        """Replace all views; readers see the new ones when the transaction of `con` commits."""
        self._replace_views(con, live, previous, self.ids, on_step)

    def list_tables(self, con: sa.Connection, ids: IdTypes) -> list[sa.Table]:
        """Return the table of every run and kind that exists."""
        there = set(sa.inspect(con).get_table_names())
        runs = {run for run in map(schema.run_of, there) if run is not None}
        tables = (schema.run_table(kind, run, ids) for run in sorted(runs) for kind in KINDS)
        return [table for table in tables if table.name in there]

    def renew_views(self, con: sa.Connection, ids: IdTypes) -> None:
        """Replace the views of the live run, if any; the transaction of `con` upgrades the schema."""
        live = self._lock_active_run(con)
        if live is not None:
            self._replace_views(con, live, self._previous_run(con, live), ids, ignore_steps)

    def _replace_views(
        self, con: sa.Connection, live: int, previous: int | None, ids: IdTypes, on_step: OnStep
    ) -> None:
        views = [schema.run_view(kind, kind, live, ids) for kind in KINDS]
        before = live if previous is None else previous
        views.append(schema.run_view(PREVIOUS, "recommendations", before, ids, empty=previous is None))
        for view in views:
            con.execute(DropView(view.table, if_exists=True))
        on_step("in_switch")
        for view in views:
            con.execute(view)

    def remove_tables(self, run: int) -> None:
        """Drop the tables of a run, each in its own transaction, so that other writers wait for moments only."""
        for kind in KINDS:
            with self.write() as con:
                schema.run_table(kind, run, self.ids).drop(con, checkfirst=True)


def _check_writable(path: Path) -> None:
    """Raise before the night if the file or its folder, where the write-ahead log lies, cannot be written."""
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise NightError(
                f"{place} is read-only.",
                f"Give this user the right to write the file and its folder, or correct {VARIABLE}.",
            )


def _engine(path: Path, busy_seconds: float, *, writes: bool) -> sa.Engine:
    address = f"{path.as_uri()}?mode={'rwc' if writes else 'ro'}"

    def connect() -> sqlite3.Connection:
        con = sqlite3.connect(
            address, uri=True, isolation_level=None, timeout=busy_seconds, check_same_thread=False
        )
        if writes:
            con.execute("pragma journal_mode = wal")
            con.execute(f"pragma journal_size_limit = {_WAL_BYTES}")
        return con

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, hide_parameters=True)

    @sa.event.listens_for(engine, "begin")
    def begin(con: sa.Connection) -> None:
        # A write transaction takes the write lock at once: one that began by reading may fail to get it later.
        con.exec_driver_sql("begin immediate" if con.get_execution_options().get("writes") else "begin")

    return engine


def _filled_values(block: pa.RecordBatch) -> tuple[tuple[str, ...], list[Any]]:
    """Return the names of the columns that have a value, at least the first, and their values, row by row."""
    names = block.schema.names
    filled = tuple(
        name
        for place, name in enumerate(names)
        if not place or block.column(place).null_count < block.num_rows
    )
    return filled, _row_by_row(block.select(filled))


def _row_by_row(block: pa.RecordBatch) -> list[Any]:
    """Return the values of a block, row by row, in one flat list."""
    values: list[Any] = [None] * (block.num_rows * block.num_columns)
    for place, column in enumerate(block.columns):
        values[place :: block.num_columns] = _values(column)
    return values


def _values(column: pa.Array) -> list[Any]:
    """Return a column as Python values, by way of numpy: five times as fast as Arrow's `to_pylist`."""
    if pa.types.is_string(column.type):  # repeated texts, such as model names, share one object
        coded = column.dictionary_encode()
        texts = np.array([*coded.dictionary.to_pylist(), None], object)
        values: list[Any] = texts[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)].tolist()
        return values
    if column.null_count == len(column):
        return [None] * len(column)
    values = column.fill_null(0).to_numpy(zero_copy_only=False).tolist()
    for place in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
        values[place] = None
    return values


_LOCK_FAULTS = (
    "SQLITE_IOERR_BLOCKED",
    "SQLITE_IOERR_CHECKRESERVEDLOCK",
    "SQLITE_IOERR_LOCK",
    "SQLITE_IOERR_RDLOCK",
    "SQLITE_IOERR_SHMLOCK",
    "SQLITE_IOERR_UNLOCK",
    "SQLITE_PROTOCOL",
)
"""Failures of locking, not of the disk, after which another try may succeed. https://sqlite.org/rescode.html"""

_EXPLANATIONS: tuple[tuple[str | tuple[str, ...], type[NightError], str, str], ...] = (
    (
        "SQLITE_FULL",
        NightError,
        "The disk is full: {place} cannot grow.",
        "Free some space, or lower publish.keep_runs, then run again. The live lists are untouched.",
    ),
    (
        "SQLITE_BUSY",
        TransientError,
        "Another program has held the write lock of {place} for more than {seconds:g} s.",
        "End that program's transaction, then run again.",
    ),
    (
        "SQLITE_LOCKED",
        TransientError,
        "Another query is using a table of {place}.",
        "End that query, then run again.",
    ),
    (
        _LOCK_FAULTS,
        TransientError,
        "The file system under {place} failed to lock the file.",
        "Run again; if it stays, move the database to a local disk.",
    ),
    (
        "SQLITE_READONLY",
        NightError,
        "{place} is read-only.",
        "Give this user the right to write the file and its folder, or correct RECS_PUBLISH__URL.",
    ),
    (
        "SQLITE_CANTOPEN",
        NightError,
        "{place} cannot be opened.",
        "Check that it is a file and that this user may read and write it and its folder.",
    ),
    (
        "SQLITE_NOTADB",
        UsageError,
        "{place} is not a SQLite database.",
        "Correct RECS_PUBLISH__URL, or move that file away.",
    ),
    (
        "SQLITE_CORRUPT",
        NightError,
        "{place} is damaged.",
        "Move it away and run again with --force: it is made anew from the home's artifacts.",
    ),
    (
        "SQLITE_IOERR",
        NightError,
        "The disk under {place} reported an error.",
        "Check the disk and the file system, then run again.",
    ),
)
