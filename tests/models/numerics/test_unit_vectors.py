"""Rows are scaled to length 1, and rows of zeros stay or get the mean direction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from models.numerics.unit_vectors import unit_vectors, unit_vectors_or_mean, vectors_of_features

MATRICES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 9), st.integers(1, 5)),
    elements=st.just(np.float32(0)) | st.floats(-1000, 1000, width=32).filter(lambda x: abs(x) > 1e-3),
)


@given(MATRICES)
def test_rows_have_length_one_or_stay_zero(vectors: np.ndarray) -> None:
    unit = unit_vectors(vectors)
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), lengths > 0, rtol=1e-5)
    np.testing.assert_allclose(unit * lengths[:, None], vectors, rtol=1e-4)


@given(MATRICES)
def test_zero_rows_get_the_mean_direction(vectors: np.ndarray) -> None:
    zero = ~vectors.any(axis=1)
    filled, unit = unit_vectors_or_mean(vectors), unit_vectors(vectors)
    assert np.array_equal(filled[~zero], unit[~zero])
    mean = unit.sum(axis=0)
    expected = mean / np.linalg.norm(mean) if mean.any() else mean
    np.testing.assert_allclose(filled[zero], np.tile(expected, (zero.sum(), 1)), rtol=1e-5)


@pytest.mark.parametrize("n_features", [8, 100])
def test_products_approximate_cosines_of_features(n_features: int) -> None:
    rng = np.random.default_rng(0)
    topic = rng.integers(4, size=120)
    profiles = (
        rng.random((120, n_features)) < np.where(topic[:, None] == np.arange(n_features) % 4, 0.8, 0.02)
    ) * 1.0
    profiles[7] = 0
    vectors = vectors_of_features(sparse.csr_array(profiles, dtype=np.float32), seed=1)
    assert vectors.shape == (120, min(n_features, 64))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    exact = unit_vectors_or_mean(profiles.astype(np.float32))
    known = profiles.any(axis=1)
    difference = np.abs(vectors @ vectors.T - exact @ exact.T)[np.ix_(known, known)]
    assert difference.mean() < 0.05
