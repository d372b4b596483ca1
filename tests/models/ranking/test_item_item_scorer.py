import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.base import DivergedError
from models.ranking import item_item_scorer
from tests.examples import examples
from tests.models.ranking import oracle
from tests.models.threads import on_one_and_all_threads


def whole_numbers(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return ((rng.random(shape) < 0.2) * rng.integers(-2, 4, shape)).astype(np.float32)


@settings(max_examples=examples(60))
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(1, 30),
    n_items=st.integers(1, 60),
    n=st.integers(1, 70),
    masks=st.booleans(),
)
def test_lists_match_numpy(seed, n_users, n_items, n, masks):
    rng = np.random.default_rng(seed)
    profiles, similarity = whole_numbers(rng, (n_users, n_items)), whole_numbers(rng, (n_items, n_items))
    users = rng.integers(0, n_users, 2 * n_users)
    order = rng.permutation(n_items).astype(np.int32)
    exclude = rng.random((n_users, n_items)) < 0.3 if masks else None
    eligible = rng.random(n_items) < 0.7 if masks else None
    scores = profiles[users] @ similarity
    scores[scores == 0] = np.nan
    expected = oracle.top_n(scores, n, order, exclude[users] if masks else None, eligible)
    sparse_profiles, sparse_similarity = sparse.csr_array(profiles), sparse.csr_array(similarity)
    found = item_item_scorer.top_n(
        sparse_profiles, sparse_similarity, users, n, tie_order=order,
        exclude=sparse.csr_array(exclude) if masks else None, eligible=eligible,
    )  # fmt: skip
    assert np.array_equal(found.items, expected.items)
    assert np.array_equal(found.scores, expected.scores, equal_nan=True)
    dense = item_item_scorer.score(sparse_profiles, sparse_similarity, users)
    assert np.array_equal(dense, scores, equal_nan=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -3e38])
@pytest.mark.parametrize("spoilt", range(4))
def test_scores_that_could_overflow_are_an_error(spoilt, value):
    learned = [np.full((3, 3), 2, np.float32) for _ in range(4)]
    learned[spoilt][1, 1] = value
    profiles, similarity = (sparse.csr_array(matrix) for matrix in learned[:2])
    with pytest.raises(DivergedError, match="scores overflow"):
        item_item_scorer.check_scores(profiles, similarity, (learned[2], learned[3]))


def test_empty_matrices_do_not_overflow():
    nothing = sparse.csr_array((0, 0), dtype=np.float32)
    item_item_scorer.check_scores(nothing, nothing)
    item_item_scorer.check_products(nothing)


def test_the_number_of_threads_changes_no_bit():
    rng = np.random.default_rng(3)
    profiles = sparse.csr_array(rng.random((300, 80)) * (rng.random((300, 80)) < 0.2), dtype=np.float32)
    similarity = sparse.csr_array(rng.random((80, 80)), dtype=np.float32)
    one, many = on_one_and_all_threads(lambda: item_item_scorer.score(profiles, similarity, np.arange(300)))
    assert np.array_equal(one, many, equal_nan=True)
