"""Search a home for what is left of a text id, without any of the product's own code: in bytes, and decoded.

python -m benchmarks.month_traces TEXT FOLDER prints a line for each place.
"""

from __future__ import annotations

import gzip
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq


def places_with(text: str, folder: Path) -> list[str]:
    """Return the files below a folder that hold a text, with the table where it is one.

    Every file is searched byte by byte, gzip and zip (npz) decompressed, Parquet and DuckDB decoded. Databases that
    another process writes are skipped only if they cannot be opened, which is an error.
    """
    return [
        f"{path.relative_to(folder)}{where}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
        for where in _where(text.encode(), path)
    ]


def _where(sought: bytes, path: Path) -> Iterator[str]:
    if sought in path.read_bytes():
        yield ""
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            if sought in file.read():
                yield " (inside)"
    elif path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            yield from (f" ({name})" for name in archive.namelist() if sought in archive.read(name))
    elif path.suffix == ".parquet":
        table = pq.read_table(path)
        yield from (
            f" ({name})" for name in table.column_names if sought in str(table[name].to_pylist()).encode()
        )
    elif path.suffix == ".duckdb":
        yield from _tables_with(sought.decode(), path)


def _tables_with(text: str, path: Path) -> Iterator[str]:
    with duckdb.connect(str(path), read_only=True) as con:
        tables = con.execute(
            "select table_name from duckdb_tables() where not internal order by all"
        ).fetchall()
        for (table,) in tables:
            query = f'select count(*) from "{table}" as row where contains(row::text, $text)'  # noqa: S608
            if con.execute(query, {"text": text}).fetchone() != (0,):
                yield f" ({table})"


if __name__ == "__main__":
    print(*places_with(sys.argv[1], Path(sys.argv[2])), sep="\n", end="")
