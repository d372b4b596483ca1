"""Initial base embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from models.graph.initial_embeddings import noise, overlay, singular_embeddings


def rank_six() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((60, 6)) @ np.diag([9, 7, 5, 3, 2, 1]) @ rng.standard_normal((6, 45))


def test_singular_embeddings_give_the_best_approximation() -> None:
    matrix = rank_six()
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    ours = singular_embeddings(sparse.csr_array(matrix, dtype=np.float32), 4, np.random.default_rng(0))
    assert ours.shape == (105, 4)
    assert ours.dtype == np.float32
    rebuilt = (left[:, :4] * values[:4]) @ right[:4]
    np.testing.assert_allclose(ours[:60] @ ours[60:].T, rebuilt, atol=1e-5 * np.abs(rebuilt).max())
    np.testing.assert_allclose(np.square(ours[:60]).sum(axis=0), values[:4], rtol=1e-4)


def test_the_rank_of_the_matrix_limits_the_embeddings() -> None:
    ours = singular_embeddings(sparse.csr_array(rank_six(), dtype=np.float32), 16, np.random.default_rng(0))
    assert ours.shape == (105, 6)


def test_overlaid_vectors_have_the_length_of_the_noise() -> None:
    base = noise(50, 8, np.random.default_rng(1))
    before = base.copy()
    vectors = np.random.default_rng(2).standard_normal((30, 5)).astype(np.float32) * 7
    overlay(base, vectors)
    assert np.sqrt(np.square(base[:30, :5]).mean()) == pytest.approx(0.1, rel=1e-5)
    np.testing.assert_allclose(base[:30, :5] / base[0, 0], vectors / vectors[0, 0], rtol=1e-4)
    assert np.array_equal(base[30:], before[30:])
    assert np.array_equal(base[:, 5:], before[:, 5:])


@pytest.mark.parametrize("vectors", [np.zeros((3, 2), np.float32), np.empty((3, 0), np.float32)])
def test_zero_vectors_change_nothing(vectors: np.ndarray) -> None:
    base = noise(4, 3, np.random.default_rng(1))
    before = base.copy()
    overlay(base, vectors)
    assert np.array_equal(base, before)
