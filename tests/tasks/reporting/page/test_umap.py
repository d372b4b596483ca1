"""UMAP keeps neighbours together and groups apart, and gives the same map for the same seed."""

import numpy as np
import pytest

from tasks.reporting.page.umap import umap


def groups(n: int, sizes: int = 60, f: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors around n directions, and the index of each one's direction."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(f, n)))[0].T
    label = np.repeat(np.arange(n), sizes)
    return centres[label] + rng.normal(scale=0.1, size=(len(label), f)), label


def nearest(points: np.ndarray, k: int) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :k]


def test_groups_of_similar_vectors_become_islands() -> None:
    vectors, label = groups(8)
    neighbours = nearest(umap(vectors, seed=1), 10)
    assert (label[neighbours] == label[:, None]).mean() > 0.99


def test_curve_stays_in_one_piece_and_in_order() -> None:
    """Neighbours on a spiral are neighbours on the map, which no projection to the plane achieves."""
    turn = np.linspace(0, 3 * np.pi, 300)
    vectors = np.column_stack([turn * np.cos(turn), turn * np.sin(turn), np.full(300, 6.0)])
    neighbours = nearest(umap(vectors, seed=1), 5)
    steps = np.abs(neighbours - np.arange(300)[:, None])
    assert np.median(steps) <= 4


def test_lengths_of_vectors_do_not_matter() -> None:
    vectors, _ = groups(4)
    lengths = np.float64(2.0) ** np.random.default_rng(2).integers(-3, 4, len(vectors))
    assert np.array_equal(umap(vectors, seed=1), umap(vectors * lengths[:, None], seed=1))


def test_seed_determines_the_map() -> None:
    vectors, _ = groups(3)
    first = umap(vectors, seed=5)
    assert np.array_equal(first, umap(vectors, seed=5))
    assert not np.array_equal(first, umap(vectors, seed=6))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_few_vectors_have_a_map(n: int) -> None:
    points = umap(np.random.default_rng(0).normal(size=(n, 4)), seed=1)
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("vectors", [np.zeros((30, 4)), np.ones((30, 4)), np.ones((30, 1))])
def test_equal_vectors_get_different_finite_points(vectors: np.ndarray) -> None:
    points = umap(vectors, seed=1)
    assert np.isfinite(points).all()
    assert len(np.unique(points, axis=0)) == 30


def test_vectors_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        umap(np.full((4, 2), np.nan), seed=1)
