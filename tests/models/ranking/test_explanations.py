"""Reasons: the kernels against brute force over all pairs of items, and the reasons of each family of models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.baselines.popularity import Popularity
from models.content.profiles import Content
from models.factors.als import ALS, ALSConfig
from models.linear.ease import EASE
from models.linear.graph_filter import GraphFilter
from models.neighbours.item_knn import ItemKNN
from models.neighbours.user_knn import UserKNN
from models.ranking.explanations import largest_terms, nearest_by_profile
from tests.examples import examples
from tests.models.contract import EMPTY_USER, N_ITEMS, N_USERS, small_world

DATA = small_world()
USERS = np.arange(N_USERS)
EVERY_ITEM = np.tile(np.arange(N_ITEMS, dtype=np.int32), (N_USERS, 1))
LIKED = DATA.positive


def brute_force(items, weights, terms) -> np.ndarray:
    """terms: (n_items, n_items), contribution of item j to item i, before the user's weight."""
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
    # Sums of eighths are exact, so kernel and brute force round alike.
    weights = rng.integers(-4, 9, (n_rows, n_items)) / 8 * (rng.random((n_rows, n_items)) < 0.2)
    similarity = (
        rng.integers(-4, 9, (n_items, n_items)) / 8 * (rng.random((n_items, n_items)) < draw(st.floats(0, 1)))
    )
    factors = rng.integers(-4, 5, (2, n_items, draw(st.integers(0, 3)))) / 8
    return items, *(each.astype(np.float32) for each in (weights, similarity, *factors))


@settings(max_examples=examples(100))
@given(case=cases())
def test_reason_is_the_item_of_the_largest_term(case) -> None:
    items, weights, similarity, left, right = case  # rows of `similarity` are scanned or bisected
    found = largest_terms(
        items, sparse.csr_array(weights), similarity=sparse.csr_array(similarity), left=left, right=right
    )
    np.testing.assert_array_equal(found, brute_force(items, weights, similarity + left @ right.T))


@settings(max_examples=examples(100))
@given(case=cases(), n_rows=st.integers(1, 20))
def test_reasons_by_similarity_alone_are_the_largest_term(case, n_rows) -> None:
    """A row of `similarity` is spread out if enough users like its item, else bisected."""
    items, weights, similarity, *_ = (
        each[:n_rows] if number < 2 else each for number, each in enumerate(case)
    )
    found = largest_terms(items, sparse.csr_array(weights), similarity=sparse.csr_array(similarity))
    np.testing.assert_array_equal(found, brute_force(items, weights, similarity))


@settings(max_examples=examples(50))
@given(case=cases())
def test_nearest_by_profile_has_the_greatest_product(case) -> None:
    items, weights, profiles, *_ = case
    liked = (weights != 0).astype(np.float32)
    found = nearest_by_profile(items, sparse.csr_array(liked), sparse.csr_array(profiles))
    np.testing.assert_array_equal(found, brute_force(items, liked, profiles @ profiles.T))


def test_there_is_no_reason_without_likes() -> None:
    vectors = np.eye(3, dtype=np.float32)
    nothing = sparse.csr_array((1, 3), dtype=np.float32)
    assert largest_terms(np.array([[0, 1]], np.int32), nothing, left=vectors, right=vectors).tolist() == [
        [-1, -1]
    ]


@pytest.mark.parametrize("kind", [ItemKNN, EASE, GraphFilter])
def test_reason_of_item_item_models_is_the_largest_term(kind) -> None:
    """The terms of all items add up to the score; the reason is the largest of a liked item."""
    model = kind().fit(DATA, seed=1)
    terms_of_item = model.similarity_.toarray()
    if model._item_factors() is not None:
        left, right = model._item_factors()
        terms_of_item = terms_of_item + left @ right.T
    terms = model.profiles_.toarray()[:, :, None] * terms_of_item[None]
    scores = model.score(USERS)
    scored = ~np.isnan(scores)
    np.testing.assert_allclose(terms.sum(axis=1)[scored], scores[scored], rtol=1e-3, atol=1e-5)

    terms *= LIKED.toarray()[:, :, None] > 0
    terms[:, np.arange(N_ITEMS), np.arange(N_ITEMS)] = 0
    reasons = model.because_of(USERS, EVERY_ITEM, LIKED)
    greatest = terms.max(axis=1)
    given = np.take_along_axis(terms, np.maximum(reasons, 0)[:, None, :].astype(np.int64), axis=1)[:, 0]
    np.testing.assert_allclose(
        np.where(reasons >= 0, given, 0), np.maximum(greatest, 0), rtol=1e-4, atol=1e-6
    )
    assert (reasons[EMPTY_USER] == -1).all()


def test_reason_of_factor_models_is_the_nearest_liked_item() -> None:
    model = ALS(ALSConfig(factors=4, iterations=3)).fit(DATA, seed=1)
    vectors = model.item_factors_ / np.maximum(
        np.linalg.norm(model.item_factors_, axis=1, keepdims=True), 1e-12
    )
    cosines = np.where(np.eye(N_ITEMS, dtype=bool), -1, vectors @ vectors.T)
    reasons = model.because_of(USERS, EVERY_ITEM, LIKED)
    for user in USERS:
        mine = LIKED.indices[LIKED.indptr[user] : LIKED.indptr[user + 1]]
        for item, reason in enumerate(reasons[user]):
            greatest = cosines[mine, item].max(initial=0)
            assert (reason in mine and cosines[reason, item] == pytest.approx(greatest)) or greatest <= 1e-6


def test_models_without_terms_of_items_give_no_reasons() -> None:
    assert UserKNN().fit(DATA, seed=1).because_of(USERS, EVERY_ITEM, LIKED) is None
    assert (Popularity().fit(DATA, seed=1).because_of(USERS, EVERY_ITEM, LIKED) == -1).all()
    undescribed = Content().fit(DATA, seed=1)
    assert (undescribed.because_of(USERS, EVERY_ITEM, LIKED) == -1).all()
