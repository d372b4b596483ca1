"""Repeated hashes against a group by."""

from __future__ import annotations

import duckdb
import pytest

from tasks.ingestion.repeats import repeated_hashes


@pytest.mark.parametrize("at_once", [1 << 26, 1000, 70])
@pytest.mark.parametrize(("rows", "values"), [(0, 1), (1, 1), (2, 1), (5000, 3000), (5000, 1)])
def test_repeated_hashes_are_those_of_a_group_by(rows: int, values: int, at_once: int) -> None:
    with duckdb.connect() as con:
        con.execute(
            f"create view hashes as select hash(hash(i, 1) % {values}) as hash from range({rows}) as numbers(i)"
        )
        grouped = con.execute("select hash from hashes group by hash having count(*) > 1").fetchall()
        found = repeated_hashes(con, "hashes", at_once)
    assert sorted(found.tolist()) == sorted(value for (value,) in grouped)
    assert found.dtype == "uint64"
