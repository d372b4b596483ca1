"""The leading singular vectors are those of numpy's SVD, by both methods, and when any LAPACK driver fails."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from models.numerics import symmetric_eigen, truncated_svd
from models.numerics.truncated_svd import right_singular
from tests.examples import examples

pytestmark = pytest.mark.usefixtures("one_thread")


@settings(max_examples=examples(40))
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 8), st.integers(1, 8)),
        elements=st.integers(-3, 3).map(np.float32),
    ),
    st.integers(1, 10),
)
def test_small_matrices_are_decomposed_exactly(matrix: np.ndarray, rank: int) -> None:
    values, vectors = right_singular(sparse.csr_array(matrix), rank, seed=0)
    expected = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    expected = expected[expected > 1e-3 * expected.max(initial=0)][:rank]
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(matrix @ vectors, axis=0), expected, rtol=1e-4)


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> sparse.csr_array:
    """400 × 600 of ten tastes and noise, decomposed by block Lanczos as a larger matrix would be."""
    monkeypatch.setattr(truncated_svd, "_DENSE", 0)
    rng = np.random.default_rng(0)
    taste = rng.integers(10, size=400)[:, None] == rng.integers(10, size=600)[None, :]
    return sparse.csr_array((rng.random(taste.shape) < np.where(taste, 0.2, 0.01)).astype(np.float32))


@pytest.mark.parametrize("turned", [False, True])
def test_block_lanczos_finds_the_leading_vectors(wide: sparse.csr_array, turned: bool) -> None:
    matrix = sparse.csr_array(wide.T) if turned else wide
    values, vectors = right_singular(matrix, 10, seed=1)
    _, expected, transposed = np.linalg.svd(matrix.toarray(), full_matrices=False)
    np.testing.assert_allclose(values, expected[:10], rtol=1e-4)
    overlap = np.linalg.norm(transposed[:10] @ vectors, axis=0)
    np.testing.assert_allclose(overlap, 1, atol=1e-3)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(10), atol=1e-5)


def test_seed_changes_vectors_but_not_their_subspace(wide: sparse.csr_array) -> None:
    once, again, other = (right_singular(wide, 10, seed=seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(once, again)
    np.testing.assert_allclose(once @ (once.T @ other), other, atol=2e-3)


@pytest.mark.parametrize("dense", [0, 1024])
def test_fewer_vectors_are_returned_when_rank_is_lower(monkeypatch: pytest.MonkeyPatch, dense: int) -> None:
    monkeypatch.setattr(truncated_svd, "_DENSE", dense)
    ones = sparse.csr_array(np.ones((300, 400), np.float32))
    values, vectors = right_singular(ones, 5, seed=0)
    np.testing.assert_allclose(values, [np.sqrt(300 * 400)], rtol=1e-4)
    np.testing.assert_allclose(np.abs(vectors), 1 / np.sqrt(400), rtol=1e-3)


@pytest.mark.parametrize("failing", range(4))
@pytest.mark.parametrize("dense", [0, 1024])
def test_repeated_values_are_found_when_drivers_fail(
    monkeypatch: pytest.MonkeyPatch, dense: int, failing: int
) -> None:
    """On a checkerboard LAPACK's `evr` fails with OpenBLAS's SkylakeX kernels, in both ways of `right_singular`."""
    monkeypatch.setattr(truncated_svd, "_DENSE", dense)
    monkeypatch.setattr(symmetric_eigen, "_DRIVERS", symmetric_eigen._DRIVERS[failing:])
    parity = np.arange(300) % 2
    board = sparse.csr_array((parity[:, None] == parity[None, :]).astype(np.float32))
    values, vectors = right_singular(board, 5, seed=0)
    np.testing.assert_allclose(values, [150, 150], rtol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(2), atol=1e-4)
    np.testing.assert_allclose(board @ vectors, vectors @ (vectors.T @ (board @ vectors)), atol=1e-2)


@pytest.mark.parametrize("dense", [0, 1024])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (40, 40), (0, 5)])
@pytest.mark.parametrize("fill", [np.zeros, np.ones, np.eye])
def test_degenerate_matrices_are_decomposed(
    monkeypatch: pytest.MonkeyPatch, dense: int, shape: tuple[int, int], fill: Callable[..., np.ndarray]
) -> None:
    monkeypatch.setattr(truncated_svd, "_DENSE", dense)
    matrix = fill(*shape) if fill is np.eye else fill(shape)
    values, vectors = right_singular(sparse.csr_array(matrix, dtype=np.float32), 3, seed=0)
    expected = np.linalg.svd(matrix, compute_uv=False)
    expected = expected[expected > 1e-3 * expected.max(initial=0)][:3]
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(expected)), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(matrix @ vectors, axis=0), expected, rtol=1e-4)
