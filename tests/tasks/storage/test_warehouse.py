"""The warehouse keeps to the threads and the memory of the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.numerics import resources as module
from models.numerics.resources import Resources
from tasks.storage.warehouse import open_warehouse


@pytest.mark.parametrize(
    ("limits", "shown"), [(Resources(1, 3000), (1, "1.3 GiB")), (Resources(3, 512), (3, "244.1 MiB"))]
)
def test_duckdb_keeps_to_the_resources(
    monkeypatch: pytest.MonkeyPatch, limits: Resources, shown: tuple[int, str]
) -> None:
    monkeypatch.setattr(module._InForce, "limits", limits)
    with open_warehouse(Path(":memory:")) as con:
        found = con.execute("select current_setting('threads'), current_setting('memory_limit')").fetchone()
        assert con.cursor().execute("select current_setting('threads')").fetchone() == (shown[0],)
    assert found == shown
