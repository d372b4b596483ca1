"""A map is a map: neighbours stay neighbours, groups stay apart, the same seed draws the same."""

import numpy as np
import pytest

from tasks.reporting.page.umap import umap


def groups(n: int, sizes: int = 60, f: int = 24, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors around n directions, and which direction each belongs to."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(f, n)))[0].T
    label = np.repeat(np.arange(n), sizes)
    return centres[label] + rng.normal(scale=0.1, size=(len(label), f)), label


def nearest(points: np.ndarray, k: int) -> np.ndarray:
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :k]


def test_groups_of_similar_vectors_are_islands() -> None:
    vectors, label = groups(8)
    neighbours = nearest(umap(vectors, seed=1), 10)
    assert (label[neighbours] == label[:, None]).mean() > 0.99


def test_a_curve_stays_in_one_piece_and_in_order() -> None:
    """Along a bow of vectors, what is near on the bow is near on the map, which no projection can do on a spiral."""
    turn = np.linspace(0, 3 * np.pi, 300)
    vectors = np.column_stack([turn * np.cos(turn), turn * np.sin(turn), np.full(300, 6.0)])
    neighbours = nearest(umap(vectors, seed=1), 5)
    steps = np.abs(neighbours - np.arange(300)[:, None])
    assert np.median(steps) <= 4


def test_lengths_do_not_matter_only_directions() -> None:
    vectors, _ = groups(4)
    lengths = np.float64(2.0) ** np.random.default_rng(2).integers(-3, 4, len(vectors))
    assert np.array_equal(umap(vectors, seed=1), umap(vectors * lengths[:, None], seed=1))


def test_the_same_seed_draws_the_same_map_and_another_seed_another() -> None:
    vectors, _ = groups(3)
    first = umap(vectors, seed=5)
    assert np.array_equal(first, umap(vectors, seed=5))
    assert not np.array_equal(first, umap(vectors, seed=6))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_a_handful_of_vectors_has_a_map_too(n: int) -> None:
    points = umap(np.random.default_rng(0).normal(size=(n, 4)), seed=1)
    assert points.shape == (n, 2)
    assert np.isfinite(points).all()


@pytest.mark.parametrize("vectors", [np.zeros((30, 4)), np.ones((30, 4)), np.ones((30, 1))])
def test_vectors_without_any_difference_do_not_break_it(vectors: np.ndarray) -> None:
    points = umap(vectors, seed=1)
    assert np.isfinite(points).all()
    assert len(np.unique(points, axis=0)) == 30


def test_what_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        umap(np.full((4, 2), np.nan), seed=1)
