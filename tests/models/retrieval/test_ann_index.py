"""The index finds what the exact product finds, and measures how much of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.retrieval.ann_index import LENGTH, Measured, write_index

N = 3000


@pytest.fixture(scope="module")
def faiss() -> Any:
    return pytest.importorskip("faiss", reason="an extra: pip install 'nightly-recs[ann]'")


@pytest.fixture(scope="module")
def built(faiss: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Measured, Any]:
    """An index of items around a few centres, whose bias matters; every tenth is unknown."""
    path = tmp_path_factory.mktemp("ann") / "items.faiss"
    measured = write_index(*_items(), _users(), path)
    return measured, faiss.read_index(str(path))


def _items() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(30, 8))[rng.integers(30, size=N)] + rng.normal(size=(N, 8))).astype(
        np.float32
    )
    bias = rng.normal(size=N).astype(np.float32)
    bias[::10] = -np.inf
    return vectors, bias


def _users() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)


def test_recall_is_that_of_the_file(built: tuple[Measured, Any]) -> None:
    measured, index = built
    vectors, bias = _items()
    best = np.argsort(-(_users() @ vectors.T + bias), axis=1)[:, :LENGTH]
    asked = np.column_stack([_users(), np.ones(60, np.float32)])
    _, found = index.search(asked, LENGTH)
    recall = np.mean([len(np.intersect1d(*pair)) / LENGTH for pair in zip(best, found, strict=True)])
    assert measured.recall == pytest.approx(recall)
    assert measured.recall >= 0.95
    assert 1 < measured.probes <= measured.cells
    assert index.nprobe == measured.probes
    assert not (found % 10 == 0).any(), "unknown items are not in the index"


def test_few_items_are_searched_exactly(faiss: Any, tmp_path: Path) -> None:
    vectors, bias = _items()
    measured = write_index(vectors[:7], bias[:7], _users(), tmp_path / "few.faiss")
    assert (measured.recall, measured.cells, measured.n_queries) == (1.0, 1, 60)
