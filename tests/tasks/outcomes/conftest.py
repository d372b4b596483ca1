"""A warehouse shared by the tests of one module; each test replaces its clean tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tasks.storage.warehouse import open_warehouse


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(Path(":memory:")) as connection:
        yield connection
