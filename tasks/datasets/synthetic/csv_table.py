"""CSV files of a generated data set, written block by block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from tasks.datasets.synthetic.exact_numbers import Ints

_OPTIONS = arrow_csv.WriteOptions(include_header=False, quoting_style="none")


class CsvTable:
    """A CSV file to which blocks of rows are appended. No value may need quotes."""

    def __init__(self, path: Path, header: str) -> None:
        self._file = path.open("wb")
        self._file.write(f"{header}\n".encode())

    def append(self, rows: pa.Buffer) -> None:
        """Write rows that `csv_rows` made."""
        self._file.write(rows)

    def __enter__(self) -> CsvTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def csv_rows(*columns: Any) -> pa.Buffer:
    """Return columns of equal length as lines of CSV, without a header. It takes no lock of Python's for most of it."""
    table = pa.table([pa.array(column) for column in columns], names=[str(n) for n in range(len(columns))])
    lines = pa.BufferOutputStream()
    arrow_csv.write_csv(table, lines, _OPTIONS)
    return lines.getvalue()


def look_up(vocabulary: Any, index: Ints) -> pa.Array:
    """Return the word of each index."""
    return pa.array(list(vocabulary), pa.string()).take(pa.array(index))
