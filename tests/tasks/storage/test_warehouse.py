"""The warehouse keeps to the threads and the memory of the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.numerics import resources as module
from models.numerics.resources import Resources
from tasks.storage.warehouse import give_back_memory, open_warehouse

STATUS = Path("/proc/self/status")


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


@pytest.mark.skipif(
    not STATUS.exists(), reason="reads the memory of this process from /proc, which is there on Linux"
)
def test_memory_that_queries_have_freed_is_given_back() -> None:
    with open_warehouse(Path(":memory:")) as con:
        con.execute(
            "create temp table kept as select i * 7919 % 3000000 as n, count(*) as times "
            "from range(6000000) numbers(i) group by n"
        )
        con.execute("drop table kept")
        before = own_mb()
        give_back_memory(con)
        assert own_mb() < before - 50


def own_mb() -> float:
    """Return the memory of this process that no file backs, in MB."""
    [kilobytes] = [line.split()[1] for line in STATUS.read_text().splitlines() if line.startswith("RssAnon")]
    return int(kilobytes) / 1024
