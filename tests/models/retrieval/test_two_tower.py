"""The contract on the two towers with each loss, and with features."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from scipy import sparse

from models.interactions import Interactions
from models.retrieval.config import TwoTowerConfig
from models.retrieval.two_tower import TwoTower
from tests.models.contract import UNTOUCHED_ITEM, LikesContract, PersonalContract, interactions, likes_of
from tests.models.fitted_once import FittedOnce

DAY = 86_400
SMALL = {
    "factors": 8, "batch": 512, "uniform_negatives": 64, "learning_rate": 0.02, "patience": 40, "epochs": 40,
}  # fmt: skip


class TestTwoTower(FittedOnce, LikesContract):
    model = TwoTower
    config: ClassVar[TwoTowerConfig] = TwoTowerConfig(**SMALL)
    kept_of_own_history = 0.5


class TestTwoTowerWithFeatures(TestTwoTower):
    config: ClassVar[TwoTowerConfig] = TwoTowerConfig(**SMALL, id_dropout=0.0, dropout=0.0)

    def described(self, data: Interactions) -> Interactions:
        return with_features(data)


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
