"""Least squares with a prior, against exact solutions of dense matrices."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.factors.prior_least_squares import solve_rows
from tests.examples import examples
from tests.models.threads import on_one_and_all_threads


def confidences(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Return confidences from 1 to 6 for a third of the pairs, some of them negative, and 0 for the others."""
    sign = np.where(rng.random(shape) < 0.2, -1, 1)
    return sign * (1 + 5 * rng.random(shape)) * (rng.random(shape) < 0.3)


def solution(
    row: np.ndarray, others: np.ndarray, ridge: float, prior: np.ndarray, agreement: float, judges: np.ndarray
) -> np.ndarray:
    """Return the exact minimum of one row, (f,) float64."""
    size, liked = np.abs(row), row > 0
    more = np.maximum(size - 1, 0)
    left = judges.T @ judges + (others.T * more) @ others + ridge * np.eye(len(prior))
    right = others.T @ (size * liked) + (agreement * judges.T @ judges + ridge * np.eye(len(prior))) @ prior
    return np.linalg.solve(left, right)


@given(
    seed=st.integers(0, 2**32),
    agreement=st.sampled_from([0.0, 0.4, 1.0]),
    judged=st.booleans(),
    rows=st.integers(1, 9),
)
@settings(max_examples=examples(25))
def test_rows_approach_the_exact_minimum(seed: int, agreement: float, judged: bool, rows: int) -> None:
    """Rows have about twelve entries: a full eight and others."""
    rng = np.random.default_rng(seed)
    matrix, others, prior = (
        confidences(rng, (rows, 40)), rng.standard_normal((40, 4)), rng.standard_normal((rows, 4))
    )  # fmt: skip
    judges = rng.standard_normal((40, 4)) if judged else others
    found = np.zeros((rows, 4), np.float32)
    for _ in range(30):
        found = solve_rows(
            sparse.csr_array(matrix.astype(np.float32)), others.astype(np.float32), found, ridge=0.7,
            prior=prior.astype(np.float32), agreement=agreement,
            judged_by=judges.astype(np.float32) if judged else None,
        )  # fmt: skip
    exact = [
        solution(*of, others, 0.7, own, agreement, judges) for *of, own in zip(matrix, prior, strict=True)
    ]
    np.testing.assert_allclose(found, exact, atol=2e-3)


def test_a_row_without_entries_is_its_prior_when_it_agrees() -> None:
    rng = np.random.default_rng(0)
    others, prior = rng.standard_normal((2, 20, 5)).astype(np.float32)
    found = np.zeros_like(prior)
    for _ in range(20):
        found = solve_rows(
            sparse.csr_array((20, 20), dtype=np.float32), others, found, ridge=1, prior=prior, agreement=1
        )
    np.testing.assert_allclose(found, prior, atol=1e-3)


def test_rows_of_blocks_are_solved_as_single_rows_are() -> None:
    """50 rows of up to 20 entries: six full blocks and a short one; entries that come in eights and the rest."""
    rng = np.random.default_rng(0)
    matrix = sparse.csr_array(confidences(rng, (50, 20)).astype(np.float32))
    others, start = rng.standard_normal((20, 5)).astype(np.float32), rng.random((50, 5), np.float32)
    whole = solve_rows(matrix, others, start, ridge=1, prior=start)
    single = [
        solve_rows(sparse.csr_array(matrix[[row]]), others, start[[row]], ridge=1, prior=start[[row]])
        for row in range(50)
    ]
    np.testing.assert_allclose(np.vstack(single), whole, rtol=1e-4, atol=1e-6)
    assert np.diff(matrix.indptr).max() > 8


def test_the_same_bits_on_one_thread_and_on_all() -> None:
    rng = np.random.default_rng(0)
    matrix = sparse.csr_array(confidences(rng, (3000, 60)).astype(np.float32))
    others, start = rng.standard_normal((60, 16)).astype(np.float32), rng.random((3000, 16), np.float32)
    one, every = on_one_and_all_threads(lambda: solve_rows(matrix, others, start, ridge=1, prior=start))
    assert np.array_equal(one, every)
