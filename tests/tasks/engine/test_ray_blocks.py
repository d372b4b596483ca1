"""Fits in blocks on the actors of two nodes: bits, errors, room, and a node that dies in their midst."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models.factors.als import ALS, ALSConfig
from models.factors.als_block import ALSBlock
from models.interactions import Interactions
from models.row_blocks import InProcess
from tasks.config.engine_settings import EngineSettings
from tasks.engine.engine import BlockedFit
from tasks.errors import NightError
from tests.models.contract import small_world

pytest.importorskip("ray", reason="Ray is an extra: pip install 'nightly-recs[ray]'")

import ray

from benchmarks.ray_nodes import Nodes, ray_nodes
from tasks.engine.ray import RayEngine, connected
from tasks.engine.ray_blocks import BlockHolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_nodes(workers=2, memory_mb=1000) as started:
        yield started


@pytest.fixture(scope="module")
def engine(nodes: Nodes) -> Iterator[RayEngine]:
    with connected(EngineSettings(address=nodes.address)) as made:
        yield made


def blocked_fit(folder: Path, data: Interactions, memory_mb: float) -> BlockedFit:
    (folder / "snapshot").mkdir()
    data.save(folder / "snapshot")
    return BlockedFit(
        "fit als", 3, data.composite, folder / "snapshot", "composite", folder, lambda _: memory_mb
    )


def test_als_in_blocks_on_actors_has_the_bits_of_one_process(engine, tmp_path: Path) -> None:
    """Bits depend on the number of blocks alone; here three blocks live on two actors."""
    data, found = small_world(), []
    for name, runner in (
        ("here", InProcess(3, tmp_path / "here")),
        ("there", engine.runner(blocked_fit(tmp_path, data, 400))),
    ):
        (tmp_path / name).mkdir()
        model = ALS(ALSConfig(factors=8, iterations=3))
        model.runner = runner
        found.append(np.array(model.fit(data, seed=3).user_factors_))
    assert np.array_equal(*found)
    assert engine.peaks["fit als"][1] == 400
    assert engine.peaks["fit als"][0] > 50


def test_blocks_of_a_matrix_that_the_model_changed(engine, tmp_path: Path) -> None:
    data = small_world()
    data.composite.data[::3] = 0
    model, whole = (ALS(ALSConfig(factors=8, iterations=1)) for _ in range(2))
    model.runner = engine.runner(blocked_fit(tmp_path, data, 400))
    found, expected = (each.fit(data, seed=3).user_factors_ for each in (model, whole))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_blocks_that_find_no_room_are_refused(engine, tmp_path: Path) -> None:
    model = ALS(ALSConfig(factors=8))
    model.runner = engine.runner(blocked_fit(tmp_path, small_world(), 2000))
    with pytest.raises(
        NightError, match=r"no room for the 3 blocks of fit als: each asks for 1 CPUs and 2,000 MB\."
    ):
        model.fit(small_world(), seed=3)


def test_the_error_of_a_block_of_a_fit_keeps_its_class(engine, tmp_path: Path) -> None:
    data, runner = small_world(), engine.runner(blocked_fit(tmp_path, small_world(), 400))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        runner.run(ALSBlock, data.composite, lambda blocks, _: blocks.call("nothing"))


class Sender:
    """A block that sends the same array to two others, and a new one to two more."""

    def __init__(self) -> None:
        self.whole = np.arange(3)

    def pieces(self) -> Iterator[np.ndarray]:
        yield from (self.whole, np.zeros(2), self.whole, np.ones(2))


@pytest.mark.usefixtures("engine")
def test_an_array_for_several_blocks_is_stored_once() -> None:
    holder = BlockHolder()
    holder._blocks = {0: Sender()}
    sent = holder.send(0, "pieces", ())
    assert [piece.tolist() for piece in ray.get(sent)] == [[0, 1, 2], [0, 0], [0, 1, 2], [1, 1]]
    assert sent[0] == sent[2]
    assert len({*sent}) == 3


def in_one_process(data: Interactions, config: ALSConfig, folder: Path) -> np.ndarray:
    """Return the users' factors of a fit in three blocks of this process."""
    folder.mkdir()
    model = ALS(config)
    model.runner = InProcess(3, folder)
    return np.array(model.fit(data, seed=3).user_factors_)


def test_a_fit_whose_node_dies_starts_again_with_the_same_bits(nodes, engine, tmp_path: Path, caplog) -> None:
    """It comes last: one node is left, whose actor then holds all three blocks."""
    data, config, told = small_world(), ALSConfig(factors=8, iterations=50), []
    killing = threading.Thread(target=nodes.kill_one_that_runs, args=("BlockHolder.",))

    def progress(done: int, total: int) -> None:
        told.append(done)
        if len(told) == 5:
            killing.start()

    model = ALS(config)
    model.runner = engine.runner(blocked_fit(tmp_path, data, 400))
    found = model.fit(data, seed=3, progress=progress).user_factors_
    killing.join()
    assert np.array_equal(found, in_one_process(data, config, tmp_path / "here"))
    assert told.count(1) == 2, "it began twice"
    assert told[-50:] == [*range(1, 51)]
    assert nodes.n_workers == 1
    assert "fit als starts again, because blocks of it are gone" in caplog.text
