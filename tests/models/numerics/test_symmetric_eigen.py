"""Eigenpairs are found on every symmetric matrix, whichever of LAPACK's drivers fails."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.linalg import LinAlgError, eigh

from models.numerics import symmetric_eigen
from models.numerics.symmetric_eigen import leading_eigenvectors
from tests.examples import examples

pytestmark = pytest.mark.usefixtures("one_thread")

Fail = Callable[..., None]


def checkerboard(n: int) -> np.ndarray:
    """Gram matrix of users who like the items of their own parity but one: three eigenvalues, two of them repeated."""
    parity = np.arange(n) % 2
    likes = ((parity[:, None] == parity[None, :]) & ~np.eye(n, dtype=bool)).astype(np.float64)
    return likes.T @ likes


DEGENERATE = {
    "one by one": np.full((1, 1), 3.0),
    "zero by one": np.zeros((1, 1)),
    "zeros": np.zeros((12, 12)),
    "identity": np.eye(12),
    "rank one": np.ones((12, 12)),
    "one entry": np.diag([0.0, 0, 1, 0]),
    "blocks": np.kron(np.eye(4), np.ones((3, 3))),
    "checkerboard": checkerboard(30),
    "normalised checkerboard": checkerboard(30) / 14**2,
    "tiny": 1e-30 * checkerboard(8),
    "huge": 1e30 * checkerboard(8),
    "negative": -checkerboard(8),
}


def check_eigenpairs(matrix: np.ndarray, count: int) -> None:
    """In units of the greatest entry, since float32 cannot hold the square of a tiny or a huge one."""
    values, vectors = leading_eigenvectors(matrix, count)
    assert values.dtype == vectors.dtype == matrix.dtype
    scale = np.abs(matrix).max(initial=0) or 1
    exact = matrix.astype(np.float64) / scale
    close = 1e-4 if matrix.dtype == np.float32 else 1e-9
    expected = np.linalg.eigvalsh(exact)[len(matrix) - count :]
    np.testing.assert_allclose(values.astype(np.float64) / scale, expected, atol=close * len(matrix))
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(count), atol=close)
    np.testing.assert_allclose(exact @ vectors, vectors * expected, atol=close * len(matrix))


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Make the first so many drivers of LAPACK fail as on the other processor."""

    def fail(drivers: int, how: Callable[..., object] | None = None) -> None:
        def broken(matrix: np.ndarray, count: int) -> object:
            if how is None:
                raise LinAlgError("Internal Error.")
            return how(matrix, count)

        broken.__name__ = "broken"
        monkeypatch.setattr(
            symmetric_eigen, "_DRIVERS", (*[broken] * drivers, *symmetric_eigen._DRIVERS[drivers:])
        )

    return fail


@pytest.mark.parametrize("failing", range(4))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_matrices_are_decomposed_by_each_method(
    fail: Fail, name: str, dtype: type, failing: int
) -> None:
    fail(failing)
    matrix = DEGENERATE[name].astype(dtype)
    for count in {0, 1, len(matrix) // 2, len(matrix)}:
        check_eigenpairs(matrix, count)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from([0.0, 1e-12, 1e-3, 1, 1, 1, 2, 2, -1]), max_size=12),
    st.integers(0, 10**6),
    st.integers(0, 12),
    st.integers(0, 3),
)
def test_repeated_eigenvalues_are_found_by_each_method(
    spectrum: list[float], seed: int, count: int, failing: int
) -> None:
    n = len(spectrum)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    matrix = (turn * np.array(spectrum)) @ turn.T
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symmetric_eigen, "_DRIVERS", symmetric_eigen._DRIVERS[failing:])
        check_eigenpairs(matrix + matrix.T, min(count, n))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_are_those_of_the_first_driver(dtype: type) -> None:
    samples = np.random.default_rng(0).standard_normal((60, 40)).astype(dtype)
    for matrix in (samples.T @ samples, checkerboard(30).astype(dtype)):
        n = len(matrix)
        try:
            expected = eigh(matrix, subset_by_index=[n - 10, n - 1], driver="evr")
        except LinAlgError:
            continue  # on this processor
        for ours, theirs in zip(leading_eigenvectors(matrix, 10), expected, strict=True):
            assert np.array_equal(ours, theirs)
        values, vectors = np.linalg.eigh(matrix)
        ours = leading_eigenvectors(matrix, 10, first="evd")
        assert np.array_equal(ours[0], values[-10:])
        assert np.array_equal(ours[1], vectors[:, -10:])


@pytest.mark.parametrize(
    "how",
    [
        lambda matrix, count: (np.zeros(count), np.zeros((len(matrix), count))),
        lambda matrix, count: (np.zeros(count - 1), np.eye(len(matrix))[:, : count - 1]),
        lambda matrix, count: (np.full(count, np.nan), np.eye(len(matrix))[:, :count]),
        lambda matrix, count: (np.zeros(count), np.full((len(matrix), count), np.nan)),
        lambda matrix, count: (np.ones(count), np.eye(len(matrix))[:, :count]),
    ],
    ids=["zeros", "too few", "NaN values", "NaN vectors", "other vectors"],
)
def test_wrong_results_without_an_error_are_refused(fail: Fail, how: Callable[..., object]) -> None:
    """LAPACK may ignore an internal error (Reference-LAPACK's pull request 1204)."""
    fail(1, how)
    check_eigenpairs(checkerboard(30), 5)


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_refused(entry: float) -> None:
    matrix = np.eye(3)
    matrix[1, 1] = entry
    with pytest.raises(ValueError, match="infs or NaNs"):
        leading_eigenvectors(matrix, 2)
