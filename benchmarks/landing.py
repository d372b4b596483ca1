"""Measure how fast files land: one, the same rows in many, and one per cent more on top of it.

python -m benchmarks.landing [--rows 2500000] [--files 1000] [--more 0.01] [--repeats 3] [--folder FOLDER] [--whole]

Ratings are generated, ordered by time, and written to one file, ratings.csv, and in equal parts to many files in
incoming/. Each layout lands in an empty warehouse. Then `--more` of the rows arrive as one file in incoming/ beside
the landed ratings.csv, which is not hashed again. With --folder the ratings.csv of a data set, such as one that `recs
generate` made, takes the place of the generated one. For comparison, DuckDB reads the same files in one statement
into a table of texts, without a header's check, line numbers, hashes or a transaction; what arrives as 1 % more is
then read alone. Then the whole folder lands and is cleaned, and DuckDB counts and adds up its ratings, tags and events;
`--whole` measures nothing else. Each figure is the least of `--repeats` runs, because other programs can only add to
it. The last lines are machine-readable; `ours_s` and `bare_s` are seconds, `share` that of the full landing, and the
last line is about the whole folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from benchmarks import intake
from benchmarks.command import at_least, refuse_bad_input
from benchmarks.last_line import to_line
from tasks.config.data_settings import DataSettings
from tasks.errors import UsageError
from tasks.ingestion import file_digest
from tasks.ingestion.land import land
from tasks.storage.warehouse import open_warehouse

SETTLED = 2.5  # s; a file is hashed again until it has lain for two
AN_HOUR = 3600
PARTS = "copy (select * exclude (part) from rows where part = {part}) to '{path}' (header)"


def main() -> None:
    """Write the files, land them, and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=at_least(100), default=2_500_000)
    parser.add_argument("--files", type=at_least(2), default=1000)
    parser.add_argument(
        "--more", type=float, default=0.01, help="rows that arrive later, as a share of the others"
    )
    parser.add_argument("--repeats", type=at_least(1), default=3)
    parser.add_argument(
        "--folder", type=Path, help="a data set with a ratings.csv, in place of generated ratings"
    )
    parser.add_argument(
        "--whole", action="store_true", help="only land and clean the whole folder, which --folder names"
    )
    arguments = parser.parse_args()
    if arguments.whole and arguments.folder is None:
        raise UsageError("--whole needs --folder.", "Name a folder that `recs generate` has made.")
    if not 0 < arguments.more <= 1:
        raise UsageError(
            f"--more is {arguments.more}; a share above 0 and at most 1 was expected.", "Try 0.01."
        )
    given = None if arguments.folder is None else arguments.folder / "ratings.csv"
    if given is not None and not given.is_file():
        raise UsageError(f"There is no {given}.", "Name a folder that `recs generate` has made.")
    with tempfile.TemporaryDirectory(prefix="nightly-recs-") as where:
        folder = Path(where)
        if not arguments.whole:
            compare_layouts(folder, given, arguments)
        source = arguments.folder or folder / "one"
        runs = [intake.landed_and_cleaned(folder, source) for _ in range(arguments.repeats)]
        land_s, clean_s = min(runs, key=sum)
        bare_s = min(intake.bare_count(source) for _ in range(arguments.repeats))
    figures = {"land_s": land_s, "clean_s": clean_s, "ours_s": land_s + clean_s, "bare_s": bare_s}
    print(to_line(figures | {"ratio": (land_s + clean_s) / bare_s}))


def compare_layouts(folder: Path, given: Path | None, arguments: argparse.Namespace) -> None:
    """Land one file, many and one more; print a line each.

    Args:
        folder: an empty one, for input files and warehouses; one/ stays there.
        given: a ratings.csv; None for generated ratings.
        arguments: of the command line.
    """
    n_rows, n_more = write_files(folder, given, arguments)
    time.sleep(SETTLED)
    one, many, more = folder / "one", folder / "many", folder / "more.csv"
    alone = [landed(folder, one) for _ in range(arguments.repeats)]
    parts = [landed(folder, many) for _ in range(arguments.repeats)]
    nights = [landed(folder, one, more) for _ in range(arguments.repeats)]
    figures = [
        (1, n_rows, min(alone), bare(folder, one / "*.csv", arguments.repeats)),
        (arguments.files, n_rows, min(parts), bare(folder, many / "incoming/*.csv", arguments.repeats)),
        (1, n_more, min(nights), bare(folder, more, arguments.repeats)),
    ]
    for files, rows, ours, plain in figures:
        print(f"files={files} rows={rows} ours_s={ours:.2f} bare_s={plain:.2f} share={ours / min(alone):.3f}")


def write_files(folder: Path, given: Path | None, arguments: argparse.Namespace) -> tuple[int, int]:
    """Write one/ratings.csv, many/incoming/*.csv and more.csv; return the rows of the first two, and of the third."""
    one, incoming = folder / "one", folder / "many/incoming"
    one.mkdir()
    incoming.mkdir(parents=True)
    with duckdb.connect() as con:
        source = "select * from read_csv($given, all_varchar = true)" if given else GENERATED
        parameters = {"given": str(given)} if given else {"rows": arguments.rows}
        con.execute(f"create table ratings as {source}", parameters)
        [(n_rows,)] = con.execute("select count(*) from ratings").fetchall()
        n_more = max(1, round(n_rows * arguments.more))
        con.execute(
            "create table rows as select *, rowid * $files // $rows as part from ratings",
            {"files": arguments.files, "rows": n_rows},
        )
        con.execute(f"copy ratings to '{one / 'ratings.csv'}' (header)")
        con.execute(
            f"copy (from ratings limit {n_more} offset {n_rows - n_more}) to '{folder / 'more.csv'}' (header)"
        )
        for part in range(arguments.files):
            con.execute(PARTS.format(part=part, path=incoming / f"ratings-{part:06}.csv"))
    for path in folder.rglob("*.csv"):
        os.utime(path, (time.time() - AN_HOUR,) * 2)
    return n_rows, n_more


GENERATED = """
    select
        (hash(i) % 160000)::text as "userId",
        (hash(i, 1) % 60000)::text as "movieId",
        ((1 + hash(i, 2) % 10) / 2)::text as rating,
        (1577836800 + i * 60)::text as timestamp
    from range($rows) as numbers(i)
"""


def landed(folder: Path, source: Path, more: Path | None = None) -> float:
    """Return the seconds in which a folder lands in an empty warehouse; with `more`, those of the night after.

    Args:
        folder: where to put the warehouse.
        source: the input folder.
        more: a file that arrives in incoming/ once the folder has landed. Hashes are those that the warehouse keeps.
    """
    warehouse = folder / "warehouse.duckdb"
    arrived = source / "incoming/ratings-more.csv"
    with open_warehouse(warehouse) as con:
        seconds = land_once(con, source)
        if more is not None:
            arrived.parent.mkdir(exist_ok=True)
            shutil.copy2(more, arrived)
            seconds = land_once(con, source)
            shutil.rmtree(arrived.parent)
    warehouse.unlink()
    return seconds


def land_once(con: duckdb.DuckDBPyConnection, source: Path) -> float:
    """Land a folder as a new process would; return the seconds."""
    file_digest.forget_digests()
    began = time.perf_counter()
    land(con, source, DataSettings(), landed_at=datetime.now(UTC))
    return time.perf_counter() - began


def bare(folder: Path, files: Path, repeats: int) -> float:
    """Return the least seconds in which DuckDB reads files into a table of texts on the disk."""
    seconds = []
    for _ in range(repeats):
        database = folder / "bare.duckdb"
        with duckdb.connect(database) as con:
            began = time.perf_counter()
            con.execute(
                "create table ratings as from read_csv($files, all_varchar = true)", {"files": str(files)}
            )
            con.execute("checkpoint")
            seconds.append(time.perf_counter() - began)
        database.unlink()
    return min(seconds)


if __name__ == "__main__":
    refuse_bad_input(main)
