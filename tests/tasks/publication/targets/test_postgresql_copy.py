"""What is encoded for COPY is what PostgreSQL reads."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.publication.targets.postgresql_copy import HEADER, TRAILER, encoded

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


def through(con: psycopg.Connection, block: pa.RecordBatch) -> list[tuple]:
    con.execute("truncate copied")
    with con.cursor() as cursor, cursor.copy("copy copied from stdin (format binary)") as copy:
        for part in (HEADER, encoded(block), TRAILER):
            copy.write(part)
    return con.execute("select * from copied order by ctid").fetchall()


@given(ROWS, st.integers(0, 5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_out_as_they_went_in(con: psycopg.Connection, rows: list[tuple], start: int) -> None:
    """Also of a block that is a part of another one."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 4
    arrays = [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
    assert through(con, pa.record_batch(arrays, schema=SCHEMA).slice(start)) == rows[start:]


def test_a_type_that_is_not_known_is_refused() -> None:
    with pytest.raises(TypeError, match="no binary COPY for columns of type bool"):
        encoded(pa.record_batch({"x": pa.array([True])}))
