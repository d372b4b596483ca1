import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.neighbours import neighbourhoods
from models.neighbours.config import NeighbourConfig
from models.neighbours.similarity import Measure
from tests.examples import examples
from tests.models.neighbours.oracle import random_vectors, similarities, stored


def plain(**options: object) -> NeighbourConfig:
    return NeighbourConfig(**{"weighting": "none", "shrink": 0, "exponent": 1, "k": 0} | options)


def found(dense: np.ndarray, config: NeighbourConfig, memory_mb: float = 100.0) -> sparse.csr_array:
    order = np.random.default_rng(5).permutation(len(dense)).astype(np.int32)
    return neighbourhoods.find_neighbours(
        stored(dense), config, k=config.k, rows_are_users=True, memory_mb=memory_mb,
        tie_order=order, model="this_knn",
    )  # fmt: skip


def megabytes(entries: int) -> float:
    """Memory for so many neighbours and not one more."""
    return (entries + 0.5) * 8 / 1e6


@settings(max_examples=examples(30))
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(0, 15), st.integers(1, 9)),
    k=st.integers(0, 16),
    density=st.sampled_from([0.1, 0.5]),
)
def test_each_vector_keeps_its_k_most_similar_others(seed, shape, k, density):
    dense = random_vectors(seed, shape, density)
    rows = found(dense, plain(k=k))
    assert rows.has_canonical_format
    assert rows.indices.dtype == np.int32
    expected = similarities(dense, Measure("cosine"), rows_are_users=True)
    for row, kept in zip(expected, rows.toarray(), strict=True):
        np.testing.assert_allclose(kept[kept > 0], row[kept > 0], rtol=1e-5)
        best = np.sort(row[row > 0])[::-1][: k or None]
        np.testing.assert_allclose(np.sort(kept[kept > 0])[::-1], best, rtol=1e-5)


def test_ties_are_kept_in_the_tie_order():
    rows = found(np.ones((30, 2)), plain(k=4))
    order = np.random.default_rng(5).permutation(30)
    for row in range(30):
        assert set(rows.indices[rows.indptr[row] : rows.indptr[row + 1]]) == set(order[order != row][:4])


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 10_000), shape=st.tuples(st.integers(1, 15), st.integers(1, 9)))
def test_possible_neighbours_is_an_upper_bound(seed, shape):
    dense = random_vectors(seed, shape, 0.2)
    here = ~np.isnan(dense)
    common = here.astype(int) @ here.T > 0
    others = common.sum(axis=1) - common.diagonal()
    bound = neighbourhoods.possible_neighbours(stored(dense))
    assert (bound >= others).all()
    assert bound.max(initial=0) < shape[0]
    if shape[1] == 1:
        assert np.array_equal(bound, others)


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 10_000), entries=st.integers(1, 400), k=st.sampled_from([0, 5, 40]))
def test_the_strongest_are_kept_within_the_memory_limit(seed, entries, k):
    dense = random_vectors(seed, (25, 6), 0.3)
    unlimited = found(dense, plain(k=k)).toarray()
    bounded = found(dense, plain(k=k), megabytes(entries)).toarray()
    assert bounded.astype(bool).sum() <= max(entries, len(dense))
    widest = bounded.astype(bool).sum(axis=1).max()
    for all_, kept in zip(unlimited, bounded, strict=True):
        assert np.array_equal(np.sort(kept)[::-1][:widest], np.sort(all_)[::-1][:widest])


def test_memory_limit_is_warned_of_with_the_model_name(caplog: pytest.LogCaptureFixture):
    vectors = np.ones((300, 2))
    with caplog.at_level(logging.WARNING):
        found(vectors, plain(), memory_mb=megabytes(300 * 250))
        found(vectors, plain(k=299), memory_mb=megabytes(300 * 250))
        found(vectors, plain(k=250), memory_mb=megabytes(300 * 250))
    kept = (
        "this_knn keeps only the 250 strongest neighbours: {} could take 0.7 MB, and memory_mb is 0.600004."
    )
    assert caplog.messages == [kept.format("all"), kept.format(299)]


def test_transpose_must_fit_into_the_memory_limit_too(
    caplog: pytest.LogCaptureFixture,
):
    possible = np.full(300, 299)
    with caplog.at_level(logging.WARNING):
        k = neighbourhoods.k_within_memory(possible, 0, memory_mb=1, model="this_knn", with_transpose=True)
    assert 2 * neighbourhoods.size_mb(possible, k) <= 1 < 2 * neighbourhoods.size_mb(possible, k + 1)
    assert caplog.messages == [
        "this_knn keeps only the 208 strongest neighbours: all could take 0.7 MB, and memory_mb is 1, for them "
        "and their transpose."
    ]


def test_indices_take_8_bytes_from_2_31_neighbours_on():
    assert neighbourhoods.stored_mb(2**31 - 1) == pytest.approx((2**31 - 1) * 8e-6)
    assert neighbourhoods.stored_mb(2**31) == pytest.approx(2**31 * 12e-6)
    assert neighbourhoods.size_mb(np.full(2, 2**30), 2**30) == pytest.approx(2**31 * 12e-6)


@pytest.mark.parametrize(
    ("entries", "matrix", "reason"),
    [
        (np.ones((5, 4)), None, "all entries are 1; it is made for matrix = 'rating'"),
        (np.full((5, 4), 3.5), "rating", "all entries are 3.5"),
        (np.zeros((5, 4)), "rating", "all entries are 0"),
        (np.eye(4) + 1, "rating", "no similarity of entries from 1 to 2 is above 0"),
    ],
)
def test_warning_says_why_there_are_no_neighbours(entries, matrix, reason, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        found(entries, plain(similarity="pearson", matrix=matrix))
    assert caplog.messages == [f"this_knn: by pearson nothing has neighbours: {reason}."]


def test_no_warning_when_no_rows_have_a_common_place(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING):
        found(np.where(np.eye(4) > 0, 1, np.nan), plain(similarity="pearson"))
    assert not caplog.messages


@pytest.mark.parametrize("rows_are_users", [True, False])
def test_degree_weights_depend_on_which_side_users_are(rows_are_users):
    config = plain(similarity="dot", weighting="degree", user_exponent=1, item_exponent=0.5)
    dense = np.array([[1, 1, 1, 1], [1, np.nan, np.nan, np.nan]])
    order = np.arange(2, dtype=np.int32)
    rows = neighbourhoods.find_neighbours(
        stored(dense), config, k=0, rows_are_users=rows_are_users, memory_mb=1,
        tie_order=order, model="this_knn",
    )  # fmt: skip
    expected = (1 / 4) * 1 / 2 if rows_are_users else (1 / 2) ** 2 / np.sqrt(4)
    assert rows.toarray()[0, 1] == pytest.approx(expected)
