"""The data of a replay: a copy of the clean tables for the outcomes, and of their past for each replayed night.

The night reads a database that holds nothing of its `as_of` or later, so that no query can let the future leak into its
lists. The copy also leaves the warehouse to nights that run meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from tasks.artifacts import CleanData, IdType
from tasks.config.settings import Settings
from tasks.datasets.prepare import prepare
from tasks.errors import UsageError
from tasks.ingestion.clean import INTEGER_SHARE, clean
from tasks.ingestion.land import land
from tasks.monitoring.events import Watcher, watched
from tasks.preparation.time_windows import order_by_time
from tasks.replay.plan import Plan
from tasks.storage.home import Home, locked
from tasks.storage.warehouse import open_warehouse, run_file


def copy_history(home: Home, settings: Settings, plan: Plan, path: Path, watcher: Watcher) -> CleanData:
    """Land and clean new input files, and copy the clean tables to `path`, where a complete copy may be.

    The home's lock is released at the end, so that a night may run during the replay.

    Args:
        home: the home whose past is replayed.
        settings: how data are read.
        plan: the days.
        path: of the copy, a DuckDB file.
        watcher: receives progress events.

    Raises:
        LockedError: a night is running.
        UsageError: the plan's days lie before all data or after it.
    """
    with locked(home):
        prepare(home, watcher)
        with open_warehouse(home.warehouse) as con, watched(watcher, "history") as stage:
            now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
            intake = land(con.cursor(), home.input, settings.data, landed_at=now, forgotten=home.forgotten)
            data = clean(con.cursor(), intake, settings.data, id_types=home.id_types())
            if home.id_types() is None and "TEXT" in (data.user_id_type, data.item_id_type):
                types = _types_of_first_night(con.cursor(), settings, data, plan.since)
                data = clean(con.cursor(), intake, settings.data, id_types=types)
            _require_data(con.cursor(), plan, data)
            _copy(con, path)
            stage.note = f"{sum(count.clean for count in data.counts):,} clean rows"
    return data


def _types_of_first_night(
    con: duckdb.DuckDBPyConnection, settings: Settings, data: CleanData, first: datetime
) -> tuple[IdType, IdType]:
    """Return the id types that the first replayed night would have fixed: ids that came later cannot change them."""
    shares = run_file(con, "warehouse/replay/integer_shares_before.sql", as_of=first).fetchone() or (
        None,
        None,
    )
    user, item = (
        "BIGINT" if choice == "auto" and share is not None and share >= INTEGER_SHARE else found
        for choice, share, found in zip(
            (settings.data.user_id, settings.data.item_id), shares, (data.user_id_type, data.item_id_type),
            strict=True,
        )
    )  # fmt: skip
    return user, item


def _require_data(con: duckdb.DuckDBPyConnection, plan: Plan, data: CleanData) -> None:
    """Raise unless there are interactions before the first day, and in the windows after the days."""
    order_by_time(con)
    end = plan.days[-1] + plan.horizon
    row = run_file(con, "warehouse/replay/interactions_between.sql", since=plan.since, until=end).fetchone()
    before, inside, first = row or (0, 0, None)
    if not before:
        when = "" if first is None else f" The first one is of {first:%Y-%m-%d}."
        raise UsageError(
            f"There is no interaction before --from {plan.since:%Y-%m-%d}, so that nothing could be learned.",
            f"{when} Give a later --from.".lstrip(),
        )
    if not inside:
        raise UsageError(
            f"There is no interaction from {plan.since:%Y-%m-%d} until {end:%Y-%m-%d}: nothing can be judged.",
            f"The newest one is of {data.until:%Y-%m-%d}. Choose days that lie within the data.",
        )


def _copy(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write the copy beside `path` and rename it, so that a copy is always complete."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    partial.with_name(f"{partial.name}.wal").unlink(missing_ok=True)
    con.execute(f"attach '{_quoted(partial)}' as history")
    run_file(con, "warehouse/replay/keep_history.sql")
    con.execute("detach history")
    partial.replace(path)


@contextmanager
def open_history(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the copy, read-only, behind an empty database in memory that takes views and tables."""
    con = duckdb.connect(":memory:")
    try:
        con.execute(f"attach '{_quoted(path)}' as history (read_only)")
        con.execute("set search_path = 'memory.main,history.main'")
        con.execute("set global timezone = 'UTC'")
        con.execute("set global preserve_insertion_order = true")
        yield con
    finally:
        con.close()


@contextmanager
def open_past(history: Path, path: Path, as_of: datetime) -> Iterator[duckdb.DuckDBPyConnection]:
    """Make a warehouse of what was known at `as_of`, and open it for a night.

    Args:
        history: the copy of all.
        path: where to make the warehouse; an earlier one is replaced.
        as_of: rows at that moment or later are left out.
    """
    path.unlink(missing_ok=True)
    path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    with open_warehouse(path) as con:
        con.execute(f"attach '{_quoted(history)}' as history (read_only)")
        run_file(con, "warehouse/replay/past.sql", as_of=as_of)
        con.execute("detach history")
        yield con


def has_news(con: duckdb.DuckDBPyConnection, since: datetime, until: datetime) -> bool:
    """Return whether there is an interaction at or after `since` and before `until`."""
    row = run_file(con, "warehouse/replay/interactions_between.sql", since=since, until=until).fetchone()
    return row is not None and row[1] > 0


def _quoted(path: Path) -> str:
    """Return a path as it stands inside quotes of SQL: ATTACH takes no parameters."""
    return str(path).replace("'", "''")
