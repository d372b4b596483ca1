import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from models.base import DivergedError
from models.linear import regression
from tests.examples import examples

pytestmark = pytest.mark.usefixtures("one_thread")

small_matrices = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 12), st.integers(1, 9)),
    elements=st.sampled_from([0, 0, 0.5, 1, -2]).map(np.float32),
)
penalties = st.sampled_from([0.5, 3.0, 40.0])


def all_others(n_items: int) -> sparse.csr_array:
    """All other items as predictors of every item."""
    return sparse.csr_array((1 - np.eye(n_items)).astype(np.float32))


def no_progress(done: int, total: int) -> None:
    """A progress callback that does nothing."""


def ridge(matrix: np.ndarray, item: int, regressors: np.ndarray, penalty: float) -> np.ndarray:
    """Ridge regression of one item by the normal equations."""
    own = matrix[:, regressors].astype(np.float64)
    return np.linalg.solve(own.T @ own + penalty * np.eye(len(regressors)), own.T @ matrix[:, item])


@settings(max_examples=examples(40))
@given(small_matrices, penalties)
def test_solve_dense_is_one_ridge_regression_per_item(matrix: np.ndarray, penalty: float) -> None:
    weights = regression.solve_dense(sparse.csr_array(matrix), penalty)
    for item in range(matrix.shape[1]):
        others = np.flatnonzero(np.arange(matrix.shape[1]) != item)
        np.testing.assert_allclose(weights[item, others], ridge(matrix, item, others, penalty), atol=1e-5)
        assert weights[item, item] == 0


@settings(max_examples=examples(40))
@given(small_matrices, penalties)
@example(np.array([[0, 0, 0, 0, 0.5, 1, 1], [0.5, 1, -2, -2, -2, 0, -2]], np.float32), 0.5)
def test_solve_sparse_equals_dense_with_all_predictors(matrix: np.ndarray, penalty: float) -> None:
    """The iteration ends at 1e-4 of the first gradient; the error is that over the least eigenvalue, the penalty."""
    gradient = np.linalg.norm(matrix.T @ matrix, axis=0).max()
    chosen = all_others(matrix.shape[1])
    sparsely = regression.solve_sparse(sparse.csr_array(matrix), chosen, penalty, no_progress)
    np.testing.assert_allclose(
        sparsely.toarray(),
        regression.solve_dense(sparse.csr_array(matrix), penalty),
        atol=1e-5 + 1e-4 * gradient / penalty,
    )


@settings(max_examples=examples(40))
@given(small_matrices, penalties, st.randoms(use_true_random=False))
def test_solve_sparse_uses_only_the_chosen_predictors(matrix: np.ndarray, penalty: float, random) -> None:
    n_items = matrix.shape[1]
    mask = np.array([[random.random() < 0.5 and i != j for j in range(n_items)] for i in range(n_items)])
    weights = regression.solve_sparse(
        sparse.csr_array(matrix), sparse.csr_array(mask.astype(np.float32)), penalty, no_progress
    )
    for item in range(n_items):
        regressors = np.flatnonzero(mask[item])
        expected = np.zeros(n_items)
        expected[regressors] = ridge(matrix, item, regressors, penalty)
        np.testing.assert_allclose(weights[[item]].toarray()[0], expected, atol=1e-3)


def test_both_solvers_on_several_chunks_and_blocks() -> None:
    rng = np.random.default_rng(3)
    matrix = sparse.csr_array((rng.random((100, 200)) < 0.1).astype(np.float32))
    weights = regression.solve_dense(matrix, 20.0)
    inverse = np.linalg.inv((matrix.T @ matrix).toarray().astype(np.float64) + 20 * np.eye(200))
    expected = -inverse / np.diag(inverse)[:, None]
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(weights, expected, atol=1e-5)
    sparsely = regression.solve_sparse(matrix, all_others(200), 20.0, no_progress)
    np.testing.assert_allclose(sparsely.toarray(), expected, atol=1e-3)


def test_progress_is_reported_and_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    matrix = sparse.csr_array((rng.random((50, 90)) < 0.1).astype(np.float32))
    reported: list[tuple[int, int]] = []
    at_once = regression.solve_sparse(matrix, all_others(90), 20.0, lambda *at: reported.append(at))
    assert reported == [(90, 90)]
    reported.clear()
    monkeypatch.setattr(regression, "_ITEMS_PER_REPORT", 40)
    in_parts = regression.solve_sparse(matrix, all_others(90), 20.0, lambda *at: reported.append(at))
    assert reported == [(40, 90), (80, 90), (90, 90)]
    assert np.array_equal(in_parts.data, at_once.data)


@settings(max_examples=examples(40))
@given(small_matrices, penalties, st.integers(1, 10))
def test_best_predictors_lower_the_loss_most(matrix: np.ndarray, penalty: float, k: int) -> None:
    n_items = matrix.shape[1]
    order = np.arange(n_items, dtype=np.int32)
    found = regression.best_predictors(sparse.csr_array(matrix), penalty, k, order)
    exact = matrix.astype(np.float64)
    for item in range(n_items):
        products = exact.T @ exact[:, item]
        gain = products**2 / ((exact**2).sum(axis=0) + penalty)
        gain[item] = 0
        listed = found.indices[slice(*found.indptr[item : item + 2])]
        assert item not in listed
        assert len(listed) == min(k, (gain > 0).sum())
        np.testing.assert_allclose(np.sort(gain[listed]), np.sort(gain)[n_items - len(listed) :], rtol=1e-5)


@settings(max_examples=examples(40))
@given(
    hnp.arrays(np.float32, (6, 6), elements=st.integers(-9, 9).map(np.float32)),
    st.integers(1, 8),
)
def test_keep_strongest_keeps_magnitudes_and_signs(weights: np.ndarray, k: int) -> None:
    kept = regression.keep_strongest(weights, k, np.arange(6, dtype=np.int32)).toarray()
    assert np.array_equal(kept[kept != 0], weights[kept != 0])
    for row, original in zip(kept, weights, strict=True):
        assert (row != 0).sum() == min(k, (original != 0).sum())
        assert np.array_equal(np.sort(np.abs(row))[::-1][:k], np.sort(np.abs(original))[::-1][:k]), (
            "the kept entries are the strongest"
        )


def test_a_penalty_too_small_for_float32_names_a_larger_one() -> None:
    twins = sparse.csr_array(np.ones((1000, 3), np.float32))
    with pytest.raises(ValueError, match=r"raise models\.ease\.regularization to about 0\.003") as refused:
        regression.solve_dense(twins, 1e-7)
    assert "too small to solve for 3 items" in str(refused.value)
    assert np.isfinite(regression.solve_dense(twins, 0.003)).all()


def test_entries_too_large_for_float32_are_an_error() -> None:
    huge = sparse.csr_array(np.full((30, 4), 1e30, np.float32))
    with pytest.raises(DivergedError, match="products overflow"):
        regression.solve_dense(huge, 1.0)
    with pytest.raises(DivergedError, match="products overflow"):
        regression.best_predictors(huge, 1.0, 3, np.arange(4, dtype=np.int32))


def test_an_empty_matrix_has_no_weights(capfd: pytest.CaptureFixture[str]) -> None:
    assert regression.solve_dense(sparse.csr_array((0, 0), dtype=np.float32), 1.0).shape == (0, 0)
    assert not any(capfd.readouterr()), "LAPACK prints its own messages"
