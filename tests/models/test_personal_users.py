"""Users of whom a model has learned something: not those who get everybody's list."""

import numpy as np
import pytest

from models.base import Recommender
from models.baselines.popularity import Popularity
from models.baselines.recent import Recent
from models.ensemble.blend import Blend, BlendConfig
from models.neighbours.item_knn import ItemKNN
from models.personal_users import personal_users
from tests.models.contract import EMPTY_USER, N_USERS, small_world


@pytest.mark.parametrize("model", [Popularity(), Recent()])
def test_no_user_has_a_list_of_their_own_by_popularity(model: Recommender) -> None:
    model.fit(small_world(), seed=1)
    assert model.known_users_.all()
    assert personal_users(model).tolist() == [False] * N_USERS


def test_users_of_an_ensemble_are_those_of_its_members() -> None:
    data = small_world()
    knn, popular = ItemKNN().fit(data, seed=1), Popularity().fit(data, seed=1)
    config = BlendConfig(members={"item_knn": "a", "popularity": "b"}, weights={"score item_knn": 1.0})
    blend = Blend(config, [knn, popular]).fit(data, seed=1)
    expected = np.arange(N_USERS) != EMPTY_USER
    assert np.array_equal(personal_users(blend), expected)
    assert np.array_equal(personal_users(knn), expected)


def test_a_blend_leaves_out_users_without_any_interaction() -> None:
    data = small_world()
    popular = Popularity().fit(data, seed=1)
    blend = Blend(BlendConfig(members={"popularity": "a"}, weights={"score popularity": 1.0}), [popular])
    untouched = np.diff(data.seen.indptr) == 0
    assert untouched.any()
    assert np.array_equal(blend.fit(data, seed=1).known_users_, ~untouched)
