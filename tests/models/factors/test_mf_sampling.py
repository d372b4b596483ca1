"""Gibbs sampling of ratings: the sums that it draws by are those of the plain formulas, the mean of draws is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.factors import mf_sampling
from models.factors.mf_sampling import Side, mean_of, sample, sides
from tests.examples import examples


def silent(done: int, total: int) -> None:
    """Ignore the progress."""


def drawn_ratings(seed: int, shape: tuple[int, int], share: float = 0.5) -> sparse.csr_array:
    rng = np.random.default_rng(seed)
    there = rng.random(shape) < share
    there[0, 0] = True
    return sparse.csr_array(np.where(there, rng.standard_normal(shape), 0).astype(np.float32))


def products(users: Side, items: Side, ratings: sparse.csr_array) -> np.ndarray:
    row, column = ratings.nonzero()
    return (users.rows.T @ items.rows)[row, column]


@settings(max_examples=examples(30))
@given(
    seed=st.integers(0, 10_000),
    n_users=st.integers(1, 9),
    n_items=st.integers(1, 9),
    factors=st.integers(1, 3),
    met=st.booleans(),
)
def test_errors_stay_those_of_the_rows(
    seed: int, n_users: int, n_items: int, factors: int, met: bool
) -> None:
    ratings = drawn_ratings(seed, (n_users, n_items))
    rng = np.random.default_rng(seed)
    seen = drawn_ratings(seed + 1, ratings.shape) if met else None
    users, items = sides(ratings, seen, factors, rng)
    errors = ratings.data.astype(np.float64)
    mf_sampling.add_products(users, items, errors)
    for column in range(factors + 2):
        if column != 1:
            users.draw(column, items.rows[column], errors, 2.0, rng)
        if column != 0:
            items.draw(column, users.rows[column], errors, 2.0, rng)
    np.testing.assert_allclose(errors, ratings.data - products(users, items, ratings), atol=1e-9)
    assert (users.rows[1] == 1).all()
    assert (items.rows[0] == 1).all()
    for side, matrix in ((users, seen), (items, None if seen is None else sparse.csr_array(seen.T))):
        expected = side.own.copy()
        if matrix is not None:
            means = (matrix != 0).toarray() / np.sqrt(np.maximum(np.diff(matrix.indptr), 1))[:, None]
            expected += side.implicit @ means.T
        expected[[0, 1]] = np.where((side.rows[[0, 1]] == 1).all(axis=1)[:, None], 1, expected[[0, 1]])
        np.testing.assert_allclose(side.rows, expected, atol=1e-9)


@settings(max_examples=examples(30))
@given(seed=st.integers(0, 10_000), n_rows=st.integers(1, 8), n_things=st.integers(1, 8))
def test_implicit_vectors_are_drawn_about_the_ridge_solution(seed: int, n_rows: int, n_things: int) -> None:
    rng = np.random.default_rng(seed)
    met = sparse.csr_array((rng.random((n_rows, n_things)) < 0.6).astype(np.float32))
    scale, squares = rng.uniform(0.2, 1, n_rows), rng.uniform(0, 3, n_rows)
    sums, row, vectors = (
        rng.standard_normal(n_rows),
        rng.standard_normal(n_rows),
        rng.standard_normal(n_things),
    )
    normal, noise, mean, precision = rng.standard_normal(n_things), 1.7, 0.3, 2.5
    by_column = met.tocsc()
    weights, wanted_sums, wanted_row, wanted = (
        met.toarray() * scale[:, None],
        sums.copy(),
        row.copy(),
        vectors.copy(),
    )
    for thing in range(n_things):  # the plain version: the whole conditional of one vector, from dense arrays
        x = weights[:, thing]
        total = noise * (x**2 * squares).sum() + precision
        centre = (noise * (x * (wanted_sums + x * wanted[thing] * squares)).sum() + precision * mean) / total
        change = centre + normal[thing] / np.sqrt(total) - wanted[thing]
        wanted[thing] += change
        wanted_sums -= x * change * squares
        wanted_row += x * change
    mf_sampling._draw_implicit(
        by_column.indptr,
        by_column.indices,
        scale,
        squares,
        sums,
        row,
        vectors,
        normal,
        noise,
        mean,
        precision,
    )
    for found, expected in ((sums, wanted_sums), (row, wanted_row), (vectors, wanted)):
        np.testing.assert_allclose(found, expected, atol=1e-9)


@settings(max_examples=examples(20))
@given(seed=st.integers(0, 10_000), n_draws=st.integers(1, 4), factors=st.integers(1, 3))
def test_the_mean_predicts_what_all_draws_predict_on_average(seed: int, n_draws: int, factors: int) -> None:
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(n_draws):
        of_users, of_items = (rng.standard_normal((factors + 2, n), np.float32) for n in (7, 6))
        of_users[1], of_items[0] = 1, 1
        draws.append((of_users, of_items))
    known = np.arange(7) < 6, np.arange(6) < 5
    counts = np.arange(7)[::-1]
    found = mean_of(draws, known, counts, 64, 0.5)
    expected = np.mean([users.T @ items for users, items in draws], axis=0)
    mine = found.user_bias[:, None] + found.item_bias + found.user_factors @ found.item_factors.T
    np.testing.assert_allclose(mine[:6, :5], expected[:6, :5], atol=1e-4)
    assert not found.user_factors[6].any()
    assert not found.item_factors[5].any()
    assert found.user_bias[6] == found.item_bias[5] == 0
    assert counts @ found.user_bias == pytest.approx(0, abs=1e-4)
    shorter = mean_of(draws, known, counts, 1, 0.5)
    assert shorter.user_factors.shape == (7, 1)


def planted(seed: int = 0) -> tuple[sparse.csr_array, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(0, 0.5, (120, 1)) + rng.normal(0, 0.5, (1, 60))
    truth += 0.7 * rng.standard_normal((120, 2)) @ rng.standard_normal((2, 60))
    noisy = (truth + 0.3 * rng.standard_normal(truth.shape)) * (rng.random(truth.shape) < 0.4)
    return sparse.csr_array(noisy.astype(np.float32)), truth


def predicted(ratings: sparse.csr_array, **given: int) -> np.ndarray:
    options = {"factors": 4, "rounds": 80, "rank": 16, "seed": 1} | given
    found = sample(ratings, None, **options, progress=silent)
    return found.user_bias[:, None] + found.item_bias + found.user_factors @ found.item_factors.T


def test_what_was_not_shown_is_predicted_almost_as_well_as_the_noise_allows() -> None:
    ratings, truth = planted()
    hidden = ratings.toarray() == 0
    assert np.sqrt(np.mean((predicted(ratings) - truth)[hidden] ** 2)) < 0.3
    assert np.sqrt(np.mean(truth[hidden] ** 2)) > 0.9


def test_the_noise_is_estimated() -> None:
    assert sample(
        planted()[0], None, factors=4, rounds=60, rank=8, seed=0, progress=silent
    ).error == pytest.approx(0.3, abs=0.05)


def test_the_same_seed_draws_the_same() -> None:
    ratings = planted()[0]
    assert np.array_equal(predicted(ratings, rounds=12), predicted(ratings, rounds=12))
    assert not np.array_equal(predicted(ratings, rounds=12), predicted(ratings, rounds=12, seed=2))


def test_what_was_met_but_not_rated_tells_taste() -> None:
    """Users meet the items of their taste, and rate few of them."""
    rng = np.random.default_rng(3)
    taste, kind = rng.integers(0, 2, 200), rng.integers(0, 2, 80)
    alike = taste[:, None] == kind
    met = rng.random(alike.shape) < np.where(alike, 0.3, 0.05)
    rated = met & (rng.random(alike.shape) < 0.15)
    stars = np.where(alike, 1.0, -1.0) + 0.5 * rng.standard_normal(alike.shape)
    ratings = sparse.csr_array(np.where(rated, stars, 0).astype(np.float32))
    errors = []
    for seen in (None, sparse.csr_array(met.astype(np.float32))):
        found = sample(ratings, seen, factors=4, rounds=100, rank=16, seed=1, progress=silent)
        mine = found.user_bias[:, None] + found.item_bias + found.user_factors @ found.item_factors.T
        errors.append(np.sqrt(np.mean((mine - np.where(alike, 1, -1))[~rated] ** 2)))
    assert errors[1] < 0.8 * errors[0]
