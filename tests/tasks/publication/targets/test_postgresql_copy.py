"""PostgreSQL reads the encoded rows as they were, and the bytes are those of the documented format."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.publication.targets.postgresql_copy import HEADER, TRAILER, encoded
from tests.examples import examples

ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    )
)
SCHEMA = pa.schema({"i": pa.int32(), "b": pa.int64(), "f": pa.float64(), "t": pa.string()})


@pytest.fixture(scope="module")
def con(postgres: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres) as con:
        con.execute("create temporary table copied (i integer, b bigint, f double precision, t text)")
        yield con


def oracle(block: pa.RecordBatch) -> bytes:
    """Encode value by value, as PostgreSQL's manual describes the format."""
    formats = {pa.int32(): ">i", pa.int64(): ">q", pa.float64(): ">d"}
    rows = []
    for row in block.to_pylist():
        rows.append(struct.pack(">h", len(row)))
        for value, kind in zip(row.values(), block.schema.types, strict=True):
            if value is None:
                rows.append(struct.pack(">i", -1))
                continue
            data = value.encode() if isinstance(value, str) else struct.pack(formats[kind], value)
            rows.append(struct.pack(">i", len(data)) + data)
    return b"".join(rows)


def as_read(con: psycopg.Connection, block: pa.RecordBatch) -> list[tuple]:
    con.execute("truncate copied")
    with con.cursor() as cursor, cursor.copy("copy copied from stdin (format binary)") as copy:
        for part in (HEADER, encoded(block), TRAILER):
            copy.write(part)
    return con.execute("select * from copied order by ctid").fetchall()


@given(ROWS, st.integers(0, 5))
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_read_as_they_were_written(con: psycopg.Connection, rows: list[tuple], start: int) -> None:
    """Slices of a block too."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    block = pa.record_batch(arrays, schema=SCHEMA).slice(start)
    assert bytes(encoded(block)) == oracle(block)
    assert as_read(con, block) == rows[start:]


def test_nan_has_the_bytes_of_the_format() -> None:
    block = pa.record_batch({"f": pa.array([float("nan"), -0.0, None])})
    assert bytes(encoded(block)) == oracle(block)


def test_unknown_types_are_refused() -> None:
    with pytest.raises(TypeError, match="no binary COPY for columns of type bool: int32, int64"):
        encoded(pa.record_batch({"x": pa.array([True])}))
