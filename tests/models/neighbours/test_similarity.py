import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.base import DivergedError
from models.neighbours.similarity import Measure, Missing, Similarity, similarity_blocks
from models.ranking.topk import block_rows
from tests.examples import examples
from tests.models.neighbours.oracle import random_vectors, similarities, stored
from tests.models.threads import on_one_and_all_threads

SIMILARITIES = typing.get_args(Similarity)


def fast(vectors: np.ndarray, measure: Measure, rows_are_users: bool) -> np.ndarray:
    blocks = [
        block.copy()
        for _, block in similarity_blocks(stored(vectors), measure, rows_are_users=rows_are_users)
    ]
    found = np.vstack(blocks)
    return np.where(np.isneginf(found), 0, found)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=examples(30))
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    missing=st.sampled_from(typing.get_args(Missing)),
    asymmetry=st.sampled_from([0.0, 0.2, 0.5, 1.0]),
    shrink=st.sampled_from([0.0, 2.5]),
    exponent=st.sampled_from([0.7, 1.0, 2.0]),
    rows_are_users=st.booleans(),
)
def test_similarities_follow_their_definitions(
    similarity, seed, shape, missing, asymmetry, shrink, exponent, rows_are_users
):
    measure = Measure(similarity, missing, asymmetry, shrink, exponent)
    vectors = random_vectors(seed, shape)
    expected = similarities(vectors, measure, rows_are_users)
    np.testing.assert_allclose(fast(vectors, measure, rows_are_users), expected, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("missing", typing.get_args(Missing))
def test_later_vectors_alone_have_the_same_similarities(similarity, missing):
    vectors, measure = stored(random_vectors(1, (9, 7))), Measure(similarity, missing)
    whole = np.vstack([b.copy() for _, b in similarity_blocks(vectors, measure, rows_are_users=True)])
    [(start, later)] = similarity_blocks(vectors, measure, rows_are_users=True, first=6)
    assert start == 6
    assert np.array_equal(later, whole[6:])


def test_later_vectors_do_not_count_for_the_shrinkage():
    measure = Measure("cosine", shrink=3.0)
    before, new = random_vectors(1, (6, 7)), np.full((1, 7), 4.0)
    [(_, alone)] = similarity_blocks(stored(np.vstack([before, new])), measure, rows_are_users=True, first=6)
    both = stored(np.vstack([before, new, 100 * new]))
    [(_, together)] = similarity_blocks(both, measure, rows_are_users=True, first=6)
    assert np.array_equal(together[0, :6], alone[0, :6])


@pytest.mark.parametrize("rows_are_users", [True, False])
@pytest.mark.parametrize("missing", ["ignored", "zero", "mean"])
@pytest.mark.parametrize("similarity", ["pearson", "cosine", "dot"])
def test_rounding_errors_make_no_neighbours(similarity, missing, rows_are_users):
    """With so few and round ratings many pairs have a similarity of exactly 0."""
    vectors = random_vectors(0, (40, 6), 0.8, greatest=1)
    measure = Measure(similarity, missing)
    expected = similarities(vectors, measure, rows_are_users)
    assert np.array_equal(fast(vectors, measure, rows_are_users) > 0, expected > 0)


def between(x: list[float], y: list[float], **measure: object) -> float:
    return float(fast(np.array([x, y]), Measure(**measure), rows_are_users=True)[0, 1])


NAN = np.nan


def test_worked_examples():
    x, y = [4, 2, NAN, 3], [5, 3, 1, NAN]
    assert between(x, y, similarity="dot") == pytest.approx(26)
    assert between(x, y, similarity="cosine") == pytest.approx(26 / np.sqrt(29 * 35))
    assert between(x, y, similarity="cosine", missing="ignored") == pytest.approx(26 / np.sqrt(20 * 34))
    assert between(x, y, similarity="cosine", missing="mean") == pytest.approx(38 / np.sqrt(38 * 44))
    assert between(x, y, similarity="cosine", shrink=3) == pytest.approx(26 / (np.sqrt(29 * 35) + 3 * 64 / 6))
    assert between(x, y, similarity="asymmetric_cosine", asymmetry=1) == pytest.approx(26 / 29)
    assert between(x, y, similarity="jaccard") == pytest.approx(2 / 4)
    assert between(x, y, similarity="jaccard", shrink=4) == pytest.approx(2 / 8)
    assert between(x, y, similarity="euclidean") == pytest.approx(1 / (1 + np.sqrt(2)))
    assert between(x, y, similarity="euclidean", missing="zero") == pytest.approx(1 / (1 + np.sqrt(12)))
    assert between(x, y, similarity="pearson") == pytest.approx(1)
    assert between(x, y, similarity="pearson", shrink=6) == pytest.approx(2 / 8)
    assert between(x, y, similarity="adjusted_cosine") == pytest.approx(2 / np.sqrt(2 * 4))
    assert between(x, y, similarity="adjusted_cosine", exponent=2) == pytest.approx(1 / 2)


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("missing", ["ignored", "mean"])
def test_the_number_of_threads_changes_no_bit(similarity, missing):
    vectors = stored(random_vectors(1, (200, 150), 0.2))

    def all_similarities() -> np.ndarray:
        blocks = similarity_blocks(vectors, Measure(similarity, missing), rows_are_users=False)
        return np.vstack([block.copy() for _, block in blocks])

    assert np.array_equal(*on_one_and_all_threads(all_similarities))


@pytest.mark.parametrize("similarity", sorted(set(SIMILARITIES) - {"dot", "euclidean"}))
def test_the_scale_of_the_entries_does_not_matter(similarity):
    vectors = random_vectors(1, (30, 20))
    measure = Measure(similarity, "auto", 0.3, 5.0)
    np.testing.assert_allclose(
        fast(7 * vectors, measure, False), fast(vectors, measure, False), rtol=1e-4, atol=1e-6
    )


def test_blocks_have_a_bounded_size():
    vectors = stored(random_vectors(2, (1300, 5)))
    for measure in (Measure("cosine"), Measure("pearson")):
        starts, heights = zip(
            *(
                (start, len(block))
                for start, block in similarity_blocks(vectors, measure, rows_are_users=True)
            ),
            strict=True,
        )
        assert sum(heights) == 1300
        assert max(heights) <= block_rows(1300) < 1300
        assert list(starts) == [0, *np.cumsum(heights)[:-1]]


@pytest.mark.parametrize("similarity", ["dot", "cosine", "asymmetric_cosine"])
def test_entries_whose_products_overflow_are_an_error(similarity):
    with pytest.raises(DivergedError, match="entries of the matrix are too large: products overflow"):
        fast(1e20 * random_vectors(1, (30, 20)), Measure(similarity), False)


@pytest.mark.parametrize("similarity", ["jaccard", "pearson", "adjusted_cosine"])
def test_other_measures_accept_entries_of_any_size(similarity):
    vectors, measure = random_vectors(1, (30, 20)), Measure(similarity, shrink=3.0)
    np.testing.assert_allclose(
        fast(1e20 * vectors, measure, False), fast(vectors, measure, False), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("similarity", ["pearson", "adjusted_cosine"])
def test_entries_without_variance_have_no_neighbours(similarity):
    ones = np.where(np.random.default_rng(3).random((30, 20)) < 0.3, 0.1, np.nan)
    assert not fast(ones, Measure(similarity), rows_are_users=False).any()
