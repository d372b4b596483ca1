import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from models.base import DivergedError
from models.linear import regression

pytestmark = pytest.mark.usefixtures("one_thread")

small_matrices = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 9)),
    elements=st.sampled_from([0, 0, 0.5, 1, -2]).map(np.float32),
)
penalties = st.sampled_from([0.5, 3.0, 40.0])


def everything(n_items: int) -> sparse.csr_array:
    """Every other item of every item."""
    return sparse.csr_array((1 - np.eye(n_items)).astype(np.float32))


def unheard(done: int, total: int) -> None:
    """Progress that nobody listens to."""


def ridge(matrix: np.ndarray, item: int, regressors: np.ndarray, penalty: float) -> np.ndarray:
    """The plain formula, for one item."""
    own = matrix[:, regressors].astype(np.float64)
    return np.linalg.solve(own.T @ own + penalty * np.eye(len(regressors)), own.T @ matrix[:, item])


@settings(max_examples=40)
@given(small_matrices, penalties)
def test_on_all_is_one_ridge_regression_per_item(matrix: np.ndarray, penalty: float) -> None:
    weights = regression.on_all(sparse.csr_array(matrix), penalty)
    for item in range(matrix.shape[1]):
        others = np.flatnonzero(np.arange(matrix.shape[1]) != item)
        np.testing.assert_allclose(weights[item, others], ridge(matrix, item, others, penalty), atol=1e-5)
        assert weights[item, item] == 0


@settings(max_examples=40)
@given(small_matrices, penalties)
def test_on_all_candidates_is_on_all(matrix: np.ndarray, penalty: float) -> None:
    chosen = everything(matrix.shape[1])
    sparsely = regression.on_candidates(sparse.csr_array(matrix), chosen, penalty, unheard)
    np.testing.assert_allclose(
        sparsely.toarray(), regression.on_all(sparse.csr_array(matrix), penalty), atol=1e-3
    )


@settings(max_examples=40)
@given(small_matrices, penalties, st.randoms(use_true_random=False))
def test_on_candidates_uses_them_alone(matrix: np.ndarray, penalty: float, random) -> None:
    n_items = matrix.shape[1]
    mask = np.array([[random.random() < 0.5 and i != j for j in range(n_items)] for i in range(n_items)])
    weights = regression.on_candidates(
        sparse.csr_array(matrix), sparse.csr_array(mask.astype(np.float32)), penalty, unheard
    )
    for item in range(n_items):
        regressors = np.flatnonzero(mask[item])
        expected = np.zeros(n_items)
        expected[regressors] = ridge(matrix, item, regressors, penalty)
        np.testing.assert_allclose(weights[[item]].toarray()[0], expected, atol=1e-3)


def test_more_items_than_fit_into_one_chunk_or_block() -> None:
    rng = np.random.default_rng(3)
    matrix = sparse.csr_array((rng.random((100, 200)) < 0.1).astype(np.float32))
    weights = regression.on_all(matrix, 20.0)
    inverse = np.linalg.inv((matrix.T @ matrix).toarray().astype(np.float64) + 20 * np.eye(200))
    expected = -inverse / np.diag(inverse)[:, None]
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    sparsely = regression.on_candidates(matrix, everything(200), 20.0, unheard)
    np.testing.assert_allclose(sparsely.toarray(), expected, atol=1e-3)


def test_it_tells_how_many_items_are_done_and_no_bit_depends_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    matrix = sparse.csr_array((rng.random((50, 90)) < 0.1).astype(np.float32))
    told: list[tuple[int, int]] = []
    at_once = regression.on_candidates(matrix, everything(90), 20.0, lambda *at: told.append(at))
    assert told == [(90, 90)]
    told.clear()
    monkeypatch.setattr(regression, "_ITEMS_PER_REPORT", 40)
    in_parts = regression.on_candidates(matrix, everything(90), 20.0, lambda *at: told.append(at))
    assert told == [(40, 90), (80, 90), (90, 90)]
    assert np.array_equal(in_parts.data, at_once.data)


@settings(max_examples=40)
@given(small_matrices, penalties, st.integers(1, 10))
def test_candidates_are_those_that_lower_the_loss_most(matrix: np.ndarray, penalty: float, k: int) -> None:
    n_items = matrix.shape[1]
    order = np.arange(n_items, dtype=np.int32)
    found = regression.candidates(sparse.csr_array(matrix), penalty, k, order)
    exact = matrix.astype(np.float64)
    for item in range(n_items):
        products = exact.T @ exact[:, item]
        gain = products**2 / ((exact**2).sum(axis=0) + penalty)
        gain[item] = 0
        listed = found.indices[slice(*found.indptr[item : item + 2])]
        assert item not in listed
        assert len(listed) == min(k, (gain > 0).sum())
        np.testing.assert_allclose(np.sort(gain[listed]), np.sort(gain)[n_items - len(listed) :], rtol=1e-5)


@settings(max_examples=40)
@given(
    hnp.arrays(np.float32, (6, 6), elements=st.integers(-9, 9).map(np.float32)),
    st.integers(1, 8),
)
def test_strongest_keeps_the_greatest_magnitudes_with_their_signs(weights: np.ndarray, k: int) -> None:
    kept = regression.strongest(weights, k, np.arange(6, dtype=np.int32)).toarray()
    assert np.array_equal(kept[kept != 0], weights[kept != 0])
    for row, original in zip(kept, weights, strict=True):
        assert (row != 0).sum() == min(k, (original != 0).sum())
        assert np.array_equal(np.sort(np.abs(row))[::-1][:k], np.sort(np.abs(original))[::-1][:k]), (
            "what is left out is not stronger"
        )


def test_a_penalty_too_small_for_float32_is_an_error_that_says_what_is_enough() -> None:
    twins = sparse.csr_array(np.ones((1000, 3), np.float32))
    with pytest.raises(ValueError, match=r"raise models\.ease\.regularization to about 0\.003") as refused:
        regression.on_all(twins, 1e-7)
    assert "too small to solve for 3 items" in str(refused.value)
    assert np.isfinite(regression.on_all(twins, 0.003)).all()


def test_entries_too_large_for_float32_are_an_error() -> None:
    huge = sparse.csr_array(np.full((30, 4), 1e30, np.float32))
    with pytest.raises(DivergedError, match="products overflow"):
        regression.on_all(huge, 1.0)
    with pytest.raises(DivergedError, match="products overflow"):
        regression.candidates(huge, 1.0, 3, np.arange(4, dtype=np.int32))


def test_no_items_no_weights(capfd: pytest.CaptureFixture[str]) -> None:
    assert regression.on_all(sparse.csr_array((0, 0), dtype=np.float32), 1.0).shape == (0, 0)
    assert not any(capfd.readouterr()), "LAPACK would complain on its own"
