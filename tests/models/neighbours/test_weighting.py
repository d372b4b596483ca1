import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from implicit.nearest_neighbours import bm25_weight, tfidf_weight
from scipy import sparse

from models.neighbours import weighting
from tests.examples import examples
from tests.models.neighbours.oracle import random_vectors, stored

seeds = st.integers(0, 10_000)
shapes = st.tuples(st.integers(1, 9), st.integers(1, 9))


def rarities(dense: np.ndarray) -> tuple[np.ndarray, int]:
    return np.maximum((~np.isnan(dense)).sum(axis=0), 1), len(dense)


@settings(max_examples=examples(50))
@given(seed=seeds, shape=shapes)
def test_tfidf_follows_its_formula(seed, shape):
    dense = random_vectors(seed, shape)
    having, n = rarities(dense)
    expected = np.nan_to_num(dense * np.log(1 + n / having))
    np.testing.assert_allclose(weighting.tfidf(stored(dense)).toarray(), expected, rtol=1e-5)


@settings(max_examples=examples(50))
@given(seed=seeds, shape=shapes, k1=st.sampled_from([0.0, 1.2, 100.0]), b=st.sampled_from([0.0, 0.75, 1.0]))
def test_bm25_follows_its_formula(seed, shape, k1, b):
    dense = random_vectors(seed, shape)
    having, n = rarities(dense)
    length = np.nansum(dense, axis=1, keepdims=True)
    relative = length / (length.mean() or 1)
    with np.errstate(invalid="ignore"):
        saturated = dense * (k1 + 1) / (dense + k1 * (1 - b + b * relative))
    expected = np.nan_to_num(saturated) * np.log(1 + (n - having + 0.5) / (having + 0.5))
    np.testing.assert_allclose(weighting.bm25(stored(dense), k1=k1, b=b).toarray(), expected, rtol=1e-5)


@settings(max_examples=examples(50))
@given(seed=seeds, shape=shapes, rows=st.sampled_from([0.0, 0.4, 1.0]), columns=st.sampled_from([0.0, 0.6]))
def test_degree_follows_its_formula(seed, shape, rows, columns):
    dense = random_vectors(seed, shape)
    here = ~np.isnan(dense)
    per_row, per_column = here.sum(axis=1, keepdims=True), here.sum(axis=0)
    expected = np.nan_to_num(dense / np.maximum(per_row, 1) ** rows / np.maximum(per_column, 1) ** columns)
    found = weighting.degree(stored(dense), row_exponent=rows, column_exponent=columns)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5)


def test_weights_equal_those_of_implicit_except_for_the_idf():
    """The library takes log(N / (1 + n)), which can be negative; ours is always above 0."""
    dense = random_vectors(4, (60, 25), 0.3)
    having, n = rarities(dense)
    plain = np.log(n) - np.log1p(having)
    theirs = bm25_weight(stored(dense), K1=1.2, B=0.75).toarray()
    ours = weighting.bm25(stored(dense), k1=1.2, b=0.75).toarray()
    np.testing.assert_allclose(
        ours / np.log(1 + (n - having + 0.5) / (having + 0.5)), theirs / plain, rtol=1e-4
    )
    ones = sparse.csr_array(stored(np.where(np.isnan(dense), np.nan, 1.0)))
    theirs = tfidf_weight(ones).toarray()
    ours = weighting.tfidf(ones).toarray()
    np.testing.assert_allclose(ours / np.log(1 + n / having), theirs / plain, rtol=1e-5)


@pytest.mark.parametrize("weigh", [weighting.tfidf, lambda m: weighting.bm25(m, k1=1.2, b=0.75)])
def test_columns_that_all_rows_have_keep_a_weight(weigh):
    assert (weigh(sparse.csr_array(np.ones((4, 3), np.float32))).data > 0).all()


def test_bm25_of_negative_entries_is_refused():
    with pytest.raises(ValueError, match=r"bm25 .* negative entries: choose another weighting"):
        weighting.bm25(stored(np.array([[1.0, -0.5]])), k1=1.2, b=0.75)
