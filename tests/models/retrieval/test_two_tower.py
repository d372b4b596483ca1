"""The contract on the two towers with each loss, and with features."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse

from models.interactions import Interactions
from models.retrieval.config import TwoTowerConfig
from models.retrieval.two_tower import TwoTower, user_profiles
from tests.models.contract import (
    N_USERS,
    UNTOUCHED_ITEM,
    LikesContract,
    PersonalContract,
    interactions,
    likes_of,
    small_world,
)
from tests.models.fitted_once import FittedOnce

DAY = 86_400
SMALL = {
    "factors": 8, "batch": 512, "uniform_negatives": 64, "learning_rate": 0.02, "patience": 20, "epochs": 20,
}  # fmt: skip


class TestTwoTower(FittedOnce, LikesContract):
    model = TwoTower
    config: ClassVar[TwoTowerConfig] = TwoTowerConfig(**SMALL)
    kept_of_own_history = 0.5


class TestTwoTowerWithFeatures(TestTwoTower):
    config: ClassVar[TwoTowerConfig] = TwoTowerConfig(**SMALL, id_dropout=0.0, dropout=0.0)

    def described(self, data: Interactions) -> Interactions:
        return with_features(data)


class TestTwoTowerWithUserFeatures(TestTwoTower):
    config: ClassVar[TwoTowerConfig] = TwoTowerConfig(**SMALL)

    def described(self, data: Interactions) -> Interactions:
        """Give features to users of `small_world` who like something in every test."""
        users = np.arange(12, 40 if data.n_users == N_USERS else 12)
        return of_parity(data, users)


@pytest.mark.slow
class TestTwoTowerWithLogLoss(TestTwoTower):
    config: ClassVar[TwoTowerConfig] = TwoTowerConfig(**SMALL, loss="sigmoid")


@pytest.mark.slow
class TestTwoTowerOnUtility(FittedOnce, PersonalContract):
    model = TwoTower
    config: ClassVar[TwoTowerConfig] = TwoTowerConfig(
        **SMALL | {"epochs": 100, "temperature": 1.0}, loss="squared", matrix="composite"
    )
    kept_of_own_history = 0.5
    share_of_the_taste = 0.9
    kept_of_tiny_rows = 0.0  # a utility near 0 is what drawn items have


def with_features(data: Interactions) -> Interactions:
    """Give every item but the untouched one the feature of its parity, and one of three others."""
    features = np.zeros((data.n_items, 5), np.float32)
    items = np.arange(data.n_items)
    features[items, items % 2] = 1
    features[items, 2 + items % 3] += 1
    features[items == UNTOUCHED_ITEM] = 0
    return replace(
        data, item_features=sparse.csr_array(features), feature_names=("odd", "even", "a", "b", "c")
    )


def of_parity(data: Interactions, users: np.ndarray) -> Interactions:
    """Give some users the feature of their parity, which decides in `small_world` which items they like."""
    features = np.zeros((data.n_users, 2), np.float32)
    features[users, users % 2] = 1
    return replace(data, user_features=sparse.csr_array(features), user_feature_names=("even", "odd"))


def same_bits(a: TwoTower, b: TwoTower) -> bool:
    names = vars(a).keys() & vars(b).keys()
    return vars(a).keys() == vars(b).keys() and all(
        np.array_equal(vars(a)[name], vars(b)[name])
        for name in names
        if name.endswith("_") and not sparse.issparse(vars(a)[name])
    )


def test_users_with_features_need_no_likes() -> None:
    """Users 0 to 5 have features and no likes; users 6 and 7 have neither."""
    world, nobody = small_world(), np.arange(8)
    likes = world.positive.toarray()
    likes[nobody] = 0
    data = of_parity(interactions(likes), np.delete(np.arange(N_USERS), [6, 7]))
    model = TwoTower(TwoTowerConfig(**SMALL)).fit(data, seed=1)
    assert model.known_users_[:8].tolist() == [True] * 6 + [False] * 2
    lists = model.recommend(nobody, 5).items
    assert (lists[:6] >= 0).all()
    assert (lists[6:] == -1).all()
    assert (lists[0] == lists[2:6:2]).all(), "the same features, the same list"
    plain = TwoTower(TwoTowerConfig(**SMALL)).fit(interactions(likes), seed=1)
    assert not plain.known_users_[nobody].any()


def test_features_that_no_user_has_change_no_bit() -> None:
    world = small_world()
    plain = TwoTower(TwoTowerConfig(**SMALL)).fit(world, seed=1)
    for users in (np.empty(0, np.int64), np.arange(1)):
        data = of_parity(world, users)
        assert data.user_features is not None
        data.user_features.data[:] = 0  # an explicit zero is no feature
        assert same_bits(TwoTower(TwoTowerConfig(**SMALL)).fit(data, seed=1), plain)
    others = TwoTower(TwoTowerConfig(**SMALL)).fit(of_parity(world, np.arange(1)), seed=1)
    assert not same_bits(others, plain)


def test_features_make_nobody_known_without_any_likes() -> None:
    world = small_world()
    data = of_parity(with_features(interactions(world.positive.toarray() * 0)), np.arange(N_USERS))
    model = TwoTower(TwoTowerConfig(**SMALL)).fit(data, seed=1)
    assert not model.known_users_.any()


def test_sizes_of_user_features_do_not_matter() -> None:
    """Rows have length 1: users of many features, or of greater entries, are not further from the others."""
    data = small_world()
    features = sparse.csr_array(np.array([[1, 0, 1], [0, 0, 0], [0, 50, 0]], np.float32))
    rows = sparse.csr_array(sparse.vstack([features] * (data.n_users // 3)))
    named = replace(
        small_world(), user_features=sparse.vstack([rows, rows[: data.n_users % 3]], format="csr"),
        user_feature_names=("a", "b", "c"),
    )  # fmt: skip
    profiles = user_profiles(named)
    assert profiles is not None
    expected = [[0.5**0.5, 0, 0.5**0.5], [0, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(profiles[:3].toarray(), expected, rtol=1e-6)
    assert named.user_features is not None
    assert named.user_features.data.max() == 50, "the snapshot is not changed"


def test_items_with_features_are_listed_before_anyone_met_them() -> None:
    """Items 0 to 3 have no likes; 0, 1 and 2 have the features of their parity, 3 has none."""
    rng = np.random.default_rng(0)
    parity = np.arange(40) % 2
    likes = (rng.random((60, 40)) < 0.4) & (parity[np.arange(60) % 2][:, None] == parity)
    likes[:, :4] = False
    features = np.eye(2, dtype=np.float32)[parity]
    features[3] = 0
    data = replace(
        interactions(likes), item_features=sparse.csr_array(features), feature_names=("even", "odd")
    )
    model = TwoTower(TwoTowerConfig(**SMALL)).fit(data, seed=1)
    scores = model.score(np.arange(60))
    assert np.isfinite(scores[:, :3]).all()
    assert np.isnan(scores[:, 3]).all()
    assert model.known_items_[:4].tolist() == [True, True, True, False]
    even, odd = scores[::2], scores[1::2]
    assert (even[:, 0] > even[:, 1]).mean() > 0.9
    assert (odd[:, 1] > odd[:, 0]).mean() > 0.9
    lists = model.recommend(np.arange(60), 40, exclude=data.seen).items
    assert {0, 1, 2} <= set(lists[0].tolist())
    assert 3 not in lists
    assert model.recommend_for([[0, 2]], 3).items[0, 0] >= 0, "a history of such items is enough"


def days_of_one_genre() -> tuple[Interactions, np.ndarray]:
    """Return users with four likes of one genre on each of six days, and the genre of the latest day.

    The genre is drawn anew for every day, and the days are a month apart. Genres are the even and the odd items. The
    data end a month after the latest day, with an event of user 0.
    """
    rng = np.random.default_rng(1)
    n_users, n_items = 150, 80
    times, genre = np.zeros((n_users, n_items), np.int64), np.empty(n_users, np.int64)
    for user in range(n_users):
        for day in range(1, 181, 30):
            genre[user] = rng.integers(2)
            of_genre = np.flatnonzero((np.arange(n_items) % 2 == genre[user]) & (times[user] == 0))
            times[user, rng.choice(of_genre, 4, replace=False)] = day * DAY + 3600 * np.arange(4)
    times[0, times[0].argmin()] = 181 * DAY
    features = sparse.csr_array(np.eye(2, dtype=np.float32)[np.arange(n_items) % 2])
    data = replace(
        interactions(times > 0),
        timestamp=sparse.csr_array(times),
        item_features=features,
        feature_names=("even", "odd"),
    )
    return data, genre


@pytest.mark.slow
def test_the_day_a_user_came_last_decides_what_comes_next() -> None:
    """Lists are for a visit just after it, however long ago; histories of new users have no days."""
    data, genre = days_of_one_genre()
    options = SMALL | {"epochs": 30, "factors": 16, "start": "random", "temperature": 0.5, "id_dropout": 0.5}
    model = TwoTower(TwoTowerConfig(**options, context_days=1.0)).fit(data, seed=1)
    users = np.arange(1, data.n_users)
    with_context = model.recommend(users, 5, exclude=data.seen).items
    without = model.recommend_for([likes_of(data, user) for user in users], 5).items
    assert np.mean(with_context % 2 == genre[1:, None]) > 0.9
    assert np.mean(without % 2 == genre[1:, None]) < 0.75, "the latest day is four of 24 likes"


def test_squared_error_is_on_the_utility_by_default() -> None:
    assert TwoTowerConfig(loss="squared").matrix == "composite"
    assert TwoTowerConfig(loss="squared", matrix="rating").matrix == "rating"
    assert TwoTowerConfig().matrix is None
