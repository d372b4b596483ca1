"""The engine of Ray on one node: order, errors, warnings, requests that no node can meet."""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pyarrow as pa
import pytest

from tasks.config.engine_settings import EngineSettings
from tasks.engine.engine import BlockWork, MakeTable, Rows, blocks_of
from tasks.errors import NightError, UsageError
from tasks.storage.stage import Request, stage

pytest.importorskip("ray", reason="Ray is an extra: pip install 'nightly-recs[ray]'")

from benchmarks.ray_nodes import ray_nodes
from tasks.engine.ray import RayEngine, connected

pytestmark = pytest.mark.slow

log = logging.getLogger("tasks.example")


def open_slow_first(seconds: float) -> MakeTable:
    """Return a function whose first block takes longest, and which warns and tells its threads."""

    def make(rows: Rows) -> pa.Table:
        time.sleep(seconds if rows.start == 0 else 0)
        log.warning("A block was made.")
        n_rows = rows.stop - rows.start
        return pa.table({"n": list(range(*rows)), "threads": [os.environ["OMP_NUM_THREADS"]] * n_rows})

    return make


def open_broken(_: None) -> MakeTable:
    def make(rows: Rows) -> pa.Table:
        raise NightError(f"Block {rows.start} is broken.", "Mend it.")

    return make


@stage("example", request=lambda given: Request(given["memory_mb"]))
def example(memory_mb: float, *, folder: Path) -> int:
    """Write a file and return the number of the process; raise an error for 13 MB."""
    if memory_mb == 13:
        raise ZeroDivisionError("13")
    log.warning("A stage was run.")
    (folder / "made").touch()
    return os.getpid()


@stage("unasked")
def unasked(*, folder: Path) -> int:
    """Return the number of the process."""
    return os.getpid() if folder.exists() else 0


def test_an_address_without_a_cluster_is_refused_at_once() -> None:
    """It comes first, before the other tests connect this process."""
    with (
        pytest.raises(UsageError, match=r"engine.address = '127.0.0.1:1' \(.*refused\)\.") as raised,
        connected(EngineSettings(address="127.0.0.1:1")),
    ):
        pass
    assert "ray start --head" in raised.value.hint


@pytest.fixture(scope="module")
def engine() -> Iterator[RayEngine]:
    with (
        ray_nodes(workers=2, memory_mb=1000) as nodes,
        connected(EngineSettings(address=nodes.address)) as made,
    ):
        yield made


def test_tables_come_in_order_and_leave_no_file(engine, tmp_path: Path, caplog) -> None:
    work = BlockWork(open_slow_first, 1.0, memory_mb=100)
    found = pa.concat_tables(engine.tables(work, blocks_of(25, 2), tmp_path))
    assert found["n"].to_pylist() == list(range(25))
    assert set(found["threads"].to_pylist()) == {"1"}
    assert list(tmp_path.iterdir()) == []
    assert [record.message for record in caplog.records if record.name == log.name] == ["A block was made."]


def test_the_error_of_a_block_is_raised_and_nothing_left(engine, tmp_path: Path) -> None:
    with pytest.raises(NightError, match=r"^Block \d is broken\.$") as raised:
        list(engine.tables(BlockWork(open_broken, None), blocks_of(4, 1), tmp_path))
    assert raised.value.hint == "Mend it."
    assert list(tmp_path.iterdir()) == []


def test_a_stage_with_a_request_runs_on_a_worker(engine, tmp_path: Path, caplog) -> None:
    assert engine.run(example, {"memory_mb": 50}, {"folder": tmp_path, "progress": print}) != os.getpid()
    assert (tmp_path / "made").exists()
    assert "A stage was run." in caplog.text
    assert engine.run(unasked, {}, {"folder": tmp_path}) == os.getpid()


def test_the_error_of_a_stage_keeps_its_class(engine, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match=r"^13$"):
        engine.run(example, {"memory_mb": 13}, {"folder": tmp_path})


def test_a_process_that_outgrew_its_request_is_warned_of(engine, tmp_path: Path, caplog) -> None:
    RayEngine(engine.settings).run(example, {"memory_mb": 1}, {"folder": tmp_path})
    assert any("and 1 MB were asked for" in record.message for record in caplog.records)


def test_a_request_larger_than_every_node_is_refused(engine, tmp_path: Path) -> None:
    with pytest.raises(NightError, match=r"large enough for example, which asks for 1 CPUs and 2,000 MB\."):
        engine.run(example, {"memory_mb": 2000}, {"folder": tmp_path})


def test_numba_compiles_while_this_process_is_connected(engine: RayEngine) -> None:
    """Numba refuses to, once its threads run, if the environment names another number than theirs."""
    numba.njit(parallel=True)(_sum)(np.ones(8))
    n_threads = numba.get_num_threads()
    with connected(EngineSettings(address=engine.settings.address, fit_cpus=n_threads + 1)):
        assert os.environ["OMP_NUM_THREADS"] == str(n_threads + 1)
        assert numba.njit(lambda n: n + 1)(1) == 2
    assert numba.njit(lambda n: n + 2)(1) == 3


def _sum(values: np.ndarray) -> float:
    total = 0.0
    for place in numba.prange(len(values)):
        total += values[place]
    return total
