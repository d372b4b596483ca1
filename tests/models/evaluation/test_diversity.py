"""Intra-list diversity against all pairs of every list, and item vectors learned from likes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.evaluation.diversity import intra_list_diversity, taste_vectors
from tests.examples import examples
from tests.models.evaluation.test_beyond_accuracy import random_lists


def by_pairs(row: np.ndarray, vectors: np.ndarray) -> float:
    """Return the mean cosine distance of all pairs of items that have a vector."""
    described = [vectors[item] for item in row if item >= 0 and vectors[item].any()]
    distances = [
        1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)) for a, b in itertools.combinations(described, 2)
    ]
    return sum(distances) / len(distances) if distances else math.nan


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 10_000), n_rows=st.integers(1, 70), n_items=st.integers(1, 15), n=st.integers(1, 10)
)
def test_diversity_is_the_mean_over_all_pairs(seed, n_rows, n_items, n):
    rng = np.random.default_rng(seed)
    lists = random_lists(rng, n_rows, n_items, n)
    features = (rng.random((n_items, 6)) * (rng.random((n_items, 6)) < 0.4)).astype(np.float32)
    factors = (rng.standard_normal((n_items, 6)) * (rng.random((n_items, 1)) < 0.8)).astype(np.float32)
    for vectors, given_as in ((features, sparse.csr_array(features)), (factors, factors)):
        found = intra_list_diversity(lists, given_as, [1, n, 3])
        for k in (1, n, 3):
            expected = [by_pairs(row[:k], vectors.astype(np.float64)) for row in lists]
            np.testing.assert_allclose(found[k], expected, atol=2e-6)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_diversity_is_0_for_equal_and_1_for_orthogonal(kind):
    vectors = kind(np.array([[1, 0], [2, 0], [0, 3], [0, 0]], np.float32))
    lists = np.array([[0, 1], [0, 2], [0, 3]], np.int32)
    alike, unlike, unknown = intra_list_diversity(lists, vectors, [2])[2]
    assert (alike, unlike) == (0, 1)
    assert math.isnan(unknown), "item 3 has no vector"


def test_items_of_the_same_users_have_similar_vectors():
    rng = np.random.default_rng(0)
    likes = np.kron(np.eye(2), np.ones((20, 6))) * (rng.random((40, 12)) < 0.7)
    likes = np.hstack([likes, np.zeros((40, 1))]).astype(np.float32)
    vectors = taste_vectors(sparse.csr_array(likes), seed=1)
    assert not vectors[12].any(), "the last item has no like"
    lists = np.array([[0, 1, 2, 3], [0, 1, 6, 7]], np.int32)
    within, across = intra_list_diversity(lists, vectors, [4])[4]
    assert within < across
    assert np.array_equal(vectors, taste_vectors(sparse.csr_array(likes), seed=1))
