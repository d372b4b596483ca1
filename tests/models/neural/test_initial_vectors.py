"""The shape of the first item vectors, chosen by the lists of what was taken out."""

import numpy as np
import pytest
from scipy import sparse

from models.neural.early_stopping import CarveOut, carve_out
from models.neural.initial_vectors import Directions, Shape


def noisy_tastes(n_tastes: int) -> sparse.csr_array:
    """Return likes of 400 users for 240 items: of one taste each nine in ten, and some of all at random."""
    rng = np.random.default_rng(0)
    same = rng.integers(n_tastes, size=400)[:, None] == rng.integers(n_tastes, size=240)
    likes = rng.random(same.shape) < np.where(same, 0.9 * n_tastes / 20, 0.1 / 20)
    return sparse.csr_array(likes, dtype=np.float32)


def carved(likes: sparse.csr_array) -> CarveOut:
    return carve_out(likes, likes.astype(np.int64), np.random.default_rng(1))


def lists_of(shape: Shape, directions: Directions, parts: CarveOut) -> float:
    vectors = directions.vectors(shape)
    lengths = np.sqrt(np.diff(parts.train.indptr).clip(min=1))
    users = (parts.train @ vectors / lengths[:, None]).astype(np.float32)
    return parts.ndcg(users[parts.users], vectors) or 0.0


@pytest.mark.parametrize("n_tastes", [4, 16])
def test_no_other_shape_gives_better_lists(n_tastes: int) -> None:
    parts = carved(noisy_tastes(n_tastes))
    directions = Directions(parts.train, 64, np.random.default_rng(2))
    best = directions.best_shape(parts)
    chosen = lists_of(best, directions, parts)
    others = [Shape(rank, power) for rank in (64, 32, 16, 8) for power in (0.25, 0.5, 1.0)]
    assert best in others
    assert chosen == pytest.approx(max(lists_of(shape, directions, parts) for shape in others))
    assert chosen > lists_of(Shape(64, 0.5), directions, parts), "the choice matters here"


def test_without_a_carve_out_all_vectors_are_taken() -> None:
    directions = Directions(noisy_tastes(4), 12, np.random.default_rng(2))
    assert directions.best_shape(CarveOut.nothing(noisy_tastes(4))) == Shape(12, 0.5)


def test_vectors_are_singular_vectors_of_the_normalized_likes() -> None:
    likes = noisy_tastes(4)
    degrees = [np.sqrt(np.maximum(likes.sum(axis=axis), 1)) for axis in (1, 0)]
    values, right = np.linalg.svd(likes.toarray() / np.outer(*degrees))[1:]
    found = Directions(likes, 5, np.random.default_rng(2)).vectors(Shape(5, 1.0))
    expected = right[:5].T * values[:5]
    expected *= 0.1 / np.sqrt(np.square(expected).mean())
    signs = np.sign((found * expected).sum(axis=0))
    assert found == pytest.approx(expected * signs, abs=1e-3)
