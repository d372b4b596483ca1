from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from models.factors.als import ALS, ALSConfig
from models.factors.cke import CKE, CKEConfig
from models.interactions import Interactions
from tests.models.contract import N_ITEMS, UNTOUCHED_ITEM, PersonalContract, interactions, small_world
from tests.models.fitted_once import FittedOnce
from tests.models.graph.test_kgcn import by_parity
from tests.models.threads import on_one_and_all_threads

SMALL = CKEConfig(factors=16, regularization=0.5, alpha=5, iterations=8)


class TestCKE(FittedOnce, PersonalContract):
    model = CKE
    config = SMALL
    kept_of_own_history = 0.6  # a history says what was liked, not how much

    def described(self, data: Interactions) -> Interactions:
        return by_parity(data, np.flatnonzero(np.bincount(data.seen.indices, minlength=data.n_items)))


class TestCKEWithoutFacts(FittedOnce, PersonalContract):
    model = CKE
    config = SMALL
    kept_of_own_history = 0.6


def as_als() -> ALS:
    return ALS(ALSConfig(**{name: getattr(SMALL, name) for name in ALSConfig.model_fields}))


def test_without_facts_it_is_als() -> None:
    model, plain = (found.fit(small_world(), seed=1) for found in (CKE(SMALL), as_als()))
    assert np.array_equal(model.item_factors_, plain.item_factors_)
    assert np.array_equal(model.user_factors_, plain.user_factors_)


def test_facts_that_say_nothing_leave_the_scores_of_als() -> None:
    """All items share one fact, which therefore has no attention."""
    world = small_world()
    same = replace(
        world, item_features=sparse.csr_array(np.ones((N_ITEMS, 1), np.float32)), feature_names=("genre:a",)
    )
    model, plain = (found.fit(data, seed=1) for found, data in ((CKE(SMALL), same), (as_als(), world)))
    users = np.arange(60)
    np.testing.assert_allclose(model.score(users), plain.score(users), atol=5e-3)


def test_an_item_without_likes_is_listed_by_what_it_shares() -> None:
    model = CKE(SMALL).fit(by_parity(small_world()), seed=1)
    scores = model.score(np.arange(0, 40))[:, UNTOUCHED_ITEM]
    assert UNTOUCHED_ITEM % 2 == 1
    assert np.nanmean(scores[1::2]) > np.nanmean(scores[::2]) + 0.1
    similar = model.similar_items(np.array([UNTOUCHED_ITEM]), 5).items[0]
    assert (similar % 2 == 1).all()


def test_an_item_without_likes_and_facts_stays_unknown() -> None:
    facts = by_parity(small_world(), np.delete(np.arange(N_ITEMS), UNTOUCHED_ITEM))
    assert not CKE(SMALL).fit(facts, seed=1).known_items_[UNTOUCHED_ITEM]


def test_untouched_described_items_keep_scores_of_known_items() -> None:
    """The tolerance is for the rank of `likeness_vectors`, which depends on the number of items."""
    narrow = small_world()
    wide = interactions(sparse.hstack([narrow.composite, sparse.csr_array((narrow.n_users, 400))]))
    scores = [
        CKE(SMALL).fit(by_parity(data), seed=1).score(np.arange(narrow.n_users))[:, :N_ITEMS]
        for data in (narrow, wide)
    ]
    known = np.arange(N_ITEMS) != UNTOUCHED_ITEM
    np.testing.assert_allclose(scores[1][:, known], scores[0][:, known], atol=0.05)


def test_features_of_items_are_facts() -> None:
    world = small_world()
    features = sparse.csr_array((np.arange(N_ITEMS)[:, None] % 2 == [0, 1]).astype(np.float32))
    featured = replace(world, item_features=features, feature_names=("genre:even", "genre:odd"))
    one, other = (CKE(SMALL).fit(data, seed=1) for data in (featured, by_parity(world)))
    np.testing.assert_allclose(one.item_factors_, other.item_factors_, atol=1e-5)


@pytest.mark.parametrize("setting", ["knowledge", "entity_regularization", "rare_regularization"])
def test_every_setting_changes_the_vectors(setting: str) -> None:
    data = by_parity(small_world())
    plain, changed = (
        CKE(SMALL.model_copy(update=update)).fit(data, seed=1).item_factors_
        for update in ({}, {setting: 0.9})
    )
    assert np.abs(plain - changed).max() > 1e-4


def test_the_same_bits_on_one_thread_and_on_all() -> None:
    data = by_parity(small_world())
    one, every = on_one_and_all_threads(lambda: CKE(SMALL).fit(data, seed=3).item_factors_)
    assert np.array_equal(one, every)


def test_progress_is_reported_after_every_round() -> None:
    reported: list[tuple[int, int]] = []
    CKE(SMALL).fit(by_parity(small_world()), seed=1, progress=lambda *step: reported.append(step))
    assert reported == [(done, 8) for done in range(1, 9)]
