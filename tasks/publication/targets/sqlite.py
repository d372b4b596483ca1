"""SQLite as the serving database: a table per run and kind, and views that one transaction replaces.

In WAL mode readers never wait for the writer nor the writer for readers, and each reader's transaction sees
one run from its first read to its last, whatever happens meanwhile. The driver is in autocommit mode and each
transaction begins explicitly: left to themselves, driver and SQLAlchemy commit DDL statement by statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
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
from tasks.publication.targets import schema as tables
from tasks.publication.targets.ahead import ahead
from tasks.publication.targets.base import At, Row, Target
from tasks.publication.targets.ownership import no_lists
from tasks.publication.targets.schema import KINDS, PREVIOUS, Kind

_WAL_BYTES = 64 * 2**20  # what the log may keep on disk after a checkpoint
_PARAMETERS = 999  # of one statement; before 3.32, SQLite takes no more


class SQLiteTarget(Target):
    """A SQLite file in WAL mode."""

    scheme = "sqlite"
    busy_seconds: ClassVar[float] = 30.0
    """How long to wait for somebody else's write lock."""

    _used_before: int | None = None

    @classmethod
    def connect(cls, url: sa.URL, *, owner: str | None) -> SQLiteTarget:
        """Open the file, which is made for an owner if absent. The folder must exist.

        Raises:
            UsageError: the address names no file, or there is nothing to read yet.
            NightError: the folder is missing, or the file cannot be opened or is no database.
        """
        if not url.database or url.database == ":memory:":
            raise UsageError(
                "The publication address names no file.", "Write it as sqlite:///folder/recommendations.db"
            )
        path = Path(url.database).absolute()
        if owner is None and not path.exists():
            raise no_lists(str(path))
        if not path.parent.is_dir():
            raise NightError(
                f"The folder {path.parent} does not exist.", "Make it, or mend RECS_PUBLISH__URL."
            )
        return cls(_engine(path, cls.busy_seconds, writes=owner is not None), place=str(path), owner=owner)

    def explain(self, error: BaseException) -> NightError | None:
        """The clear sentence behind a SQLite error; transient where only a lock was in the way."""
        name = getattr(error, "sqlite_errorname", "") if isinstance(error, sqlite3.Error) else ""
        for starts, kind, sentence, hint in _EXPLANATIONS:
            if name.startswith(starts):
                return kind(sentence.format(place=self.place, seconds=self.busy_seconds), hint)
        return None

    def begin_load(self, run: int) -> None:
        """Also see how large the file is."""
        super().begin_load(run)
        self._used_before = self._used()

    def load(self, run: int, kind: Kind, blocks: Iterable[pa.RecordBatch], at: At) -> None:
        """Make the table, block by block. SQLite empties its log into the file as they commit: it stays small."""
        table = tables.run_table(kind, run, self.ids)
        with self.write() as con:
            table.create(con)
        for _ in self._insert(sqlite.insert(table), table, blocks):
            at("block")

    def upsert_items(self, blocks: Iterable[pa.RecordBatch]) -> None:
        """Add new items and mend changed ones; unchanged rows are not written again."""
        items = tables.items_table(self.ids)
        insert = sqlite.insert(items)
        new = {"title": insert.excluded.title, "genres": insert.excluded.genres}
        changed = sa.or_(*(items.c[name].is_distinct_from(value) for name, value in new.items()))
        mend = insert.on_conflict_do_update(index_elements=["item_id"], set_=new, where=changed)
        for _ in self._insert(mend, items, blocks):
            pass

    def _insert(
        self, statement: sqlite.Insert, table: sa.Table, blocks: Iterable[pa.RecordBatch]
    ) -> Iterator[None]:
        """Insert each block in a transaction of its own, many rows by one statement: twice as fast as row by row."""
        names = table.c.keys()
        most = _PARAMETERS // len(names) * len(names)

        @cache
        def insert(values: int) -> str:
            rows = [dict.fromkeys(names)] * (values // len(names))
            return str(statement.values(rows).compile(self.engine))

        for values in ahead(_row_by_row(block.select(names)) for block in blocks):
            pieces = (tuple(values[start : start + most]) for start in range(0, len(values), most))
            with self.write() as con:
                for length, alike in groupby(pieces, len):
                    con.exec_driver_sql(insert(length), list(alike))
            yield

    def finish_load(self, run: int, at: At) -> None:
        """Nothing: the tables are their own primary key index."""

    def size(self, run: int) -> int | None:  # noqa: ARG002
        """By how much the used part of the file grew since `begin_load`."""
        return None if self._used_before is None else self._used() - self._used_before

    def _used(self) -> int:
        names = ("page_count", "freelist_count", "page_size")
        with self.read() as con:
            pages, free, size = (int(con.exec_driver_sql(f"pragma {name}").scalar() or 0) for name in names)
        return (pages - free) * size

    def upsert(self, con: sa.Connection, table: sa.Table, row: Row) -> None:
        """Insert a row, or update the one with its primary key."""
        insert = sqlite.insert(table).values(row)
        con.execute(
            insert.on_conflict_do_update(
                index_elements=list(table.primary_key),
                set_={column.name: insert.excluded[column.name] for column in table.c},
            )
        )

    def show(self, con: sa.Connection, live: int, previous: int | None, at: At) -> None:
        """Replace all views. Readers see none of it until the transaction of `con` commits."""
        views = [tables.run_view(kind, kind, live, self.ids) for kind in KINDS]
        before = live if previous is None else previous
        views.append(tables.run_view(PREVIOUS, "recommendations", before, self.ids, empty=previous is None))
        for view in views:
            con.execute(DropView(view.table, if_exists=True))
        at("in_switch")
        for view in views:
            con.execute(view)

    def remove_tables(self, run: int) -> None:
        """Drop the tables of a run, each in its own short transaction."""
        for kind in KINDS:
            with self.write() as con:
                tables.run_table(kind, run, self.ids).drop(con, checkfirst=True)


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
        # A write transaction takes its lock at once: one that began by reading could not get it later.
        con.exec_driver_sql("begin immediate" if con.get_execution_options().get("writes") else "begin")

    return engine


def _row_by_row(block: pa.RecordBatch) -> list[Any]:
    """The values of a block, one row after the other."""
    values: list[Any] = [None] * (block.num_rows * block.num_columns)
    for place, column in enumerate(block.columns):
        values[place :: block.num_columns] = _values(column)
    return values


def _values(column: pa.Array) -> list[Any]:
    """The column as Python values, through numpy: Arrow makes a scalar of each first, five times as slow."""
    if pa.types.is_string(column.type):  # few different ones, as models are, become few objects
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
"""Failures of locking, not of the disk: they pass. https://sqlite.org/rescode.html"""

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
        "The file system under {place} could not give a lock.",
        "Run again; if it stays, move the database to a local disk.",
    ),
    (
        "SQLITE_READONLY",
        NightError,
        "{place} is read-only.",
        "Give this user the right to write the file and its folder, or mend RECS_PUBLISH__URL.",
    ),
    (
        "SQLITE_CANTOPEN",
        NightError,
        "{place} cannot be opened.",
        "Check that it is a file and that this user may read and write it and its folder.",
    ),
    (
        "SQLITE_NOTADB",
        NightError,
        "{place} is not a SQLite database.",
        "Mend RECS_PUBLISH__URL, or move that file away.",
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
