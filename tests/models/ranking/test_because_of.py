"""The reasons that models give: exact for those that add up a history, the nearest liked item for those of vectors."""

from __future__ import annotations

import numpy as np
import pytest

from models.baselines.popularity import Popularity
from models.content.profiles import Content
from models.factors.als import ALS, ALSConfig
from models.linear.ease import EASE
from models.linear.graph_filter import GraphFilter
from models.neighbours.item_knn import ItemKNN
from models.neighbours.user_knn import UserKNN
from tests.models.contract import EMPTY_USER, N_ITEMS, N_USERS, small_world

DATA = small_world()
USERS = np.arange(N_USERS)
EVERY_ITEM = np.tile(np.arange(N_ITEMS, dtype=np.int32), (N_USERS, 1))
LIKED = DATA.positive


@pytest.mark.parametrize("kind", [ItemKNN, EASE, GraphFilter])
def test_the_reason_is_the_largest_term_of_a_sum_that_is_the_score(kind) -> None:
    model = kind().fit(DATA, seed=1)
    says = model.similarity_.toarray()
    if model._item_factors() is not None:
        left, right = model._item_factors()
        says = says + left @ right.T
    terms = model.profiles_.toarray()[:, :, None] * says[None]
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


def test_a_factor_model_names_the_liked_item_nearest_in_its_space() -> None:
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


def test_models_without_item_terms_say_so_and_popularity_leans_on_nobody() -> None:
    assert UserKNN().fit(DATA, seed=1).because_of(USERS, EVERY_ITEM, LIKED) is None
    assert (Popularity().fit(DATA, seed=1).because_of(USERS, EVERY_ITEM, LIKED) == -1).all()
    nothing_said = Content().fit(DATA, seed=1)
    assert (nothing_said.because_of(USERS, EVERY_ITEM, LIKED) == -1).all()
