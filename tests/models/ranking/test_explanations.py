"""Reasons against brute force over all pairs of a liked and a listed item."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.ranking.explanations import largest_terms, nearest_described


def brute_force(items, weights, terms) -> np.ndarray:
    """terms: (n_items, n_items), what row j says about column i, before the user's weight."""
    reasons = np.full(items.shape, -1)
    for row, listed in enumerate(items):
        for place, item in enumerate(listed):
            greatest = 0.0
            for liked, weight in zip(
                *np.nonzero(weights[row] != 0), weights[row][weights[row] != 0], strict=True
            ):
                if item >= 0 and liked != item and weight * terms[liked, item] > greatest:
                    greatest = weight * terms[liked, item]
                    reasons[row, place] = liked
    return reasons


@st.composite
def cases(draw: st.DrawFn):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n_items, n_rows, n = draw(st.integers(1, 90)), 20, draw(st.integers(1, 4))
    items = np.array([rng.permutation(n_items + n)[:n] for _ in range(n_rows)], np.int32)
    items[items >= n_items] = -1
    # Eighths: sums are exact, so that kernel and brute force cannot round apart.
    weights = rng.integers(-4, 9, (n_rows, n_items)) / 8 * (rng.random((n_rows, n_items)) < 0.2)
    similarity = (
        rng.integers(-4, 9, (n_items, n_items)) / 8 * (rng.random((n_items, n_items)) < draw(st.floats(0, 1)))
    )
    factors = rng.integers(-4, 5, (2, n_items, draw(st.integers(0, 3)))) / 8
    return items, *(each.astype(np.float32) for each in (weights, similarity, *factors))


@settings(max_examples=100)
@given(case=cases())
def test_it_is_the_largest_term_of_the_sum(case) -> None:
    items, weights, similarity, left, right = (
        case  # rows of `similarity` are short, or long enough for bisection
    )
    found = largest_terms(
        items, sparse.csr_array(weights), similarity=sparse.csr_array(similarity), left=left, right=right
    )
    np.testing.assert_array_equal(found, brute_force(items, weights, similarity + left @ right.T))


@settings(max_examples=50)
@given(case=cases())
def test_the_nearest_described_is_that_of_the_greatest_product(case) -> None:
    items, weights, profiles, *_ = case
    liked = (weights != 0).astype(np.float32)
    found = nearest_described(items, sparse.csr_array(liked), sparse.csr_array(profiles))
    np.testing.assert_array_equal(found, brute_force(items, liked, profiles @ profiles.T))


def test_without_a_history_there_is_no_reason() -> None:
    vectors = np.eye(3, dtype=np.float32)
    nothing = sparse.csr_array((1, 3), dtype=np.float32)
    assert largest_terms(np.array([[0, 1]], np.int32), nothing, left=vectors, right=vectors).tolist() == [
        [-1, -1]
    ]
