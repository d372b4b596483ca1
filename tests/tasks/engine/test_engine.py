"""Blocks of rows, the engine of one machine, and what is refused where no other engine is installed."""

from pathlib import Path

import pyarrow as pa
import pytest

from tasks.config.engine_settings import EngineSettings
from tasks.engine import open_engine as module
from tasks.engine.engine import BlockWork, Rows, blocks_of, watched
from tasks.engine.local import LOCAL
from tasks.engine.open_engine import open_engine
from tasks.errors import UsageError


def numbers_from(first: int):
    return lambda rows: pa.table({"n": list(range(first + rows.start, first + rows.stop))})


def test_blocks_cover_every_row_once() -> None:
    assert blocks_of(7, 3) == [Rows(0, 3), Rows(3, 6), Rows(6, 7)]
    assert blocks_of(6, 3) == [Rows(0, 3), Rows(3, 6)]
    assert blocks_of(0, 3) == []


def test_local_tables_come_in_the_order_of_blocks(tmp_path: Path) -> None:
    blocks, told = blocks_of(5, 2), []
    tables = LOCAL.tables(BlockWork(numbers_from, 10), blocks, tmp_path)
    found = pa.concat_tables(watched(tables, blocks, lambda done, total: told.append((done, total))))
    assert found["n"].to_pylist() == [10, 11, 12, 13, 14]
    assert told == [(2, 5), (4, 5), (5, 5)]
    assert list(tmp_path.iterdir()) == []


def test_local_tables_use_what_is_open(tmp_path: Path) -> None:
    work = BlockWork(numbers_from, 10)
    [table] = LOCAL.tables(work, [Rows(0, 2)], tmp_path, opened=numbers_from(20))
    assert table["n"].to_pylist() == [20, 21]


def test_ray_is_refused_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with (
        pytest.raises(
            UsageError, match=r'^engine.kind = "ray" needs ray and prefect_ray, which are not'
        ) as raised,
        open_engine(EngineSettings(kind="ray")),
    ):
        pass
    assert raised.value.hint == "Install with: pip install 'nightly-recs[ray]'"
    assert raised.value.exit_code == 2


@pytest.mark.parametrize("address", ["auto", "10.0.0.1:6379", "ray://head.example:10001"])
def test_addresses_of_ray_are_taken(address: str) -> None:
    assert EngineSettings(address=address).address == address


@pytest.mark.parametrize("address", ["", "head", "http://head:80", "ray://", "a b:1", "ray://u:p@head:1"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="it takes auto, HOST:PORT or ray://HOST:PORT"):
        EngineSettings(address=address)


def test_als_is_fitted_in_blocks_on_ray_alone() -> None:
    settings = EngineSettings(kind="ray", als_blocks=4)
    assert (settings.blocks_of("als"), settings.blocks_of("bpr")) == (4, 0)
    assert EngineSettings(kind="local", als_blocks=4).blocks_of("als") == 0
    assert EngineSettings(kind="ray").blocks_of("als") == 0
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        EngineSettings(als_blocks=-1)
